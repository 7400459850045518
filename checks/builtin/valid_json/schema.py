"""JSON Schema: a schema made ready once, and how a value breaks it, told without any of the value's content.

The judging is ``jsonschema-rs``'s. What belongs here: schemas never reach the network or the file system, and what a
violation says comes from the schema alone (a model may put anything into a key, so keys are captured text too).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NoReturn

import jsonschema_rs

from checks.builtin.valid_json.text import Path

_BACKTRACK_LIMIT = 100_000
"""Steps that a pattern with look-around may take on one string: about 2 ms."""
_POINTER_LENGTH = 200


class SchemaError(ValueError):
    """A schema that can't be used. ``place`` is a JSON pointer into it; the text says what is wrong there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.place = place


class UndecidedError(Exception):
    """The value can't be judged by this schema."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a value breaks.

    ``path`` leads to the offending part of the value and may hold captured text; ``instance`` is the same as a JSON
    pointer in which every key that the schema does not itself name is ``*``. ``rule`` points into the schema.
    """

    path: Path
    instance: str
    rule: str
    keyword: str


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Make a schema ready: in the dialect that its ``$schema`` names, 2020-12 where it names none.

    Raises:
        SchemaError: If it is no JSON Schema, or refers to anything outside itself.
    """
    try:
        return _compiled(json.dumps(schema, default=_plain, allow_nan=False))
    except SchemaError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        problem = "it is not JSON (mappings, lists, texts, finite numbers, true, false, null), or nested too deep"
        raise SchemaError("", problem) from error


def violations(validator: jsonschema_rs.Validator, value: Any, *, only_first: bool = False) -> list[Violation]:
    """Return how ``value`` breaks the schema. ``only_first`` keeps the time low for large values.

    Raises:
        UndecidedError: If a pattern of the schema takes too long on the value.
    """
    try:
        return [_violation(e) for e in _errors(validator, value, only_first=only_first)]
    except UnicodeEncodeError:
        # A lone surrogate is grammatical JSON but no Unicode: judged with "?" in its place, which keeps lengths.
        clean = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        return [_violation(e) for e in _errors(validator, clean, only_first=only_first)]


@lru_cache(maxsize=64)
def _compiled(schema: str) -> jsonschema_rs.Validator:
    limits = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT)
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse, pattern_options=limits)
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(pointer(error.instance_path), error.message) from error


def _refuse(uri: str) -> NoReturn:
    raise LookupError(f"schemas are not fetched, put what {uri} holds into the schema's $defs")


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _errors(
    validator: jsonschema_rs.Validator, value: Any, *, only_first: bool
) -> Iterable[jsonschema_rs.ValidationError]:
    if not only_first:
        return validator.iter_errors(value)
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    kind = error.kind
    if isinstance(kind, (kind.BacktrackLimitExceeded, kind.RegexEngineFailure)):
        raise UndecidedError
    named = {key for keyword, key in pairwise(error.evaluation_path) if keyword == "properties"}
    shown = [token if isinstance(token, int) or token in named else "*" for token in error.instance_path]
    return Violation(tuple(error.instance_path), pointer(shown), pointer(error.schema_path), str(kind.name))


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON pointer (RFC 6901), cut to a length that fits into a message."""
    text = "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)
    return text if len(text) <= _POINTER_LENGTH else text[: _POINTER_LENGTH - 1] + "…"
