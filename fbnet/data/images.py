"""Image and label files as arrays. Whatever a file claims or holds, it is an array of bounded size or an InputError."""

import struct
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from fbnet.config.labels import LabelSpec
from fbnet.errors import InputError

MAX_IMAGE_PIXELS = 2**27
"""Of an image, 16384 x 8192: a panorama of 360 degrees from the largest cameras. Street images come nowhere near: those
of Cityscapes have 2 million, of CamVid and BDD100K up to 1 million, of Mapillary Vistas some tens of millions. A file
that claims more is damaged or meant to harm, and is refused by its header."""
FORMATS = ("PNG", "JPEG", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
"""Of 8 bits a channel or less; what has more would be cut off at 255."""
LABEL_MODES = ("L", "P")
LABEL_RAW_MODES = ("L", "P", "P;1", "P;2", "P;4")
"""Pixels as a PNG stores them. Grey of 1, 2 or 4 bits is left out: it is decoded as brightness, not as the ids."""
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns the pixels of an image of each orientation upright."""
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""What Pillow raises for truncated and damaged files."""

# The limit above is lower than Pillow's, whose warning would come before the refusal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged EXIF data count as none, without a word.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


def read_image(path: Path) -> np.ndarray:
    """An image file as people see it: (H, W, 3) uint8 RGB, turned upright where its EXIF orientation says so.

    Raises:
        InputError: if it is no PNG, JPEG or WebP, cannot be decoded, claims more than `MAX_IMAGE_PIXELS`, has more than
            8 bits a channel or transparent pixels, whose colour nobody sees.
    """
    with _open(path, str(path), FORMATS) as image:
        pixels = _rgb(image, path)
        turn = TURNS.get(_orientation(image))
    return np.asarray(pixels if turn is None else pixels.transpose(turn))


def read_stored_image(path: Path) -> np.ndarray:
    """An image file as its label map lies over it: (H, W, 3) uint8 RGB.

    Raises:
        InputError: as `read_image`, and for an EXIF orientation: nothing says whether the label map is turned as well.
    """
    with _open(path, str(path), FORMATS) as image:
        pixels, orientation = _rgb(image, path), _orientation(image)
    if orientation in TURNS:
        raise InputError(
            f"{path}: is turned or mirrored by its EXIF orientation {orientation}, which label maps do not have; turn "
            "its pixels to lie as those of its label map do, and remove the tag"
        )
    return np.asarray(pixels)


def read_labels(path: Path, labels: LabelSpec) -> np.ndarray:
    """A label file as (H, W) uint8 train ids.

    Raises:
        InputError: if it is no PNG of one channel of 8 bits, cannot be decoded, or holds an unknown id.
    """
    raw = read_ids(path, str(path))
    known = np.zeros(256, dtype=bool)
    known[list(labels.raw_ids)] = True
    unknown = np.unique(raw[~known[raw]])
    if len(unknown):
        raise InputError(
            f"{path}: label value {', '.join(map(str, unknown[:5]))} out of range; "
            f"{labels.name} has ids {_ranges(labels.raw_ids)}"
        )
    return labels.train_ids[raw]


def read_ids(source: Path | BinaryIO, place: str) -> np.ndarray:
    """A map of ids as it is stored: (H, W) uint8. Raises InputError, naming `place`, as `read_labels`."""
    with _open(source, place, ("PNG",)) as image:
        if image.mode not in LABEL_MODES:
            raise InputError(f"{place}: is of mode {image.mode}; a label map has one channel of 8 bits")
        if not image.tile or image.tile[0].args not in LABEL_RAW_MODES:
            raise InputError(f"{place}: is grey of less than 8 bits; a label map has one channel of 8 bits")
        try:
            image.load()
        except DAMAGED as error:
            raise _damaged(place, error) from None
        return np.asarray(image)


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image or label file by its header. Raises InputError as the functions above."""
    with _open(path, str(path), FORMATS) as image:
        return image.height, image.width


def _open(source: Path | BinaryIO, place: str, formats: Iterable[str]) -> Image.Image:
    hint = f"give a {' or '.join(formats)} file in its place"
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{place}: cannot be read as an image (is no file); {hint}")
    try:
        image = Image.open(source, formats=formats)
    except Image.DecompressionBombError:
        raise InputError(f"{place}: claims more than {MAX_IMAGE_PIXELS:,} pixels; {hint}") from None
    except DAMAGED as error:
        raise InputError(f"{place}: cannot be read as an image ({error}); {hint}") from None
    if not 0 < image.width * image.height <= MAX_IMAGE_PIXELS:
        image.close()
        size = f"{image.width} x {image.height}"
        raise InputError(f"{place}: claims {size} pixels, at most {MAX_IMAGE_PIXELS:,} are read; {hint}")
    return image


def _rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode not in MODES:
        raise InputError(f"{path}: is of mode {image.mode}, more than 8 bits a channel; convert it to 8-bit RGB")
    try:
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] < 255:
            raise InputError(f"{path}: has transparent pixels; put it on a background")
        return image.convert("RGB")
    except DAMAGED as error:
        raise _damaged(str(path), error) from None


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation of a decoded image, 1 for none; damaged EXIF data count as none, as they do in viewers."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except DAMAGED:
        return 1


def _damaged(place: str, error: Exception) -> InputError:
    return InputError(f"{place}: truncated or damaged ({error}); replace the file")


def _ranges(ids: Iterable[int]) -> str:
    """Ids in words, such as `0 to 18 and 255`."""
    ids = sorted(ids)
    starts = [value for value in ids if value - 1 not in ids]
    ends = [value for value in ids if value + 1 not in ids]
    return " and ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
