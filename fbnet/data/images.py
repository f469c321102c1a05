"""Decoding of image and label files: whatever a file holds becomes an array of bounded size or an `InputError`."""

import struct
import warnings
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from fbnet.config.labels import LabelSpec
from fbnet.data.limits import MAX_IMAGE_PIXELS
from fbnet.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP")
# Modes of at most 8 bits per channel; Pillow would clip deeper ones at 255.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
LABEL_MODES = ("L", "P")
COLOUR_LABEL_MODES = ("P", "RGB", "RGBA")
# Pixels as a PNG stores them. Grey of 1, 2 or 4 bits is missing because it is decoded as brightness, not as ids.
LABEL_RAW_MODES = ("L", "P", "P;1", "P;2", "P;4")
ORIENTATION = 0x0112  # EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition that turns an image of each EXIF orientation upright."""
# Raised by Pillow for truncated and damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)

# Our limit is lower than Pillow's, whose warning would come before the refusal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged EXIF data are ignored.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


def read_image(path: Path) -> np.ndarray:
    """Return an image as viewers show it, (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises:
        InputError: if the file is not a PNG, JPEG or WebP, cannot be decoded, claims more than `MAX_IMAGE_PIXELS`, or
            has more than 8 bits per channel or transparent pixels, whose colour is undefined.
    """
    pixels, orientation = _decode(path)
    return np.asarray(pixels.transpose(TURNS[orientation]) if orientation in TURNS else pixels)


def read_stored_image(path: Path) -> np.ndarray:
    """Return an image as it is stored, (H, W, 3) uint8 RGB, aligned with its label map.

    Raises:
        InputError: as `read_image`, and for an EXIF orientation, since the label map may or may not be turned as well.
    """
    pixels, orientation = _decode(path)
    if orientation in TURNS:
        raise InputError(
            f"{path}: turned or mirrored by its EXIF orientation {orientation}, which label maps do not have; rotate "
            "the pixels to match the label map and remove the tag"
        )
    return np.asarray(pixels)


def read_labels(path: Path, labels: LabelSpec) -> np.ndarray:
    """Return a label file as (H, W) uint8 train ids.

    Raises:
        InputError: if the file is not a PNG of one 8-bit channel, or of RGB if these are labels by colour, cannot be
            decoded, or holds an unknown id or colour.
    """
    if labels.raw_colours is not None:
        return _read_colours(path, labels.name, labels.raw_colours)
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


def _read_colours(path: Path, dataset: str, raw_colours: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    """Return a label file of RGB colours as (H, W) uint8 train ids."""
    with _open(path, str(path), ("PNG",)) as image:
        if image.mode not in COLOUR_LABEL_MODES:
            raise InputError(f"{path}: mode {image.mode}; a label map of {dataset} has RGB colours of 8 bits")
    image, _ = _decode(path, ("PNG",))
    codes = _codes(np.asarray(image))
    known = _codes(np.array(list(raw_colours), dtype=np.uint8))
    order = np.argsort(known)
    found = np.minimum(np.searchsorted(known[order], codes), len(known) - 1)
    unknown = known[order][found] != codes
    if unknown.any():
        row, column = map(int, np.argwhere(unknown)[0])
        colour = image.getpixel((column, row))
        raise InputError(
            f"{path}: colour {list(colour)} at row {row}, column {column} is of no class of {dataset} "
            f"({np.count_nonzero(unknown)} such pixels); add it to a class's rgb or to ignore.rgb"
        )
    return np.array(list(raw_colours.values()), dtype=np.uint8)[order][found]


def _codes(colours: np.ndarray) -> np.ndarray:
    """Return colours (..., 3) uint8 as one number each."""
    return colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)


def read_ids(source: Path | BinaryIO, label: str) -> np.ndarray:
    """Return a label map as it is stored, (H, W) uint8.

    Args:
        source: PNG file, by path or opened.
        label: name of the source in error messages.

    Raises:
        InputError: as `read_labels`, except for unknown ids.
    """
    with _open(source, label, ("PNG",)) as image:
        if image.mode not in LABEL_MODES:
            raise InputError(f"{label}: mode {image.mode}; a label map has one channel of 8 bits")
        if not image.tile or image.tile[0].args not in LABEL_RAW_MODES:
            raise InputError(f"{label}: grey of less than 8 bits; a label map has one channel of 8 bits")
        try:
            image.load()
        except DAMAGED as error:
            raise _damaged(label, error) from None
        return np.asarray(image)


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) from the header of an image or label file; raise InputError as `read_image`."""
    with _open(path, str(path), FORMATS) as image:
        return image.height, image.width


def _open(source: Path | BinaryIO, label: str, formats: Iterable[str]) -> Image.Image:
    hint = f"replace it by a {' or '.join(formats)} file"
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{label}: cannot be read as an image (not a file); {hint}")
    try:
        image = Image.open(source, formats=formats)
    except Image.DecompressionBombError:
        raise InputError(f"{label}: claims more than {MAX_IMAGE_PIXELS:,} pixels; {hint}") from None
    except DAMAGED as error:
        raise InputError(f"{label}: cannot be read as an image ({error}); {hint}") from None
    if not 0 < image.width * image.height <= MAX_IMAGE_PIXELS:
        image.close()
        size = f"{image.width} x {image.height}"
        raise InputError(f"{label}: claims {size} pixels, the limit is {MAX_IMAGE_PIXELS:,}; {hint}")
    return image


def _decode(path: Path, formats: Iterable[str] = FORMATS) -> tuple[Image.Image, object]:
    """Return the RGB pixels of an image file and its EXIF orientation, 1 for missing or damaged EXIF data."""
    with _open(path, str(path), formats) as image:
        if image.mode not in MODES:
            raise InputError(f"{path}: mode {image.mode} has more than 8 bits per channel; convert it to 8-bit RGB")
        try:
            if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] < 255:
                raise InputError(f"{path}: has transparent pixels; flatten it onto a background")
            pixels = image.convert("RGB")
        except DAMAGED as error:
            raise _damaged(str(path), error) from None
        try:
            return pixels, image.getexif().get(ORIENTATION, 1)
        except DAMAGED:
            return pixels, 1


def _damaged(label: str, error: Exception) -> InputError:
    return InputError(f"{label}: truncated or damaged ({error}); replace the file")


def _ranges(ids: Iterable[int]) -> str:
    """Return ids in words, such as `0 to 18 and 255`."""
    ids = sorted(ids)
    starts = [value for value in ids if value - 1 not in ids]
    ends = [value for value in ids if value + 1 not in ids]
    return " and ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
