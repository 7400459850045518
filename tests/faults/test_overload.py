"""Ten times more load than the sidecar can take: it refuses what is too much, and goes on with the rest."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.memory import peak_memory
from faults.kit.oracle import LIGHT_CHECKS, Watch, compare, settle
from faults.kit.scale import short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import Answer, GrpcTarget, HttpTarget, Kind, Target
from faults.kit.traffic import Make, Request, a_numbered_span, a_request, trace_id
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from servers import until

TESTS = Path(__file__).parents[1]
MIB = 1 << 20
MEMORY = 64 * MIB
TRACE_BYTES = 400_000
TIMES = 10
CAPACITY, PROBE, OVERLOAD = 1, 2, 3
"""Runs of numbers that keep the loads apart."""
SECONDS = short_or_long(6.0, 60.0)
RECOVERS_WITHIN_S = 10.0
SETTINGS = {
    **LIGHT,
    "PYTHONPATH": str(TESTS),
    "SIDECHECK_LIMITS__MEMORY": "64MiB",
    "SIDECHECK_CHECKS__SLOW__USE": "faults.kit.bad_checks:Bad",
    "SIDECHECK_CHECKS__SLOW__WAY": "waits",
}
"""One check waits 50 ms: what a worker can judge in a second is the same on every machine, idle or busy."""
CHECKS = LIGHT_CHECKS | {"slow"}


def large(run: int) -> Make:
    """Traces of one large span."""
    text = KeyValue(key="gen_ai.prompt", value=AnyValue(string_value="words and " * (TRACE_BYTES // 10)))

    def make(number: int) -> Sequence[Request]:
        return [a_request(number, [a_numbered_span(number, 1, run=run, attributes=[text])], service="waits")]

    return make


@dataclass
class Noting:
    """A target that remembers how it was refused: status, and whether it was told when to come back."""

    target: Target
    name: str = "noting"
    refusals: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def send(self, body: bytes) -> Answer:
        answer = self.target.send(body)
        if answer.kind is not Kind.ACKNOWLEDGED:
            self.refusals[answer.status, answer.retry_after_s is not None] += 1
        return answer

    def close(self) -> None:
        self.target.close()


def evaluated(sidecar: Sidecar) -> float:
    return sidecar.metric("sidecheck_traces_evaluated_total")


def judged_a_second(sidecar: Sidecar, seconds: float) -> float:
    """How many traces are judged in a second, from now on."""
    before, started = evaluated(sidecar), time.monotonic()
    time.sleep(seconds)
    return (evaluated(sidecar) - before) / (time.monotonic() - started)


def capacity(sidecar: Sidecar, ledger: Ledger, target: Target) -> float:
    """What it judges in a second when it always has something to do, and no more than it can keep."""
    with Load(ledger, target, large(CAPACITY), rate=30, seconds=3):
        until("it is at work", lambda: evaluated(sidecar) > 5)
        found = judged_a_second(sidecar, 2.0)
    settle(sidecar)
    return found


def overload(sidecar: Sidecar, ledger: Ledger, targets: Sequence[Target], rate: float) -> float:
    """Send so many traces a second; how many were judged in a second meanwhile."""
    http, grpc = (
        Load(ledger, target, large(run), rate=rate / 2, seconds=SECONDS, senders=4, patience_s=2.0)
        for run, target in enumerate(targets, start=OVERLOAD)
    )
    with http, grpc:
        goodput = judged_a_second(sidecar, SECONDS)
    assert http.tally.dropped == grpc.tally.dropped == {}
    assert http.tally.sent + grpc.tally.sent > 0.7 * rate * SECONDS
    return goodput


def assert_recovers(sidecar: Sidecar, ledger: Ledger, target: Target) -> None:
    """Fail unless a trace that is sent now, and again where it is refused, is judged soon."""
    probe = a_request(0, [a_numbered_span(0, 1, run=PROBE)])
    ledger.attempt(probe.spans)
    deadline = time.monotonic() + RECOVERS_WITHIN_S
    until("it is not refused", lambda: target.send(probe.body).kind is Kind.ACKNOWLEDGED, RECOVERS_WITHIN_S)
    path = f"/api/traces/{trace_id(0, run=PROBE).hex()}"
    until("it is judged", lambda: sidecar.get(path, port="api").is_success, deadline - time.monotonic())


@pytest.mark.timeout(short_or_long(180, 300))
def test_an_overload_is_refused_and_what_was_taken_is_judged_as_fast_as_ever(tmp_path, table):
    ledger = Ledger(tmp_path / "ledger")
    with Sidecar(tmp_path / "data", **SETTINGS) as sidecar, Watch(sidecar) as seen:
        http = Noting(HttpTarget(sidecar.addresses["otlp_http"]))
        grpc = Noting(GrpcTarget(sidecar.addresses["otlp_grpc"]))
        able = capacity(sidecar, ledger, http)
        idle = sidecar.rss_bytes()
        with peak_memory(sidecar) as peak:
            goodput = overload(sidecar, ledger, (http, grpc), TIMES * able)
        assert_recovers(sidecar, ledger, http)
        settle(sidecar)
    found = compare(ledger, sidecar.data_dir, CHECKS)
    table.add("overload", 1, found, seen)
    found.assert_kept()
    assert http.refusals.keys() == {("503", True)}
    assert grpc.refusals.keys() == {("UNAVAILABLE", True)}
    assert goodput >= 0.7 * able
    assert peak[0] - idle <= 1.2 * MEMORY
    seen.assert_sound()
    seen.assert_quick()
