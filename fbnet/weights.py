"""Files of initial weights: where an entry of `training.initial_weights` lies, how it is fetched, and what it was.

An entry is a path, or the name of a weight of torchvision such as `ResNet50_Weights.IMAGENET1K_V1`. The first use of a
file is recorded with its hash, and a training job takes no file but the recorded one; it never downloads.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import Request, urlopen

from tqdm import tqdm

from fbnet import paths
from fbnet.config import Study
from fbnet.errors import InputError
from fbnet.files import write_json, write_whole

# MIT CSAIL's ResNets with deep stem, by their file names; no hash of them is published.
CSAIL = {
    f"{name}-imagenet.pth": f"http://sceneparsing.csail.mit.edu/model/pretrained_resnet/{name}-imagenet.pth"
    for name in ("resnet50", "resnet101")
}
TORCHVISION = ("resnet50", "resnet101")  # its models whose weights fit a backbone here, with the plain stem
BY_HAND = (
    "bring it there by hand (WiderResNet-38's wider_resnet38.pth.tar is among the pre-trained models of "
    "github.com/NVIDIA/semantic-segmentation)"
)
BLOCK = 1 << 20  # bytes read at once
SECONDS = 60  # without any answer


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
    url = _torchvision_url(entry) if _is_name(entry) else CSAIL.get(path.name)
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
    sha256 = _sha256(path)
    _check_published(sha256, published, f"{path}: is not the published file; delete it and fetch it again")
    content = {
        "file": str(path),
        "sha256": sha256,
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
    if _sha256(path) != _read_record(recorded)["sha256"]:
        raise InputError(
            f"{path}: is another file than the one in {recorded}; bring that one back, "
            "or delete the record to begin with this one"
        )
    return path


def summary(recorded: Path) -> str:
    """A record in a line."""
    content = _read_record(recorded)
    kind = "as published" if content["hash"] == "published" else "hash of the first use"
    return f"{content['file']}: {content['bytes'] / 1e6:.1f} MB, sha256 {content['sha256']} ({kind})"


def _present(entry: str) -> Path:
    path = weights_file(entry)
    if not path.is_file():
        offered = _is_name(entry) or path.name in CSAIL
        remedy = "download it with `fbnet fetch-weights --study STUDY`" if offered else BY_HAND
        raise InputError(f"{path}: not there; {remedy}")
    return path


def _is_name(entry: str) -> bool:
    return re.fullmatch(r"\w+_Weights\.\w+", entry) is not None


def _torchvision_url(name: str) -> str:
    from torchvision import models

    known = {str(weight): weight for model in TORCHVISION for weight in models.get_model_weights(model)}
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
    sha256, size = hashlib.sha256(), 0
    with urlopen(Request(url, headers={"User-Agent": "fbnet"}), timeout=SECONDS) as response:
        length = int(response.headers.get("Content-Length", 0))
        with tqdm(desc=_file_name(url), total=length or None, unit="B", unit_scale=True, disable=None) as progress:
            for block in _blocks(response):
                file.write(block)
                sha256.update(block)
                size += len(block)
                progress.update(len(block))
    if length and size != length:
        raise OSError(f"broke off after {size} of {length} bytes")
    _check_published(sha256.hexdigest(), published, f"{url}: gave another file than the published one; try again")


def _check_published(sha256: str, published: str | None, problem: str) -> None:
    if published and not sha256.startswith(published):
        raise InputError(f"{problem} (its sha256 begins with {sha256[: len(published)]}, not {published})")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _read_record(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {key: content[key] for key in ("file", "sha256", "bytes", "hash")}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no readable record of weights; delete it and record the file again") from None
