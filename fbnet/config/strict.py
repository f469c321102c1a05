"""Turns mappings out of YAML files into dataclasses, and refuses what does not fit, naming file and key."""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fbnet.errors import InputError

LARGEST = 2**63 - 1
"""Of whole numbers, as 64 bits hold them."""


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
    InputError for unknown and missing keys and for values of another type, and lists the valid choices; for numbers
    that are not finite or beyond 64 bits, and for text that cannot be written as UTF-8.
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
            raise where.error(None, f"no {_shown(value)}; choose from {', '.join(map(str, arguments))}")
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
        raise where.error(None, f"must be a list, not {_shown(value)}")
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], item, where) for item in value)
    if len(value) != len(arguments):
        raise where.error(None, f"must hold {len(arguments)} values, not {_shown(value)}")
    return tuple(_value(kind, item, where) for kind, item in zip(arguments, value, strict=True))


def _plain(expected: type, value: Any, where: Where) -> Any:
    # YAML reads `1` as an integer, which is a fine float; true is an integer to Python, but not to anybody else.
    if isinstance(value, int) and abs(value) > LARGEST:
        raise where.error(None, f"must be a number of at most {LARGEST}")
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise where.error(None, f"must be of type {expected.__name__}, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise where.error(None, f"must be a finite number, not {value}")
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        raise where.error(None, f"must be text without null characters and half characters, not {_shown(value)}")
    return value


def _is_unicode(text: str) -> bool:
    """Whether it can be written in UTF-8: escapes in YAML and JSON can make a half of what takes two."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A value in a message, shortened."""
    return reprlib.repr(value)
