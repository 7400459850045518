"""A check's options: which there are, and making a check of those that a configuration gives.

Every refusal is a ``CheckConfigError`` with the path of the key, what is wrong with the value, and the rule.
"""

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from checks.check import Check, OptionError

_RULES = {"tuple_type": "input should be a list", "dict_type": "input should be a mapping, of keys with values"}
"""In words of YAML, where pydantic's are Python's."""
_LONGEST_VALUE = 80


class CheckConfigError(ValueError):
    """A part of ``checks:`` in the configuration that cannot be. ``key`` is its path, as ``checks.pii.entities``."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(key, problem)  # both, so that it can be pickled out of a worker process
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}"


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """An option of a check. ``default`` is ``MISSING`` (of ``dataclasses``) where it has to be given."""

    name: str
    type: str
    default: Any


def options_of(cls: type[Check]) -> tuple[OptionInfo, ...]:
    """The options of a check: the fields that its ``__init__`` takes, in their order."""
    hints = _hints(cls)
    return tuple(OptionInfo(f.name, _type_name(hints.get(f.name, Any)), _default(f)) for f in _fields(cls))


def make(cls: type[Check], values: Mapping[str, Any], key: str) -> Check:
    """Make a check.

    Args:
        cls: The check's class, a dataclass.
        values: Options by name, as parsed from YAML or JSON; strings are read as numbers where numbers are wanted,
            since environment variables give nothing else.
        key: Path of the configuration that ``values`` are from.

    Raises:
        CheckConfigError: An option is unknown, missing, of the wrong type, or refused by the check.
    """
    refuse_unknown(values, [field.name for field in _fields(cls)], key)
    for field in _fields(cls):
        if _default(field) is dataclasses.MISSING and field.name not in values:
            raise CheckConfigError(f"{key}.{field.name}", "is missing, and has no default")
    hints = _hints(cls)
    typed = {name: typed_value(hints.get(name, Any), value, f"{key}.{name}") for name, value in values.items()}
    try:
        return cls(**typed)
    except OptionError as error:
        raise CheckConfigError(f"{key}.{error.option}", str(error)) from None
    except Exception as error:  # a user's own __post_init__ may raise anything
        raise CheckConfigError(key, f"the check refuses its options: {type(error).__name__}: {error}") from error


def refuse_unknown(names: Iterable[object], known: Iterable[str], key: str) -> None:
    """Raise ``CheckConfigError`` for the first name that is not known, with the nearest one that is."""
    known = tuple(known)
    for name in names:
        if name not in known:
            rule = f"the options are {', '.join(known)}" if known else "this check has no options of its own"
            raise CheckConfigError(f"{key}.{name}", f"unknown option; {nearest(str(name), known)}{rule}")


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'? `` for the known name that is most like ``name``; nothing where none is alike."""
    alike = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {alike[0]!r}? " if alike else ""


def typed_value(hint: Any, value: Any, key: str) -> Any:
    """Read a value as what the annotation says.

    Raises:
        CheckConfigError: The value does not fit; says where in it, and what is wanted.
    """
    try:
        adapter = TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return value  # a type of the user's own, that only the check itself can judge
    try:
        # Without strict, true would be read as the number 1.
        return adapter.validate_python(value, strict=True if isinstance(value, bool) else None)
    except ValidationError as error:
        raise _misfit(error, hint, value, key) from None


def _misfit(error: ValidationError, hint: Any, value: Any, key: str) -> CheckConfigError:
    problems = error.errors(include_url=False, include_context=False)
    if len(problems) > 1 and typing.get_origin(hint) in (Union, UnionType):
        return CheckConfigError(key, f"{_shown(value)} is not of type {_type_name(hint)}")
    first = problems[0]
    path, place = _path(value, first["loc"])
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return CheckConfigError(key + path, "unknown option")
    rule = _RULES.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    return CheckConfigError(key + path, f"{_shown(place)} does not fit: {rule}")


def _path(value: Any, location: tuple[int | str, ...]) -> tuple[str, Any]:
    """The part of pydantic's location that leads through the value itself, and what is there.

    The location also holds the names of union members and types, which say nothing to the reader.
    """
    path = ""
    for step in location:
        if isinstance(step, int) and isinstance(value, list | tuple) and step < len(value):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, Mapping) and step in value:
            path, value = f"{path}.{step}", value[step]
    return path, value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        text = f"a {type(value).__name__} that large"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _fields(cls: type[Check]) -> tuple["dataclasses.Field[Any]", ...]:
    return tuple(f for f in dataclasses.fields(cls) if f.init)  # type: ignore[arg-type]  # checked to be one when loaded


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _hints(cls: type[Check]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}  # annotations that only a type checker can resolve; the check's own code has to judge


def _type_name(hint: Any) -> str:
    """An annotation as it is written in Python, without modules."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is NoneType:
        return "None"
    if origin in (Union, UnionType):
        return " | ".join(_type_name(arg) for arg in args)
    if origin is Literal:
        return " | ".join(repr(arg) for arg in args)
    name = getattr(hint, "__name__", str(hint))
    inner = ", ".join("..." if arg is ... else _type_name(arg) for arg in args)
    return f"{name}[{inner}]" if args else str(name)
