"""Apps that send what nobody should: an endless trace, endless traces, endless names. Others do not notice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from faults.kit.bombs import PROTOBUF, Bomb, bombs
from faults.kit.canaries import WITHIN_S as CANARY_WITHIN_S
from faults.kit.canaries import canaries, delays
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.memory import peak_memory
from faults.kit.oracle import Seen, Watch, drops
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import LIGHT, UP_WITHIN_S, Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget
from faults.kit.traffic import Request, a_numbered_span, a_request, plain, trace_id
from servers import total, until

WARM, FLOOD = 1, 3
"""Runs of numbers that keep the loads of one test, and the canaries, apart."""
MIB = 1 << 20
MEMORY = 64 * MIB
BOMB_BYTES = 160 * MIB
"""What taking a few requests apart may take for a moment: 20 MiB, a hundred thousand spans, JSON of small objects."""
WITHIN_S = 1800.0 if is_long() else 60.0
MAX_SPANS = 10_000
MAX_SERIES = 2_000
TRACES_A_REQUEST = 500
SETTINGS = {
    **LIGHT,
    "SIDECHECK_LIMITS__MEMORY": "64MiB",
    "SIDECHECK_METRICS__MAX_SERIES": str(MAX_SERIES),
}
"""A small budget and few series, so that a short flood is over them."""


@contextmanager
def warm(data_dir: Path, **settings: str) -> Iterator[tuple[Sidecar, Seen]]:
    """A sidecar whose worker is ready, watched."""
    with Sidecar(data_dir, **SETTINGS, **settings) as sidecar, Watch(sidecar) as seen:
        target = HttpTarget(sidecar.addresses["otlp_http"])
        for request in plain(WARM)(0):
            target.send(request.body)
        target.close()
        until("the worker is ready", lambda: sidecar.metric("sidecheck_traces_evaluated_total") == 1, UP_WITHIN_S)
        yield sidecar, seen


@contextmanager
def little_memory(sidecar: Sidecar, most: int = MEMORY) -> Iterator[None]:
    """Fails if the block takes more than this, and a fifth for what goes with it."""
    idle = sidecar.rss_bytes()
    with peak_memory(sidecar) as peak:
        yield
    assert peak[0] - idle <= 1.2 * most


def send_all(sidecar: Sidecar, bodies: Sequence[bytes]) -> None:
    """Send these requests, as fast as they are taken."""
    target = HttpTarget(sidecar.addresses["otlp_http"], timeout_s=60)
    ledger = Ledger(sidecar.data_dir.with_name("flood"))
    requests = [[Request(number, body, {})] for number, body in enumerate(bodies)]
    with Load(
        ledger, target, requests.__getitem__, rate=1e6, count=len(bodies), senders=2, patience_s=WITHIN_S
    ) as load:
        pass
    target.close()
    assert (load.tally.dropped, load.tally.abandoned) == ({}, 0)


def endless(requests: int, spans: int) -> list[bytes]:
    """One trace in many requests; its root span comes last."""
    positions = [*range(2, requests * spans + 1), 1]
    parts = (positions[start : start + spans] for start in range(0, len(positions), spans))
    return [a_request(0, (a_numbered_span(0, each, run=FLOOD) for each in part)).body for part in parts]


def rootless(traces: int) -> list[bytes]:
    """Many traces of one span without a root, each of an app of its own with a name that means no good."""
    name, number = b"service-name", trace_id(0, FLOOD)
    one = a_request(0, [a_numbered_span(0, 2, run=FLOOD)], service=name.decode()).body
    assert one.count(name) == one.count(number) == 1

    def trace(each: int) -> bytes:
        hostile = f'"}} 1\n\\{each:05x}'.encode()[: len(name)].ljust(len(name), b"\x00")
        return one.replace(name, hostile).replace(number, trace_id(each, FLOOD))

    starts = range(0, traces, TRACES_A_REQUEST)  # requests joined are one request
    return [b"".join(map(trace, range(start, min(traces, start + TRACES_A_REQUEST)))) for start in starts]


@pytest.mark.timeout(WITHIN_S + 60)
def test_an_endless_trace_is_cut_and_counted_and_does_not_hold_up_others(tmp_path, table):
    requests, spans = 10, short_or_long(10_000, 100_000)
    bodies = endless(requests, spans)
    with warm(tmp_path / "data") as (sidecar, seen):
        with canaries(sidecar, WITHIN_S) as found, little_memory(sidecar, short_or_long(MEMORY, BOMB_BYTES)):
            send_all(sidecar, bodies)
        assert max(delays(sidecar)) < CANARY_WITHIN_S
        shown = sidecar.get(f"/api/traces/{trace_id(0, FLOOD).hex()}", port="api").json()
        assert (shown["truncated"], shown["closedBy"], shown["spanCount"]) == (True, "span_limit", MAX_SPANS)
        assert drops(sidecar.page()) == {"span/trace_limit": requests * spans - MAX_SPANS}
    table.add("endless trace", 1, found[0], seen, "span/trace_limit")
    found[0].assert_kept()
    seen.assert_sound("span/trace_limit")
    seen.assert_quick()


@pytest.mark.timeout(WITHIN_S + 60)
def test_endless_traces_of_endless_services_take_bounded_memory_and_bounded_series(tmp_path, table):
    traces = short_or_long(10_000, 1_000_000)
    bodies = rootless(traces)
    with warm(tmp_path / "data") as (sidecar, seen):
        with canaries(sidecar, WITHIN_S) as found, little_memory(sidecar):
            send_all(sidecar, bodies)
        page = sidecar.page()
        usual = 1 + len(delays(sidecar))
        assert total(page, "sidecheck_traces_evaluated_total") == traces + usual
        assert total(page, "sidecheck_traces_evaluated_total", {"service": "other"}) > 0
        assert page.count("\n") < 2 * MAX_SERIES
    table.add("endless traces, endless services", 1, found[0], seen)
    found[0].assert_kept()
    seen.assert_sound()
    seen.assert_quick()


@pytest.mark.timeout(WITHIN_S + 60)
def test_requests_that_want_to_be_large_are_answered_and_do_not_hold_up_others(tmp_path, table):
    explosive = bombs()
    with warm(tmp_path / "data") as (sidecar, seen):
        with canaries(sidecar, WITHIN_S) as found, little_memory(sidecar, BOMB_BYTES):
            answers = {bomb.name: over_http(sidecar, bomb) for bomb in explosive}
            codes = {bomb.name: over_grpc(sidecar, bomb) for bomb in explosive if bomb.kind == PROTOBUF}
        assert max(delays(sidecar)) < CANARY_WITHIN_S
    assert {bomb.name: answers[bomb.name] for bomb in explosive if answers[bomb.name] not in bomb.statuses} == {}
    assert set(codes.values()) <= {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    table.add("bombs", 1, found[0], seen)
    found[0].assert_kept()
    seen.assert_sound()
    seen.assert_quick()


def over_http(sidecar: Sidecar, bomb: Bomb) -> int:
    """The status that answers it."""
    url = f"http://{sidecar.addresses['otlp_http']}/v1/traces"
    return httpx.post(url, content=bomb.body, headers=dict(bomb.headers), timeout=60).status_code


def over_grpc(sidecar: Sidecar, bomb: Bomb) -> str:
    """The code that answers it, sent as one message."""
    target = GrpcTarget(sidecar.addresses["otlp_grpc"], timeout_s=60)
    try:
        return target.send(bomb.body).status
    finally:
        target.close()
