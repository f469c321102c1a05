"""YAML from outside as plain values: no tags, no key twice, and no aliases that swell a short file into a huge one."""

from pathlib import Path

import yaml

from fbnet.errors import InputError
from fbnet.io.text import read_text

MAX_BYTES = 128 << 10
"""Of a YAML file, of which ours have up to 9 thousand; the parser takes seconds for more."""
MAX_VALUES = 20_000
"""Of a YAML file, what an alias names counted each time; ours have some hundreds."""
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}


def read_yaml(path: Path) -> dict:
    """A YAML file's mapping, of plain values. Raises InputError where there is none."""
    text = read_text(path, "run in the repository's root, where a file in UTF-8 must be", limit=MAX_BYTES)
    try:
        content = _plain_content(text, path)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number that Python does not take
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}; mend it there") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply; mend it") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys and values")
    return content


def _plain_content(text: str, path: Path) -> object:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _Check(path, loader).values(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Check:
    """Looks through a document before anything is made of it."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path = path
        self.loader = loader
        self.counted: dict[int, int | None] = {}
        """Values below each node; None while these are being counted."""

    def values(self, node: yaml.Node) -> int:
        """How many values a node is, with those below it. Raises InputError."""
        if id(node) not in self.counted:
            self.counted[id(node)] = None
            self._check_tag(node)
            self.counted[id(node)] = 1 + sum(self.values(child) for child in self._children(node))
        count = self.counted[id(node)]
        if count is None:
            raise self._error(node, "an alias that holds itself; write its content out")
        if count > MAX_VALUES:
            raise self._error(node, f"more than {MAX_VALUES:,} values, through aliases perhaps; write fewer")
        return count

    def _children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            return [child for pair in node.value for child in pair]
        return node.value if isinstance(node, yaml.SequenceNode) else []

    def _check_keys(self, node: yaml.MappingNode) -> None:
        known = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key that is a list or mapping; name it by a word")
            if (key.tag, key.value) in known:
                raise self._error(key, f"the key {key.value!r} comes twice; keep one of them")
            known.add((key.tag, key.value))

    def _check_tag(self, node: yaml.Node) -> None:
        """Only what a value looks like says what it is: an explicit tag could ask for what it is not."""
        implicit = (isinstance(node, yaml.ScalarNode), False)
        looks_like = self.loader.resolve(type(node), getattr(node, "value", None), implicit)
        quoted = isinstance(node, yaml.ScalarNode) and node.style is not None and node.tag.endswith(":str")
        if node.tag not in _PLAIN or (node.tag != looks_like and not quoted):
            raise self._error(node, "a date, a tag or another special value; put quotes around it, and no tag before")

    def _error(self, node: yaml.Node, problem: str) -> InputError:
        return InputError(f"{self.path}: line {node.start_mark.line + 1}: {problem}")
