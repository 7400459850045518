"""What is wrong with a configuration, told to the person who must correct it: key, value, rule, and where it stands."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from collector.settings_values import without_password

Path = tuple[str, ...]
"""The way to a key: ``("otlp", "grpc", "listen")``."""

_RULES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "invalid_key": "is no name of a key",
    "literal_error": "must be one of {expected}",
    "tuple_type": "must be a list",
    "model_type": "must be a section with keys below it",
    "model_attributes_type": "must be a section with keys below it",
}
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``key`` is dotted (empty: the whole file), ``place`` a file and line or a variable."""

    key: str
    text: str
    place: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{key}{self.text} ({self.place})" if self.place else f"{key}{self.text}"


class ConfigError(Exception):
    """A configuration that cannot be used. ``problems`` holds all that was found; the text lists them, one a line."""

    def __init__(self, *problems: Problem) -> None:
        lines = [str(problem) for problem in problems]
        title = (
            "the configuration has a problem: " if len(lines) == 1 else f"the configuration has {len(lines)} problems:"
        )
        super().__init__(title + (lines[0] if len(lines) == 1 else "".join(f"\n- {line}" for line in lines)))
        self.problems = problems


def place_of(path: Path, places: Mapping[Path, str]) -> str:
    """Where the value at ``path`` was written: the place of the longest part of the path that is known."""
    return next((places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in places), "")


def unknown_key(path: Path, keys: Iterable[Path]) -> str:
    """The sentence for a key that does not exist, with the nearest one among ``keys`` that does."""
    near = _nearest(path, list(keys))
    guess = f", did you mean {'.'.join(near)}?" if near else ";"
    return f"there is no such key{guess} `sidecheck config show` lists every key"


def _nearest(path: Path, keys: list[Path]) -> Path | None:
    """A key with the same name elsewhere, else one that is spelled alike (``_`` and levels taken as the same)."""
    by_spelling = {"_".join(key): key for key in keys}
    moved = [key for key in keys if key[-1] == path[-1]]
    near = difflib.get_close_matches("_".join(path), by_spelling, n=1, cutoff=0.8)
    if near:
        return by_spelling[near[0]]
    if moved:
        return moved[0]
    near = difflib.get_close_matches("_".join(path), by_spelling, n=1, cutoff=0.6)
    return by_spelling[near[0]] if near else None


def explain(error: ValidationError, keys: Iterable[Path], places: Mapping[Path, str]) -> list[Problem]:
    """The problems that pydantic found, each in one sentence."""
    known = list(keys)
    return [_problem(detail, known, places) for detail in error.errors(include_url=False)]


def _problem(detail: Mapping[str, Any], keys: list[Path], places: Mapping[Path, str]) -> Problem:
    path = tuple(str(part) for part in detail["loc"])
    context = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        text = unknown_key(path, keys)
    elif detail["type"] == "conflict":
        path = (*path, *filter(None, context["key"].split(".")))
        text = detail["msg"]
    elif detail["type"] == "missing":  # what stands beside it is not told: it may be a secret
        text = "is missing; it is required"
    else:
        text = f"{_shown(detail['input'])} {_rule(detail, context)}"
    return Problem(".".join(path), text, place_of(path, places))


def _rule(detail: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    known = _RULES.get(detail["type"])
    return str(detail["msg"]) if known is None else known.format(**context)


def _shown(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()  # as YAML writes it
    shown = without_password(value if isinstance(value, str) else repr(value))
    shown = shown if len(shown) <= _LONGEST_VALUE else shown[:_LONGEST_VALUE] + "..."
    return repr(shown) if isinstance(value, str) else shown
