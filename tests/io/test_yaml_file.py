"""YAML that is more than plain values, and text that is none."""

import json
import os
import time

import pytest
import yaml

from fbnet.errors import LONGEST, InputError
from fbnet.io.text import MAX_DEPTH, read_json, read_text
from fbnet.io.yaml_file import MAX_BYTES, read_yaml
from tests.conftest import ROOT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    "name", ["runs.yaml", "studies/demo.yaml", "studies/camvid_pretrained.yaml", "studies/paper.yaml"]
)
def test_shipped_files_are_read_as_by_yaml_itself(name):
    path = ROOT / "params" / name
    assert read_yaml(path) == yaml.safe_load(path.read_text())


def test_plain_values(path):
    lines = ("\ufeffa: 1", "b: [1.5, true, null, x, '1', \"y\\n\"]", "c: {d: 2}", "")
    path.write_bytes("\r\n".join(lines).encode())
    content = {"a": 1, "b": [1.5, True, None, "x", "1", "y\n"], "c": {"d": 2}}
    assert read_yaml(path) == content


BAD = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3: not valid YAML: the key 'a' comes twice"),
    "a key twice below": ("a:\n  b: 1\n  b: 1\n", "line 3: not valid YAML: the key 'b' comes twice"),
    "an alias": ("a: &a [1]\nb: *a\n", "line 2: not valid YAML: an alias; write its content out"),
    "an alias of itself": ("a: &a [1, *a]\n", "line 1: not valid YAML: an alias"),
    "a merge": ("a: &a {b: 1}\nc: {<<: *a}\n", "line 2: not valid YAML: an alias"),
    "nested deeply": ("a: " + "[" * 5000, "not valid YAML: nested too deeply"),
    "a list as key": ("? [a]\n: 1\n", "line 1: not valid YAML: a key that is a list or mapping"),
    "a tag of Python": (
        "a: !!python/object/apply:os.system [id]\n",
        "line 1: not valid YAML: a tag; write a plain value",
    ),
    "a tag that does not fit": ("a: !!bool x\n", "line 1: not valid YAML: a tag"),
    "a date": ("a: 2024-13-45\n", "not valid YAML: month must be in 1..12"),
    "a number of 5000 digits": ("a: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
    "a number beyond 64 bits": ("a: " + "9" * 19, "not valid YAML: a number above 9223372036854775807"),
    "a null character": ('a: "x\\0"\n', "not valid YAML: text with null characters"),
    "an unpaired surrogate": ('a: "\\uD800"\n', "not valid YAML: 'utf-8' codec can't encode"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2: not valid YAML: but found another document"),
    "nothing": ("", "must hold keys and values"),
    "too much": ("a: " + "x " * MAX_BYTES, "cannot be read (more than 131,072 bytes)"),
    "another encoding": (b"a: \xff\n", "cannot be read (not in UTF-8 at byte 4)"),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused_at_once(path, case):
    content, message = BAD[case]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    begun = time.monotonic()
    with pytest.raises(InputError) as raised:
        read_yaml(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begun < 10


class TestText:
    def test_what_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for place in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(InputError, match=r"cannot be read \(is no file\); do it$"):
                read_text(place, "do it")
        with pytest.raises(InputError, match=r"x: cannot be read \(not there\); do it$"):
            read_text(tmp_path / "x", "do it")
        with pytest.raises(InputError, match=r"cannot be read \(File name too long\); do it$"):
            read_text(tmp_path / ("x" * 300), "do it")

    def test_a_message_is_one_short_line_that_a_terminal_can_show(self):
        assert str(InputError("a\nb\x1b[2J\udcff: é")) == r"a\nb\x1b[2J\udcff: é"
        long = str(InputError("file: " + "x" * 100_000 + "; the remedy"))
        assert len(long) < LONGEST + 10
        assert long.startswith("file: x")
        assert long.endswith("x; the remedy")


class TestJson:
    @pytest.mark.parametrize(
        "content",
        ["", "{", "NaN", "[-Infinity]", "[1e999]", "9" * 19, "9" * 5000, '{"\\u0000": 1}', "[" * 100_000,
         '{"a": ' * 50_000, r'"\ud800"',
         "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)],
    )  # fmt: skip
    def test_what_is_none_is_refused(self, path, content):
        path.write_text(content)
        with pytest.raises(InputError, match=r"a\.yaml: damaged \(.*\); do it$"):
            read_json(path, "damaged", "do it")

    @pytest.mark.parametrize(
        "content", ["3", '"\\ud83d\\ude00"', "[]", "[" * MAX_DEPTH + "]" * MAX_DEPTH, '{"a": [1.5, null]}']
    )
    def test_what_is_some(self, path, content):
        path.write_text(content)
        assert read_json(path, "damaged", "do it") == json.loads(content)
