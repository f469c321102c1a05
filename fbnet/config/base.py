"""Base of the pydantic models for `params/` and for records, with the field types that they share."""

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from fbnet.config.registry import BACKBONES, FIGURES, HEADS, backbone_entry, backbone_pattern
from fbnet.errors import InputError
from fbnet.names import is_path

T = TypeVar("T")


class Config(BaseModel):
    """A frozen model of exact types; keys that are not its fields are refused, unless `extra` says otherwise."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, content: object) -> object:
        unknown = set() if isinstance(content, cls) else mapping(content).keys() - cls.model_fields.keys()
        if unknown and cls.model_config["extra"] == "forbid":
            raise refuse(f"unknown key; choose from {', '.join(cls.model_fields)}", str(min(unknown, key=str)))
        return content


def refuse(problem: str, key: str | None = None) -> PydanticCustomError:
    """Return the error that a validator raises for a problem, with the dotted key below its model or field."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "key": key})


def mapping(content: object, key: str | None = None) -> Mapping:
    """Return the content if it is a mapping; raises a validation error otherwise."""
    if not isinstance(content, Mapping):
        raise refuse("must hold keys and values", key)
    return content


@contextmanager
def validating(file: Path, hint: str = "") -> Iterator[None]:
    """Turn the first validation error into one line of file, dotted key, problem, choices if there are any, and hint.

    Raises:
        InputError: for a ValidationError of pydantic and for an error of `refuse`.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = [key for key in first["loc"] if isinstance(key, str) and key != "[key]"]
        keys += filter(None, [first.get("ctx", {}).get("key")])
        message = ": ".join([str(file), *([".".join(keys)] if keys else []), _problem(first)])
    except PydanticCustomError as error:
        message = ": ".join(filter(None, [str(file), error.context["key"], error.context["problem"]]))
    else:
        return
    raise InputError(f"{message}; {hint}" if hint else message)


def _problem(error: Mapping[str, Any]) -> str:
    kind, shown = error["type"], reprlib.repr(error["input"])
    if kind == "refused":
        return error["msg"]
    if kind == "missing":
        return "is missing" if isinstance(error["loc"][-1], str) else f"must hold more values than {shown}"
    if kind == "literal_error":
        choices = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"no {shown}; choose from {choices}"
    if kind == "dict_type":
        return "must hold keys and values"
    if kind == "tuple_type":
        return f"must be a list, not {shown}"
    if kind in ("bool_type", "float_type", "int_type", "string_type"):
        return f"must be of type {kind.removesuffix('_type')}, not {shown}"
    # Such as "Input should be greater than 0" and "Tuple should have at most 2 items after validation, not 3".
    problem = f"must {error['msg'].partition(' should ')[2]}"
    return problem if ", not " in problem else f"{problem}, not {shown}"


def _path(text: str) -> str:
    if not is_path(text):
        raise refuse("must be the path of a file or folder")
    return text


def registered(registry: Mapping[str, object]) -> tuple[AfterValidator, Any]:
    """Return the annotations of a string that must be a key of the registry when it is validated."""

    def check(name: str) -> str:
        if name not in registry:
            raise refuse(f"no {name!r}; choose from {', '.join(registry)}")
        return name

    return AfterValidator(check), Field(json_schema_extra=lambda schema: schema.update(enum=list(registry)))


def _backbone(name: str) -> str:
    if backbone_entry(name) is None:
        choices = (f"{choice}NAME" if choice.endswith("/") else choice for choice in BACKBONES)
        raise refuse(f"no {name!r}; choose from {', '.join(choices)}")
    return name


Items = Annotated[tuple[T, ...], Strict(False)]
"""Tuple of any length; files hold it as a list."""
Pair = Annotated[tuple[T, T], Strict(False)]
Positive = Annotated[float, Field(gt=0)]
Word = Annotated[str, Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]
"""Name that can be part of a path or a command."""
PathText = Annotated[str, AfterValidator(_path)]
BackboneName = Annotated[
    str, AfterValidator(_backbone), Field(json_schema_extra=lambda schema: schema.update(pattern=backbone_pattern()))
]
HeadName = Annotated[str, *registered(HEADS)]
FigureName = Annotated[str, *registered(FIGURES)]
