"""Somebody else holds the write lock of the store's or the journal's file, for longer than any time-out of ours."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from faults.kit.disk import locked
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import LIGHT_CHECKS, Seen, Watch, compare, settle
from faults.kit.scale import short_or_long
from faults.kit.sidecar import Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget, Kind
from faults.kit.traffic import a_numbered_span, a_request, plain, trace_id
from servers import until

NOBODYS = trace_id(0, run=99).hex()
LOCKED_FOR_S = short_or_long(5.0, 30.0)
FEEDBACK = ("/v1/feedback", {"trace_id": NOBODYS, "thumbs_up": True})
DECISION = (f"/api/traces/{NOBODYS}/promote", {"who": "test"})
CALLERS = [FEEDBACK] * 7 + [DECISION] * 45
"""More than there are threads in each of the pools of the front process."""


A_LARGE_REQUEST = a_request(0, [a_numbered_span(0, 1, run=98, name="x" * 2_000_000)])


@contextmanager
def impatient_callers(sidecar: Sidecar, callers: Sequence[tuple[str, Any]]) -> Iterator[list[Future[httpx.Response]]]:
    """Write, all at once, to a store that cannot take it; gives the answers to come."""
    base = f"http://{sidecar.addresses['api']}"
    with httpx.Client(base_url=base, timeout=60, verify=False) as client, ThreadPoolExecutor(len(callers)) as pool:
        answers = [pool.submit(client.post, path, json=body) for path, body in callers]
        yield answers
        assert {answer.result().status_code for answer in answers} <= {202, 404, 503}


def pass_by(seconds: float) -> None:
    """Let the fault last."""
    threading.Event().wait(seconds)


def verify(sidecar: Sidecar, ledger: Ledger, seen: Seen, fault: str, table) -> None:
    """Compare everything, now that nothing is locked."""
    found = compare(ledger, sidecar.data_dir, LIGHT_CHECKS, alone=False)
    table.add(fault, 1, found, seen)
    found.assert_kept()
    seen.assert_sound()
    seen.assert_quick()


@pytest.mark.timeout(300)
def test_a_store_that_somebody_locks_loses_nothing_and_every_page_answers(shared, tmp_path, table):
    sidecar, ledger = shared, Ledger(tmp_path / "ledger")
    with Watch(sidecar) as seen:
        with Load(ledger, HttpTarget(sidecar.addresses["otlp_http"]), plain(1), rate=30) as load:
            evaluated = sidecar.metric("sidecheck_traces_evaluated_total")
            until("some are judged", lambda: sidecar.metric("sidecheck_traces_evaluated_total") > evaluated + 10, 60)
            with locked(sidecar.data_dir / "sidecheck.db"):
                with impatient_callers(sidecar, CALLERS):
                    pass_by(LOCKED_FOR_S)
                # By the watch's own looks: what another question was told first may be over before the next of them.
                until("whoever looks is told", lambda: any("locked" in told for told in list(seen.problems)), 20)
        settle(sidecar)
    assert set(load.tally.retried) <= {"503"}
    assert load.tally.dropped == {}
    assert seen.health["degraded"]
    until("health is well again", lambda: sidecar.health()["status"] == "ok", 10)
    verify(sidecar, ledger, seen, "store locked", table)


@pytest.mark.timeout(300)
def test_large_requests_do_not_wait_for_feedback_that_waits_for_the_store(shared):
    target = HttpTarget(shared.addresses["otlp_http"])
    with locked(shared.data_dir / "sidecheck.db"), impatient_callers(shared, [FEEDBACK] * 30) as answers:
        pass_by(1.0)  # until they are there
        assert target.send(A_LARGE_REQUEST.body).kind is Kind.ACKNOWLEDGED
        assert not any(answer.done() for answer in answers)
        assert {answer.result().status_code for answer in answers} == {503}
    target.close()


@pytest.mark.timeout(300)
def test_a_journal_that_somebody_locks_refuses_for_now_and_every_page_answers(shared, tmp_path, table):
    sidecar, ledger = shared, Ledger(tmp_path / "ledger")
    with Watch(sidecar) as seen:
        with Load(ledger, GrpcTarget(sidecar.addresses["otlp_grpc"]), plain(2), rate=30) as load:
            until("something is acknowledged", lambda: load.tally.acknowledged > 10)
            with locked(sidecar.data_dir / "journal.db"):
                pass_by(LOCKED_FOR_S)
        settle(sidecar)
    assert set(load.tally.retried) == {"UNAVAILABLE"}
    assert load.tally.dropped == {}
    assert any("journal cannot be written: database is locked" in problem for problem in seen.problems)
    until("health is well again", lambda: sidecar.health()["status"] == "ok", 10)
    verify(sidecar, ledger, seen, "journal locked", table)
