"""The recordings in ``tests/data/spans`` and what a view of each must and must not say.

``NAME.expect.json`` holds, under ``expect``, values of the view, and under ``absent`` what the library did not record.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from checks.trace import CloseReason, Trace
from collector.pipeline.assembler import assemble

RECORDINGS = Path(__file__).parent / "data" / "spans"
VIEW_KEYS = (
    *("input", "output", "system", "model", "model_response", "provider", "tool_calls", "tool_definitions"),
    *("documents", "tokens", "finish_reasons", "error", "refusal", "streaming", "ttft_ms", "session_id", "user_id"),
)
TOLERANCE = 0.01  # of figures that come from clocks


@dataclass(frozen=True)
class Recording:
    """One captured run of an app."""

    path: Path

    @property
    def name(self) -> str:
        """``LIBRARY/SCENARIO``."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @cached_property
    def spans(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def logs(self) -> bytes:
        path = self.path.with_suffix(".logs.binpb")
        return path.read_bytes() if path.exists() else b""

    @cached_property
    def trace_ids(self) -> tuple[str, ...]:
        scopes = (s for r in TracesData.FromString(self.spans).resource_spans for s in r.scope_spans)
        return tuple(sorted({span.trace_id.hex() for scope in scopes for span in scope.spans}))

    @cached_property
    def traces(self) -> tuple[Trace, ...]:
        return tuple(assemble(t, self.spans, self.logs, CloseReason.ROOT_SEEN) for t in self.trace_ids)

    @cached_property
    def expected(self) -> dict[str, Any]:
        """What the view must give."""
        wanted = dict(self._document["expect"])
        if "tokens_cached_input" in wanted and isinstance(wanted.get("tokens"), dict):
            wanted["tokens"] = {**wanted["tokens"], "cached_input": wanted["tokens_cached_input"]}
        return {key: wanted[key] for key in VIEW_KEYS if key in wanted}

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """The keys that the view must not have."""
        return tuple(key for key in VIEW_KEYS if key in self._document["absent"] and key not in self.expected)

    @cached_property
    def _document(self) -> dict[str, Any]:
        return json.loads(self.path.with_suffix(".expect.json").read_text())


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recording that has an expectation, in order of name."""
    paths = (path.with_suffix("").with_suffix(".binpb") for path in RECORDINGS.glob("*/*.expect.json"))
    return tuple(Recording(path) for path in sorted(paths))


def recording(name: str) -> Recording:
    """The recording ``LIBRARY/SCENARIO``."""
    return Recording(RECORDINGS / f"{name}.binpb")


def expectations() -> Iterator[tuple[Recording, str]]:
    """Every (recording, key) about which something is expected."""
    for each in recordings():
        for key in (*each.expected, *each.absent):
            yield each, key


def meets(key: str, seen: Any, wanted: Any) -> bool:
    """Whether the view's value of ``key`` says what is expected of it."""
    return _RULES.get(key, covers)(seen, wanted)


def covers(seen: Any, wanted: Any) -> bool:
    """Whether every part of ``wanted`` is in ``seen``: JSON text counts as what it holds, lists are of equal length."""
    seen, wanted = _unquoted(seen), _unquoted(wanted)
    if isinstance(wanted, dict):
        return isinstance(seen, dict) and all(key in seen and covers(seen[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(seen, list) and len(seen) == len(wanted) and all(map(covers, seen, wanted))
    if _is_figure(wanted) and _is_figure(seen):
        return abs(seen - wanted) <= abs(wanted) * TOLERANCE
    return type(seen) is type(wanted) and seen == wanted


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unquoted(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value.strip()
    return found if isinstance(found, (dict, list)) else value.strip()


def _same_tool_calls(seen: Any, wanted: Any) -> bool:
    """The same calls in any order. That arguments or a result are bad is said by the value itself."""
    left = list(seen or ())
    for call in wanted:
        plain = {key: value for key, value in call.items() if key not in ("arguments_malformed", "result_is_error")}
        found = next((other for other in left if covers(other, plain)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "error": lambda seen, _: bool(seen),  # recorded somewhere; which evidence is quoted is free
    "refusal": lambda seen, wanted: bool(seen) == bool(wanted),
    "tool_definitions": lambda seen, wanted: sorted(seen or ()) == sorted(wanted),
    "finish_reasons": lambda seen, wanted: set(seen or ()) == set(wanted),
    "tool_calls": _same_tool_calls,
}
