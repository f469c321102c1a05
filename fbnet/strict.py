"""Turns mappings out of YAML files into dataclasses, and refuses what does not fit, naming file and key."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fbnet.errors import InputError


@dataclass(frozen=True)
class Where:
    """A place in a file, for messages: the file and the keys that lead there."""

    file: str
    keys: tuple[str, ...] = ()

    def key(self, key: object) -> "Where":
        return Where(self.file, (*self.keys, str(key)))

    def error(self, key: str | None, problem: str) -> InputError:
        place = ".".join(self.keys if key is None else (*self.keys, str(key)))
        return InputError(f"{self.file}: {place}: {problem}" if place else f"{self.file}: {problem}")


def from_mapping(cls: type, content: object, where: Where) -> Any:
    """An instance of the dataclass `cls`, whose annotations say what each key may hold.

    Understands nested dataclasses, Literal, Optional, tuples (fixed or any length), dicts and plain types. Raises
    InputError for unknown and missing keys and for values of another type, and lists the valid choices.
    """
    if not isinstance(content, Mapping):
        raise where.error(None, "must hold keys and values")
    types = get_type_hints(cls)
    for key in content:
        if key not in types:
            raise where.error(str(key), f"unknown key; choose from {', '.join(types)}")
    for entry in fields(cls):
        if entry.name not in content and entry.default is MISSING and entry.default_factory is MISSING:
            raise where.error(entry.name, "is missing")
    return cls(**{key: _value(types[key], value, where.key(key)) for key, value in content.items()})


def _value(expected: Any, value: Any, where: Where) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if is_dataclass(expected):
        return from_mapping(expected, value, where)
    if origin is Literal:
        if value not in arguments:
            raise where.error(None, f"no {value!r}; choose from {', '.join(map(str, arguments))}")
        return value
    if origin in (Union, UnionType):
        return None if value is None else _value(next(kind for kind in arguments if kind is not NoneType), value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise where.error(None, "must hold keys and values")
        return {
            _value(arguments[0], key, where): _value(arguments[1], item, where.key(key)) for key, item in value.items()
        }
    return _plain(expected, value, where)


def _tuple(arguments: tuple, value: Any, where: Where) -> tuple:
    if not isinstance(value, list | tuple):
        raise where.error(None, f"must be a list, not {value!r}")
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], item, where) for item in value)
    if len(value) != len(arguments):
        raise where.error(None, f"must hold {len(arguments)} values, not {value!r}")
    return tuple(_value(kind, item, where) for kind, item in zip(arguments, value, strict=True))


def _plain(expected: type, value: Any, where: Where) -> Any:
    # YAML reads `1` as an integer, which is a fine float; true is an integer to Python, but not to anybody else.
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise where.error(None, f"must be of type {expected.__name__}, not {value!r}")
    return value
