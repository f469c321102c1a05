"""Damaged copies of valid files: bytes flipped, cut, put in, repeated, spliced; and valid files of odd content."""

import copy
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import torch
import yaml
from hypothesis import strategies as st

Draw = Callable

TOKENS = (
    b"\x00", b"\xff\xfe", b"\n", b"\r\n\r\n", b"'", b'"', b",", b"|", b"[" * 3000, b"{" * 400, b"NaN", b"-Infinity",
    b"1e999", b"9" * 5000, b"-1", b"99999999999999999999", b"../../x", b"/etc/passwd", b"; touch x", b"\\ud800",
    b"\\u0000", b"*a", b"&a [*a]", b"<<: *a", b"!!python/object/apply:os.system [id]", b"!!int x", b"!!bool x",
    b"2024-99-99", b"0x_", b"\x1b[2J", b"(1,) * 9", b"lambda: 0", b"|O", b"<f8", b"\xc3\xa9", b"\xed\xa0\x80",
)  # fmt: skip
EXTREMES = tuple(
    struct.pack(code, value)
    for codes, value in (
        ("<H >H <I >I <Q >Q", 0),
        ("<H >H", 2**16 - 1),
        ("<I >I", 2**31 - 1),
        ("<I >I", 60_000),
        ("<Q >Q", 2**63),
    )
    for code in codes.split()
)
ODD = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e300, float("inf"), float("nan"), 2**31, 2**63, -(2**63), 10**400, "", " ",
    ".", "..", "../x", "/x", "a/b", "a; touch x", "a\nb", "a\0b", "\x1b[2J", "é", "\ud800", "x" * 5000, "1e-3", "null",
    [], {}, [[]], [None], {"": None}, {"x": {}}, [0] * 300, ["a"] * 3,
)  # fmt: skip


def damaged(contents: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """One of the files with up to four changes to its bytes."""

    @st.composite
    def make(draw: Draw) -> bytes:
        content = draw(st.sampled_from(contents))
        for _ in range(draw(st.integers(1, 4))):
            content = _changed(draw, content, contents)
        return content

    return make()


def odd_json(content: bytes) -> st.SearchStrategy[bytes]:
    """A JSON file with up to three values that are something else."""
    return _odd(lambda: json.loads(content), lambda value: json.dumps(value).encode())


def odd_yaml(content: bytes) -> st.SearchStrategy[bytes]:
    """A YAML file with up to three values that are something else."""
    return _odd(lambda: yaml.safe_load(content), _yaml)


def odd_checkpoint(content: bytes) -> st.SearchStrategy[bytes]:
    """A file of `torch.save` with up to three values or tensors that are something else."""
    return _odd(lambda: torch.load(io.BytesIO(content), weights_only=True), _pickled)


def checked_png(contents: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """A damaged PNG whose check sums are right again, so that readers look further than these."""
    return damaged(contents).map(_with_check_sums)


def checked_zip(content: bytes) -> st.SearchStrategy[bytes]:
    """A zip of which one file is damaged, and packed with the right check sum."""

    @st.composite
    def make(draw: Draw) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
        name = draw(st.sampled_from(sorted(files)))
        files[name] = draw(damaged((files[name],)))
        buffer = io.BytesIO()
        packing = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
        with zipfile.ZipFile(buffer, "w", packing) as archive:
            for other, inner in files.items():
                archive.writestr(other, inner)
        return buffer.getvalue()

    return make()


def _changed(draw: Draw, content: bytes, others: tuple[bytes, ...]) -> bytes:
    kind = draw(st.sampled_from(["flip", "extreme", "cut", "remove", "insert", "token", "repeat", "splice"]))
    place = _place(draw, content)
    end = min(len(content), place + draw(st.integers(1, 64)))
    before, part, after = content[:place], content[place:end], content[end:]
    if kind == "flip":
        return before + bytes(value ^ (1 << draw(st.integers(0, 7))) for value in part[:2]) + part[2:] + after
    if kind == "extreme":
        value = draw(st.sampled_from(EXTREMES))
        return before + value + content[place + len(value) :]
    if kind == "cut":
        return before
    if kind == "remove":
        return before + after
    if kind == "insert":
        return before + draw(st.binary(min_size=1, max_size=16)) + part + after
    if kind == "token":
        return before + draw(st.sampled_from(TOKENS)) + draw(st.sampled_from([part, b""])) + after
    if kind == "repeat":
        return before + part * draw(st.sampled_from([2, 100])) + after
    other = draw(st.sampled_from(others))
    return before + other[_place(draw, other) :]


def _place(draw: Draw, content: bytes) -> int:
    """Anywhere, or in the beginning, where most files say what they are."""
    return draw(st.integers(0, min(len(content), draw(st.sampled_from([256, 1 << 30])))))


def _odd(load: Callable[[], object], dump: Callable[[object], bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def make(draw: Draw) -> bytes:
        root = [load()]
        for _ in range(draw(st.integers(1, 3))):
            _change_one(draw, root)
        return dump(root[0])

    return make()


def _change_one(draw: Draw, root: list) -> None:
    """Changes one value somewhere below the root's only one, or that one itself."""
    parent, key = root, 0
    while _inner(parent[key]) and draw(st.integers(0, 9)):
        parent = parent[key]
        key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
    value = parent[key]
    kind = draw(st.sampled_from(["odd", "odd", "odd", "remove", "rename", "deep"]))
    if kind == "remove" and parent is not root:
        del parent[key]
    elif kind == "rename" and isinstance(parent, dict):
        parent[draw(st.sampled_from(["x", "", "../x", "a; touch x", "a\nb", 3, "é"]))] = parent.pop(key)
    elif kind == "deep":
        parent[key] = _nested(40)
    elif isinstance(value, torch.Tensor):
        parent[key] = _odd_tensor(draw, value)
    else:
        parent[key] = copy.deepcopy(draw(st.sampled_from(ODD)))


def _inner(value: object) -> bool:
    return isinstance(value, dict | list) and len(value) > 0


def _nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def _odd_tensor(draw: Draw, value: torch.Tensor) -> object:
    makers = (
        lambda: value.double(),
        lambda: value.half(),
        lambda: value[None],
        lambda: torch.full_like(value, float("nan")) if value.is_floating_point() else value.float(),
        lambda: torch.zeros(1).expand(2**20, 2**20),
        lambda: torch.zeros(3, 3).to_sparse(),
        lambda: torch.zeros(0),
        lambda: torch.zeros(2, dtype=torch.complex64),
        lambda: torch.zeros(3, device="meta"),
        lambda: torch.nn.Parameter(value) if value.is_floating_point() else value,
    )
    return draw(st.sampled_from(makers))()


def _yaml(value: object) -> bytes:
    return yaml.dump(value, allow_unicode=False).encode()


def _pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _with_check_sums(content: bytes) -> bytes:
    """A PNG's chunks with their CRC, as far as they are chunks."""
    done, rest = content[:8], content[8:]
    while len(rest) >= 12:
        length = struct.unpack(">I", rest[:4])[0]
        if length > len(rest) - 12:
            break
        body = rest[4 : 8 + length]
        done += rest[:4] + body + struct.pack(">I", zlib.crc32(body))
        rest = rest[12 + length :]
    return done + rest
