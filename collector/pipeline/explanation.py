"""Why there is or is no verdict: put together from the store, the open traces, the losses and the configuration."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from checks import catalogue
from checks.duration import SECOND
from checks.report import NOTHING_TO_JUDGE, SAMPLE, WHEN, Outcome, Verdict
from checks.trace import CloseReason
from collector.pipeline import quarantine
from collector.pipeline.front import Front
from collector.pipeline.losses import Loss
from collector.pipeline.open_trace import OpenTrace
from exporters.review.explain import NONE, CheckExplanation, Explanation, TraceState
from exporters.store import Store, StoredTrace

_LOST: Mapping[str, str] = {
    "internal_error": "judging it failed; the log names the place",
    "store_retries": "the store went on refusing it while it took others; the log says why (from Kafka: a dead letter)",
    "store_failed": "the store could not take it; the log says why (from Kafka: it is a dead letter now)",
    "no_spans": "only log records came of it, and no span",
    "trace_limit": "it was over assembly.max_spans or assembly.max_bytes",
    "overloaded": "the memory budget (limits.memory) was used up, and the sender was asked to come again",
    "storage": "the journal could not be written, and the sender was asked to come again",
    "shutting_down": "sidecheck was stopping, and the sender was asked to come again",
}
_STATES: Mapping[TraceState, str] = {
    TraceState.OPEN: "the trace is still open",
    TraceState.BEING_JUDGED: "the trace is being judged",
    TraceState.DROPPED: "the trace was dropped",
    TraceState.FORGOTTEN: "the trace was forgotten on demand",
    TraceState.UNKNOWN: "the trace is not known",
}
_UNKNOWN = "sidecheck never saw this trace, or has let go of it since (store.retention)"


class Explainer:
    """Explains traces. Without a ``front`` only what is on the disk is known.

    Raises ``checks.catalogue.CheckConfigError`` where ``checks`` cannot be.
    """

    def __init__(
        self,
        store: Store,
        checks: Mapping[str, Mapping[str, Any]],
        quarantine_folder: Path,
        front: Front | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self.adopt(checks)
        self._folder = quarantine_folder
        self._front = front
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns

    def adopt(self, checks: Mapping[str, Mapping[str, Any]]) -> None:
        """Go by other checks from now on. Raises ``checks.catalogue.CheckConfigError``."""
        self._checks = tuple(checks)
        self._planned = {planned.name for planned in catalogue.build(checks)}

    async def __call__(self, trace_id: str) -> Explanation:
        """Explain one trace, on the event loop that holds the front. Raises ``exporters.store.StoreError``."""
        near = self._near(trace_id)
        return await asyncio.to_thread(self._explained, trace_id, near)

    def now(self, trace_id: str) -> Explanation:
        """Explain one trace where there is no event loop. Raises ``exporters.store.StoreError``."""
        return self._explained(trace_id, None)

    def _near(self, trace_id: str) -> Explanation | None:
        """What the front process knows of a trace that it holds."""
        if self._front is None:
            return None
        if trace_id in self._front.decided.under_way:
            return Explanation(trace_id, TraceState.BEING_JUDGED, None, "it is closed, and judged or stored just now")
        opened = self._front.buffer.look(trace_id)
        return None if opened is None else self._open(trace_id, opened)

    def _open(self, trace_id: str, opened: OpenTrace) -> Explanation:
        now = self._monotonic_ns()
        reason, waits = _waits_for(opened, max(0, opened.due_ns - now))
        age = now - opened.opened_ns
        before = "it was judged before, and is open again" if opened.late else "open"
        sentence = f"{before} for {_rounded(age)}, {_spans(opened.span_count)} so far; {waits}"
        return Explanation(trace_id, TraceState.OPEN, reason, sentence, self._wall_ns() - age)

    def _explained(self, trace_id: str, near: Explanation | None) -> Explanation:
        stored = self._store.trace(trace_id)
        found = self._forgotten(trace_id) or near or self._far(trace_id, stored)
        verdicts = {v.check: v for v in stored.verdicts} if stored else {}
        names = dict.fromkeys((*self._checks, *verdicts))
        checks = tuple(self._of_check(name, verdicts.get(name), found.state, is_stored=bool(stored)) for name in names)
        return Explanation(found.trace_id, found.state, found.reason, found.sentence, found.since_ns, checks)

    def _forgotten(self, trace_id: str) -> Explanation | None:
        if not self._store.forgotten([trace_id]):
            return None
        sentence = "it was removed on demand, and what comes of it is dropped"
        return Explanation(trace_id, TraceState.FORGOTTEN, None, sentence)

    def _far(self, trace_id: str, stored: StoredTrace | None) -> Explanation:
        why = quarantine.reason_of(self._folder, trace_id)
        if why is not None:
            sentence = f"{why}; its telemetry is in the folder {self._folder}"
            return Explanation(
                trace_id, TraceState.QUARANTINED, None, sentence, stored.evaluated_ns if stored else None
            )
        if stored is not None:
            cut = "; spans or values beyond a limit were left out or cut" if stored.truncated else ""
            sentence = f"judged with {_spans(stored.span_count)}, closed by {stored.closed_by.value}{cut}"
            return Explanation(trace_id, TraceState.STORED, stored.closed_by.value, sentence, stored.evaluated_ns)
        loss = self._front.losses.of(trace_id) if self._front is not None else None
        return Explanation(trace_id, TraceState.UNKNOWN, None, _UNKNOWN) if loss is None else _lost(trace_id, loss)

    def _of_check(self, name: str, verdict: Verdict | None, state: TraceState, *, is_stored: bool) -> CheckExplanation:
        if verdict is not None:
            return _of_verdict(verdict, "" if name in self._planned else "; it is no longer configured")
        if name not in self._planned:
            return CheckExplanation(name, NONE, "disabled", f"switched off (checks.{name}.enabled)")
        if is_stored:
            return CheckExplanation(name, NONE, "not_configured", "it was not configured when the trace was judged")
        return CheckExplanation(name, NONE, f"trace_{state.value}", _STATES.get(state, "the trace has no verdicts"))


def _waits_for(opened: OpenTrace, left_ns: int) -> tuple[str, str]:
    """What an open trace waits for: for programs, and for people."""
    left = _rounded(left_ns)
    if opened.closes_by is CloseReason.ROOT_SEEN:
        return "settle", f"it is judged in {left}, so that stragglers still come in (assembly.settle)"
    if opened.closes_by in (CloseReason.IDLE, CloseReason.MAX_AGE):
        option = f"assembly.{opened.closes_by.value}"
        return "root", f"its root span has not come; without it the trace is judged in {left} ({option})"
    return opened.closes_by.value, "it met a limit and is judged now"


def _lost(trace_id: str, loss: Loss) -> Explanation:
    sentence = f"{_LOST.get(loss.reason, loss.reason)} (what was lost: {loss.what})"
    return Explanation(trace_id, TraceState.DROPPED, loss.reason, sentence, loss.time_ns)


def _of_verdict(verdict: Verdict, note: str) -> CheckExplanation:
    reason, sentence = _why(verdict)
    return CheckExplanation(verdict.check, verdict.outcome.value, reason, f"{sentence}{note}")


def _why(verdict: Verdict) -> tuple[str | None, str]:
    """The reason of a verdict for programs, and for people."""
    codes = ", ".join(dict.fromkeys(finding.code for finding in verdict.findings))
    reason = verdict.reason or ""
    if verdict.outcome is Outcome.PASSED:
        return (codes or None), f"passed, with a warning: {codes}" if codes else "nothing was found wrong"
    if verdict.outcome is Outcome.FAILED:
        return codes, f"found {codes}"
    if verdict.outcome is Outcome.NOT_SAMPLED:
        return "sample", f"not in the sample ({reason.removeprefix(SAMPLE) or 'sample'} of all traces)"
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return _why_not_applicable(reason)
    how = "it was interrupted" if verdict.outcome is Outcome.TIMED_OUT else "it broke"
    return verdict.outcome.value, f"{how}: {verdict.error}"


def _why_not_applicable(reason: str) -> tuple[str | None, str]:
    if reason.startswith(WHEN):
        return reason, f"{reason} does not match this trace"
    if reason == NOTHING_TO_JUDGE:
        return reason, "the check found nothing in this trace that it could judge"
    return None, "it does not apply to this trace"


def _spans(number: int) -> str:
    return f"{number} {'span' if number == 1 else 'spans'}"


def _rounded(duration_ns: int) -> str:
    """A duration for people, to the tenth of a second."""
    return f"{duration_ns / SECOND:.1f} s"
