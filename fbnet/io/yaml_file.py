"""Plain values from YAML files: no tags, aliases or repeated keys."""

from pathlib import Path

import yaml

from fbnet.errors import InputError
from fbnet.io.text import check_int, check_text, read_text

MAX_BYTES = 128 << 10
"""Size of a YAML file. Ours have up to 9 thousand bytes; the parser takes seconds for more."""


class _Loader(yaml.SafeLoader):
    """Safe loader that also refuses tags, aliases, repeated keys, invalid text and numbers beyond 64 bits."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(event, "an alias; write its content out")
        if event.tag is not None:
            raise _refusal(event, "a tag; write a plain value")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        known = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal(key, "a key that is a list or mapping; name it by a word")
            if key.value in known:
                raise _refusal(key, f"the key {key.value!r} comes twice; keep one of them")
            known.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        return check_text(super().construct_scalar(node))

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return check_int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_yaml(path: Path) -> dict:
    """Read the mapping of plain values that a YAML file holds. Raises InputError if there is none."""
    text = read_text(path, "run in the repository's root, where a file in UTF-8 must be", limit=MAX_BYTES)
    try:
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        raise InputError(f"{path}: line {line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: numbers, dates and text
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}; correct it there") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply; make it flatter") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys and values")
    return content


def _refusal(where: yaml.Event | yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
