"""Decoding of image and label files, and each kind of bad file."""

import io
import os
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from fbnet.config.labels import CAMVID, CITYSCAPES
from fbnet.data.images import TURNS, image_size, read_image, read_labels, read_stored_image
from fbnet.data.limits import MAX_IMAGE_PIXELS
from fbnet.errors import InputError
from tests.conftest import ROOT

COLOURS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
IDS = np.arange(24, dtype=np.uint8).reshape(4, 6)
GREY, RGB, PALETTE = 0, 2, 3  # colour types of the PNG specification


def png(width, height, depth=8, colour=RGB, pixels=b""):
    """A PNG with these header fields, written by the specification."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(48)) if colour == PALETTE else b""
    data = chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + data + chunk(b"IEND", b"")


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def written(folder, content, name="x.png"):
    (folder / name).write_bytes(content)
    return folder / name


def oriented(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_as_it_is(tmp_path, kind):
    path = written(tmp_path, encoded(COLOURS, kind, lossless=True))
    assert np.array_equal(read_image(path), COLOURS)
    assert np.array_equal(read_stored_image(path), COLOURS)
    assert image_size(path) == (4, 6)


def test_grey_palettes_and_opaque_alpha_are_colours(tmp_path):
    grey = read_image(written(tmp_path, encoded(IDS)))
    assert np.array_equal(grey, np.repeat(IDS[..., None], 3, axis=2))
    opaque = np.dstack([COLOURS, np.full((4, 6), 255, np.uint8)])
    assert np.array_equal(read_image(written(tmp_path, encoded(opaque))), COLOURS)
    palette = Image.fromarray(IDS)
    palette.putpalette([255 - value for value in range(256) for _ in range(3)])
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png"), 255 - grey)


# Position of row 0 and column 0 of the stored pixels, by the EXIF specification (CIPA DC-008, tag Orientation).
SEEN = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],  # top, right
    3: lambda stored: stored[::-1, ::-1],  # bottom, right
    4: lambda stored: stored[::-1],  # bottom, left
    5: lambda stored: stored.swapaxes(0, 1),  # left, top
    6: lambda stored: np.rot90(stored, -1),  # right, top
    7: lambda stored: np.rot90(stored[:, ::-1], -1),  # right, bottom
    8: lambda stored: np.rot90(stored),  # left, bottom
}


class TestOrientation:
    @pytest.mark.parametrize("number", SEEN)
    def test_an_image_to_predict_is_seen_upright(self, tmp_path, number):
        path = written(tmp_path, encoded(COLOURS, exif=oriented(number)))
        assert np.array_equal(read_image(path), SEEN[number](COLOURS))

    @pytest.mark.parametrize("number", TURNS)
    def test_with_a_label_map_it_is_refused(self, tmp_path, number):
        path = written(tmp_path, encoded(COLOURS, exif=oriented(number)))
        with pytest.raises(InputError, match=rf"x\.png: turned or mirrored by its EXIF orientation {number}"):
            read_stored_image(path)

    @pytest.mark.parametrize("number", [0, 1, 9])
    def test_no_orientation_is_none(self, tmp_path, number):
        path = written(tmp_path, encoded(COLOURS, exif=oriented(number)))
        assert np.array_equal(read_image(path), COLOURS)
        assert np.array_equal(read_stored_image(path), COLOURS)

    def test_damaged_exif_data_are_none(self, tmp_path):
        path = written(tmp_path, encoded(COLOURS, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12"))
        assert np.array_equal(read_image(path), COLOURS)


def test_labels_of_palettes_are_ids(tmp_path):
    small = png(4, 1, depth=4, colour=PALETTE, pixels=b"\0\x7b\x02")
    assert np.array_equal(read_labels(written(tmp_path, small), CITYSCAPES), [[0, 2, 255, 255]])  # 7, 11, 0 and 2


ALPHA = np.dstack([COLOURS, IDS])
BAD = {
    "empty file": (b"", "cannot be read as an image", "cannot be read as an image"),
    "text": (b"<html>not found</html>", "cannot be read as an image", "cannot be read as an image"),
    "truncated": (encoded(np.tile(COLOURS, (50, 9, 1)))[:-90], "truncated or damaged", "mode RGB"),
    "truncated label": (encoded(np.tile(IDS, (50, 9)))[:-60], "truncated or damaged", "truncated or damaged"),
    "no pixels": (png(0, 7), None, None),
    "16 bits": (encoded(IDS.astype(np.uint16)), "mode I;16 has more than 8 bits", "mode I;16; a label map"),
    "transparent": (encoded(ALPHA), "has transparent pixels", "mode RGBA; a label map has one channel"),
    "GIF": (encoded(IDS, "GIF"), "cannot be read as an image", "cannot be read as an image"),
    "too large": (png(2**14, 2**13 + 1), "claims 16384 x 8193 pixels, the limit is 134,217,728", "claims 16384"),
    "far too large": (png(60_000, 60_000), "claims more than 134,217,728 pixels", "claims more than 134,217,728"),
}


class TestBadFiles:
    @pytest.mark.parametrize("case", BAD)
    def test_are_refused(self, tmp_path, case):
        content, of_image, of_label = BAD[case]
        path = written(tmp_path, content)
        for read, message in ((lambda: read_image(path), of_image), (lambda: read_labels(path, CAMVID), of_label)):
            with pytest.raises(InputError) as raised:
                read()
            assert str(raised.value).startswith(f"{path}: {message or ''}")
            assert "\n" not in str(raised.value)

    def test_labels_that_change_when_decoded(self, tmp_path):
        with pytest.raises(InputError, match=r"cannot be read as an image .*; replace it by a PNG file"):
            read_labels(written(tmp_path, encoded(IDS, "JPEG")), CITYSCAPES)
        with pytest.raises(InputError, match="grey of less than 8 bits; a label map has one channel of 8 bits"):
            read_labels(written(tmp_path, png(4, 1, depth=2, colour=GREY, pixels=b"\0\x50")), CITYSCAPES)

    def test_what_is_no_file(self, tmp_path):
        (tmp_path / "folder.png").mkdir()
        os.mkfifo(tmp_path / "pipe.png")  # reading one would wait for ever
        (tmp_path / "link.png").symlink_to("nowhere")
        for name in ("folder.png", "pipe.png", "link.png", "missing.png"):
            with pytest.raises(InputError, match=rf"{name}: cannot be read as an image \(not a file\)"):
                read_image(tmp_path / name)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path):
        path = written(tmp_path, encoded(COLOURS))
        path.chmod(0)
        with pytest.raises(InputError, match=r"x\.png: cannot be read as an image .*Permission denied"):
            read_image(path)

    @pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 12_000)])
    def test_nothing_of_the_claimed_size_is_allocated(self, tmp_path, size):
        """The process may not use as much memory: 12 000 x 12 000 pixels of RGB take 432 MB."""
        path = written(tmp_path, png(*size))
        code = f"from pathlib import Path; from fbnet.data.images import read_image; read_image(Path({str(path)!r}))"
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20)),
        )
        assert result.stderr.splitlines()[-1].startswith(f"fbnet.errors.InputError: {path}: claims ")


def test_the_limit_itself_is_read(tmp_path):
    """An image of the largest size is not refused by its header."""
    with pytest.raises(InputError, match="truncated or damaged"):
        read_image(written(tmp_path, png(2**14, 2**13, depth=1, colour=GREY)))
    assert MAX_IMAGE_PIXELS == 2**14 * 2**13
