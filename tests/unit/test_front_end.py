"""How the line stops: what is open then is judged, stored or counted, as in ``test_front``.

After every step the accounts are checked: accepted = evaluated + open + dropped.
"""

import asyncio

import pytest
from pipeline_fakes import ABOUT, THUMB_DOWN, InProcessPool, a_piece, trace_id

from checks.report import Outcome
from checks.trace import CloseReason
from collector.intake import Refusal, Refused
from exporters.store import TraceQuery

pytestmark = pytest.mark.usefixtures("no_waiting")


# From the first span to the store


async def test_stopping_judges_and_stores_everything_that_is_open(line):
    await line.receive(a_piece(1, 2), a_piece(2, 1))
    line.front.start()
    await line.front.stop(30)
    stored = line.store.traces(TraceQuery()).items
    assert {trace.trace_id for trace in stored} == {trace_id(1), trace_id(2)}
    assert {trace.closed_by for trace in stored} == {CloseReason.SHUTDOWN}
    line.check_accounts()
    assert line.front.open_traces == 0


async def test_stopping_waits_for_feedback_that_the_store_brings_to_a_trace(line):
    await line.front.accept_feedback(ABOUT, THUMB_DOWN)
    await line.receive(a_piece())
    gate = line.store.hold("save")  # until everything is judged, and nothing is open
    asyncio.get_running_loop().call_later(0.2, gate.set)
    await line.front.stop(30)
    assert line.outcome() is Outcome.FAILED


async def test_stopping_while_traces_wait_for_a_worker_judges_them_too(line):
    """The slots are taken by batches that are being judged; a further one has left the buffer already."""
    begun, gate = asyncio.Event(), asyncio.Event()

    class Slow(InProcessPool):
        async def inspect(self, jobs):
            begun.set()
            await gate.wait()
            return await super().inspect(jobs)

    line.front._pool = Slow()
    await line.receive(*(a_piece(number) for number in range(1, 200)))
    line.clock.step(2)
    line.front.start()
    await begun.wait()
    stopping = asyncio.create_task(line.front.stop(30))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    line.check_accounts()
    assert line.count("sidecheck_traces_evaluated_total") == 199


async def test_while_stopping_requests_are_refused_for_now(line):
    await line.front.stop(1)
    with pytest.raises(Refused) as caught:
        await line.receive(a_piece())
    assert caught.value.reason is Refusal.SHUTTING_DOWN
    assert caught.value.is_retryable


async def test_what_cannot_be_judged_in_time_is_counted_as_dropped(line):
    class Stuck(InProcessPool):
        async def inspect(self, jobs):
            await asyncio.Event().wait()
            return jobs

    line.front._pool = Stuck()
    await line.receive(a_piece(1), a_piece(2))
    await line.front.stop(0.2)
    assert line.dropped == {("trace", "shutdown"): 2}
    line.check_accounts()


async def test_what_cannot_be_stored_in_time_is_counted_as_dropped(line):
    gate = line.store.hold("save")
    await line.receive(a_piece())
    try:
        await line.front.stop(0.2)
    finally:
        gate.set()
    assert line.dropped == {("record", "shutdown"): 1}
