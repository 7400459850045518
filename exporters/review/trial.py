"""Trying an expectation against answers: would it have caught the recorded one, and does a good one pass?

What each demand means is the scorer's, the same that is handed out with the dataset: what passes here passes there.
Each demand is tried by itself, so that a reviewer sees which of them bites.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from exporters.dataset.scorer import score

LISTS = ("mustMention", "mustNotMention")
"""Keys of ``expected`` whose every item is a demand of its own."""
WHOLES = ("value", "jsonSchema", "relevantDocuments", "maxLatencyMs")
CALLS = ("expectedToolCalls", "forbiddenToolCalls")
UNJUDGED = ("answer", "rubric")
"""What only a person or a judge model can tell."""

MOST = 200
"""Demands that are tried; each looks through the whole answer."""

TOO_MANY = f"only the first {MOST} demands are tried here"
NEEDS_PERSON = "for a person or a judge model: nothing tells by rule"
NEEDS_CALLS = "the recorded tool calls are not known: the trace is no longer stored, or cannot be read"
NEEDS_LATENCY = "how long the recorded answer took is not known: the trace is no longer stored"
NEEDS_CITATIONS = "judged only where the case has the check citations"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the app did: its answer as the case holds it, its tool calls and how long it took, where still known."""

    output: str | None
    tool_calls: Sequence[Mapping[str, Any]] | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand of an expectation and how it did.

    ``key`` is its key in the case's public shape, ``item`` which of several it is, from 0. ``caught`` is whether the
    recorded answer fails it, ``met`` whether the tried one passes; ``None`` where that cannot be told, as ``reason``
    says, or where there is no such answer. ``message`` is what is wrong with the recorded answer.
    """

    key: str
    item: int
    caught: bool | None = None
    met: bool | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """All demands of an expectation, in the order of the public shape."""

    demands: tuple[Demand, ...] = ()

    @property
    def caught(self) -> bool:
        """Whether some demand fails on the recorded answer: the case would have caught it."""
        return any(demand.caught for demand in self.demands)

    @property
    def met(self) -> bool:
        """Whether the tried answer passes all that can be told of it."""
        return all(demand.met is not False for demand in self.demands)


def tried(case: Mapping[str, Any], recorded: Recorded, output: str | None = None) -> Trial:
    """Try a case, in its public shape, against what was recorded and, where given, against another ``output``."""
    demands = _alone(case)
    first = (_demand(key, item, alone, recorded, output) for key, item, alone in islice(demands, MOST))
    return Trial((*first, *(Demand(key, item, reason=TOO_MANY) for key, item, _ in demands)))


def _alone(case: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The case with one demand at a time."""
    expected = case["expected"]
    bare = {**case, "expected": {"checks": expected["checks"]}, **dict.fromkeys(CALLS, ())}
    for key in (*UNJUDGED, *WHOLES):
        if expected[key] is not None and expected[key] not in ([], ""):
            yield key, 0, {**bare, "expected": {**bare["expected"], key: expected[key]}}
    for key in LISTS:
        for item, term in enumerate(expected[key]):
            yield key, item, {**bare, "expected": {**bare["expected"], key: [term]}}
    for key in CALLS:
        for item, call in enumerate(case[key]):
            yield key, item, {**bare, key: [call]}


def _demand(key: str, item: int, alone: Mapping[str, Any], recorded: Recorded, output: str | None) -> Demand:
    reason = _untold(key, alone, recorded)
    if key in UNJUDGED or reason is NEEDS_CITATIONS:
        return Demand(key, item, reason=reason)
    failures = [] if reason else score(alone, recorded.output, recorded.tool_calls or (), recorded.latency_ms)
    # Whoever tries an answer types words: which tools were called and how long it took, they do not say.
    tellable = output is not None and key not in (*CALLS, "maxLatencyMs")
    met = not score(alone, output) if tellable else None
    return Demand(key, item, None if reason else bool(failures), met, reason, _message(key, failures))


def _untold(key: str, alone: Mapping[str, Any], recorded: Recorded) -> str | None:
    """Why nobody can tell whether the recorded answer meets the demand."""
    if key in UNJUDGED:
        return NEEDS_PERSON
    if key == "relevantDocuments" and not _is_cited(alone["expected"]["checks"]):
        return NEEDS_CITATIONS
    if key in CALLS and recorded.tool_calls is None:
        return NEEDS_CALLS
    return NEEDS_LATENCY if key == "maxLatencyMs" and recorded.latency_ms is None else None


def _is_cited(checks: Mapping[str, Mapping[str, Any]]) -> bool:
    return any("citations" in (name, how.get("use")) for name, how in checks.items())


def _message(key: str, failures: Sequence[Mapping[str, str]]) -> str | None:
    """The scorer's words. Of calls it would quote the recorded arguments, which nobody redacted."""
    if not failures:
        return None
    calls = {"expectedToolCalls": "the app made no such call", "forbiddenToolCalls": "the app called it"}
    return calls.get(key, failures[0]["message"])
