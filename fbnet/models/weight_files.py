"""Files of initial weights: where an entry of `training.initial_weights` lies, how it is fetched, and what it was.

An entry is a path, or the name of a weight of torchvision such as `ResNet50_Weights.IMAGENET1K_V1`. The first use of a
file is recorded with its hash, and a training job takes no file but the recorded one; it never downloads.
"""

import hashlib
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import Request, urlopen

from tqdm import tqdm

from fbnet import paths
from fbnet.config.base import Config, validating
from fbnet.config.registry import BACKBONES
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.io.files import sha256, write_json, write_whole
from fbnet.io.text import read_json

DOWNLOADS = {name: url for backbone in BACKBONES.values() for name, url in backbone.downloads.items()}
BY_HAND = (
    "bring it there by hand (WiderResNet-38's wider_resnet38.pth.tar is among the pre-trained models of "
    "github.com/NVIDIA/semantic-segmentation)"
)
BLOCK = 1 << 20  # bytes read at once
MAX_BYTES = 4 << 30  # of a download
SECONDS = 60  # without any answer


class _Record(Config):
    """What a record of weights holds."""

    file: str
    sha256: str
    bytes: int
    hash: str


def entries(study: Study) -> list[str]:
    """The entries that a study's runs start from. Raises InputError where there is none."""
    named = dict.fromkeys(study.initial_weights(run) for run in study.runs)
    found = [entry for entry in named if entry is not None]
    if not found:
        raise InputError(f"{paths.study_file(study.name)}: training.initial_weights: is off; name the weights there")
    return found


def weights_file(entry: str) -> Path:
    """Where the file of an entry lies: the path itself, or a torchvision name's file in `data/weights/`.

    Raises:
        InputError: for a name that torchvision does not have for a backbone here.
    """
    return paths.weights_file(_file_name(_torchvision_url(entry))) if _is_name(entry) else Path(entry)


def fetch(entry: str) -> Path:
    """The file of an entry, downloaded if it is not there; it appears whole, and of torchvision's published hash.

    Raises:
        InputError: for a file that nobody offers for download, a failed download, and one of another hash.
    """
    path = weights_file(entry)
    if path.exists():
        return path
    url = _torchvision_url(entry) if _is_name(entry) else DOWNLOADS.get(path.name)
    if url is None:
        raise InputError(f"{path}: not there, and not offered for download; {BY_HAND}")
    try:
        write_whole(path, lambda file: _download(url, file, _published_hash(entry)))
    except (OSError, HTTPException) as error:
        raise InputError(f"{url}: no download ({error}); try again, or bring it to {path} by hand") from error
    return path


def record(entry: str) -> Path:
    """Writes down what the file of an entry is when it is used first; later on, checks that it still is.

    Returns:
        The record, JSON: `file`, `sha256`, `bytes`, and of `hash` whether it is `published` or of the `first use`.

    Raises:
        InputError: for a missing file, one of another hash than recorded or published, and a damaged record.
    """
    if paths.weights_record(entry).exists():
        verified(entry)
        return paths.weights_record(entry)
    path, published = _present(entry), _published_hash(entry)
    found = sha256(path)
    _check_published(found, published, f"{path}: is not the published file; delete it and fetch it again")
    content = {
        "file": str(path),
        "sha256": found,
        "bytes": path.stat().st_size,
        "hash": "published" if published else "first use",
    }
    write_json(paths.weights_record(entry), content)
    return paths.weights_record(entry)


def verified(entry: str) -> Path:
    """The file of an entry, after comparing it with its record.

    Raises:
        InputError: for a missing file or record, and for a file of another hash than recorded.
    """
    path, recorded = _present(entry), paths.weights_record(entry)
    if not recorded.exists():
        raise InputError(f"{recorded}: not there; record it with `fbnet record-weights {entry}`")
    if sha256(path) != _read_record(recorded).sha256:
        raise InputError(
            f"{path}: is another file than the one in {recorded}; bring that one back, "
            "or delete the record to begin with this one"
        )
    return path


def summary(recorded: Path) -> str:
    """A record in a line."""
    content = _read_record(recorded)
    kind = "as published" if content.hash == "published" else "hash of the first use"
    return f"{content.file}: {content.bytes / 1e6:.1f} MB, sha256 {content.sha256} ({kind})"


def _present(entry: str) -> Path:
    path = weights_file(entry)
    if not path.is_file():
        offered = _is_name(entry) or path.name in DOWNLOADS
        hint = "download it with `fbnet fetch-weights --study STUDY`" if offered else BY_HAND
        raise InputError(f"{path}: not there; {hint}")
    return path


def _is_name(entry: str) -> bool:
    return re.fullmatch(r"\w+_Weights\.\w+", entry) is not None


def _torchvision_url(name: str) -> str:
    from torchvision import models

    fitting = [backbone.torchvision for backbone in BACKBONES.values() if backbone.torchvision]
    known = {str(weight): weight for model in fitting for weight in models.get_model_weights(model)}
    if name not in known:
        raise InputError(f"{name}: no such weights in torchvision; choose from {', '.join(known)}, or give a path")
    return known[name].url


def _published_hash(entry: str) -> str | None:
    """The beginning of the sha256 that a torchvision file has in its name; None for other files."""
    if not _is_name(entry):
        return None
    found = re.search(r"-([0-9a-f]{8,})\.", _file_name(_torchvision_url(entry)))
    return found.group(1) if found else None


def _file_name(url: str) -> str:
    return url.rpartition("/")[2]


def _download(url: str, file: BinaryIO, published: str | None) -> None:
    """Copies what a URL gives into a file. Raises OSError or InputError unless it is whole and as published."""
    found, size = hashlib.sha256(), 0
    with urlopen(Request(url, headers={"User-Agent": "fbnet"}), timeout=SECONDS) as response:
        length = _length(response.headers.get("Content-Length", ""))
        with tqdm(desc=_file_name(url), total=length or None, unit="B", unit_scale=True, disable=None) as progress:
            for block in _blocks(response):
                file.write(block)
                found.update(block)
                size += len(block)
                progress.update(len(block))
                if size > MAX_BYTES:
                    raise OSError(f"gave more than {MAX_BYTES:,} bytes, and no file of weights has")
    if length and size != length:
        raise OSError(f"broke off after {size} of {length} bytes")
    _check_published(found.hexdigest(), published, f"{url}: gave another file than the published one; try again")


def _length(header: str) -> int:
    """The number of bytes that a server announces; 0 where it says nothing that is one."""
    return int(header) if header.isascii() and header.isdigit() and len(header) < 20 else 0


def _check_published(found: str, published: str | None, problem: str) -> None:
    if published and not found.startswith(published):
        raise InputError(f"{problem} (its sha256 begins with {found[: len(published)]}, not {published})")


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _read_record(path: Path) -> _Record:
    hint = "delete it and record the file again"
    content = read_json(path, "no readable record of weights", hint)
    with validating(path, hint):
        return _Record.model_validate(content)
