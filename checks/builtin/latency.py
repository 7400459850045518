"""Judges how long the user waited: the whole trace, the slowest model call, and the time to the first token.

The defaults are where users and the infrastructure between stop waiting, not where an app is fast:

- ``max_trace`` 30 s: common gateways give up on a request then (Heroku's router at 30 s, AWS API Gateway at 29 s).
- ``max_model_call`` 20 s: leaves a third of that for retrieval, tools and a second call.
- ``max_first_token`` 5 s: a streamed answer should begin well within the 10 s for which a person's attention holds
  (J. Nielsen, Usability Engineering, 1993, chapter 5).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar, Literal

from checks.check import CheckInfo, OptionError
from checks.duration import Duration, format_duration, parse_duration
from checks.finding import Evidence, Finding
from checks.interaction import Interaction, ModelCall
from checks.selection import matches_any, routes_of
from checks.span import Span
from checks.trace import Trace

Limit = Duration | None
"""A longest duration; ``None`` switches it off."""

_TOOK = itemgetter(0)
_LIMITS = ("max_trace", "max_model_call", "max_first_token")


@dataclass(frozen=True, slots=True)
class LimitOverride:
    """Other limits for some traffic: ``service`` and ``route`` are globs; ``inherit`` keeps the check's own limit."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # a mistyped key in a configuration is refused, not ignored

    service: str = "*"
    route: str = "*"
    max_trace: Limit | Literal["inherit"] = "inherit"
    max_model_call: Limit | Literal["inherit"] = "inherit"
    max_first_token: Limit | Literal["inherit"] = "inherit"  # noqa: S105 -- tokens of a language model

    def matches(self, interaction: Interaction) -> bool:
        """Whether the interaction is of this service and route."""
        if not matches_any((self.service,), (interaction.service,)):
            return False
        return self.route == "*" or matches_any((self.route,), routes_of(interaction.trace))


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits in nanoseconds, ``None`` where there is none."""

    trace: int | None
    model_call: int | None
    first_token: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """The answer came in time.

    Attributes:
        max_trace: Longest duration of the whole trace (of its root span; without one, of what is known).
        max_model_call: Longest duration of one model call.
        max_first_token: Longest time to the first token of a streamed model call.
        limits: Other limits per service and route; the first that matches a trace counts.
    """

    max_trace: Limit = "30s"
    max_model_call: Limit = "20s"
    max_first_token: Limit = "5s"  # noqa: S105 -- tokens of a language model
    limits: tuple[LimitOverride, ...] = ()
    _overrides: tuple[tuple[LimitOverride, _Limits], ...] = field(init=False, repr=False, compare=False)
    _own: _Limits = field(init=False, repr=False, compare=False)

    info: ClassVar[CheckInfo] = CheckInfo(
        name="latency",
        version="1",
        summary="The whole trace, each model call and the first token came in time.",
        codes={
            "slow_trace": "The whole trace took longer than `max_trace`.",
            "slow_model_call": "The slowest model call took longer than `max_model_call`.",
            "slow_first_token": "The slowest first token took longer than `max_first_token`.",
        },
    )

    def __post_init__(self) -> None:
        own = [_parsed(name, getattr(self, name)) for name in _LIMITS]
        overridden = [(override, _overridden(n, override, own)) for n, override in enumerate(self.limits)]
        object.__setattr__(self, "_overrides", tuple(overridden))
        object.__setattr__(self, "_own", _Limits(*own))

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether a limit is set for something that was timed."""
        limits, trace, calls = self._limits_for(interaction), interaction.trace, interaction.model_calls
        if limits.trace is not None:
            for span in trace.spans:  # the first one, mostly
                if _is_timed(span):
                    return True
        return (limits.model_call is not None and any(_duration(call, trace) is not None for call in calls)) or (
            limits.first_token is not None and any(call.ttft_ns is not None for call in calls)
        )

    def inspect(self, interaction: Interaction) -> Iterator[Finding]:
        """Yield at most one finding for each limit, that of the slowest."""
        limits, trace, calls = self._limits_for(interaction), interaction.trace, interaction.model_calls
        if limits.trace is not None:
            took = _trace_duration(trace)
            if took > limits.trace:
                yield _slow("slow_trace", "the trace", took, trace.root.span_id if trace.root else None, limits.trace)
        most = limits.model_call
        if most is not None:
            long = [call for call in calls if call.duration_ns > most]
            slow = [(call.duration_ns, call.span_id) for call in long if _duration(call, trace) is not None]
            if slow:
                yield _slow("slow_model_call", "the slowest model call", *max(slow, key=_TOOK), most)
        most = limits.first_token
        if most is not None:
            slow = [(call.ttft_ns, call.span_id) for call in calls if call.ttft_ns is not None and call.ttft_ns > most]
            if slow:
                yield _slow("slow_first_token", "the slowest first token", *max(slow, key=_TOOK), most)

    def expects(self, interaction: Interaction, findings: tuple[Finding, ...]) -> Mapping[str, Any]:
        """How long the whole answer may take: ``max_trace``.

        Where a part was too slow, also what the whole would have taken had the part kept its limit.
        """
        limits, trace, calls = self._limits_for(interaction), interaction.trace, interaction.model_calls
        took, codes = _trace_duration(trace), {finding.code for finding in findings}
        most = [] if limits.trace is None else [limits.trace]
        for code, limit, measured in (
            ("slow_model_call", limits.model_call, [_duration(call, trace) for call in calls]),
            ("slow_first_token", limits.first_token, [call.ttft_ns for call in calls]),
        ):
            if code in codes and limit is not None:
                most.append(took - max(n for n in (*measured, limit) if n is not None) + limit)
        return {"maxLatencyMs": max(1, min(most) // 1_000_000)} if most else {}

    def _limits_for(self, interaction: Interaction) -> _Limits:
        for override, limits in self._overrides:
            if override.matches(interaction):
                return limits
        return self._own


def _parsed(option: str, value: Limit) -> int | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise OptionError(option, f"{error}; null switches the limit off") from None


def _overridden(number: int, override: LimitOverride, own: list[int | None]) -> _Limits:
    given = [getattr(override, name) for name in _LIMITS]
    parsed = [
        inherited if value == "inherit" else _parsed(f"limits[{number}].{name}", value)
        for name, value, inherited in zip(_LIMITS, given, own, strict=True)
    ]
    return _Limits(*parsed)


def _slow(code: str, what: str, took: int, span_id: str | None, limit: int) -> Finding:
    message = f"{what} took {format_duration(took)}, the limit is {format_duration(limit)}"
    return Finding(code, message, evidence=(Evidence(span_id=span_id),) if span_id else ())


def _is_timed(span: Span) -> bool:
    """Whether the span's times can be true: an unset start would make every span last since 1970."""
    return 0 < span.start_ns <= span.end_ns


def _trace_duration(trace: Trace) -> int:
    """The root's duration: what the user waited. Where that is unknown, from the first start to the last end known."""
    root = trace.root
    if root is not None and root.parent_id is None and _is_timed(root):
        return root.duration_ns
    timed = [span for span in trace.spans if _is_timed(span)]
    return max((s.end_ns for s in timed), default=0) - min((s.start_ns for s in timed), default=0)


def _duration(call: ModelCall, trace: Trace) -> int | None:
    span = trace.by_id.get(call.span_id)
    return None if span is not None and not _is_timed(span) else call.duration_ns
