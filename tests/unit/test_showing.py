"""A stored trace gets its view when somebody looks at it."""

import asyncio
from dataclasses import replace

import pytest
from pipeline_fakes import span_bytes, text, trace_id

from checks.trace import CloseReason
from checks.view import view
from collector.pipeline import showing
from collector.pipeline.job import NoView
from collector.pipeline.showing import Showing, read_trace
from exporters.store import StoredTrace

CALL = [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o")]
STORED = StoredTrace(
    trace_id=trace_id(1),
    service="shop",
    convention="genai",
    closed_by=CloseReason.IDLE,
    start_ns=1_000,
    end_ns=2_000,
    duration_ns=1_000,
    span_count=1,
    truncated=True,
    failing=False,
    evaluated_ns=3_000,
    costs=(0.5,),
    spans=span_bytes(1, 1, attributes=CALL),
)


class Pool:
    """Makes one view after another, or says why there is none."""

    workers = 1

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.is_busy = False

    async def view(self, job, costs):
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await asyncio.sleep(60 if self.is_busy else 0)
        finally:
            self.at_once -= 1
        self.asked.append((job, costs))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def shown(pool, *traces):
    """The traces as several threads are shown them at a time."""
    show = Showing(pool, asyncio.get_running_loop())
    return await asyncio.gather(*(asyncio.to_thread(show, trace) for trace in traces))


async def test_the_view_is_made_of_what_is_stored_and_the_rest_stays():
    pool = Pool('{"output":"30 days"}')
    assert await shown(pool, STORED) == [replace(STORED, view={"output": "30 days"})]
    ((job, costs),) = pool.asked
    assert (job.trace_id, job.spans, job.logs) == (STORED.trace_id, STORED.spans, STORED.logs)
    assert (job.closed_by, job.truncated, costs) == (CloseReason.IDLE, True, (0.5,))


async def test_a_view_that_was_kept_is_not_made_again():
    kept = replace(STORED, view={"output": "as it was kept"})
    assert await shown(Pool(), kept) == [kept]


async def test_a_trace_that_cannot_be_read_is_shown_without_a_view_and_with_the_reason():
    pool = Pool(NoView("its worker process died (exit code 1)"))
    assert await shown(pool, STORED) == [replace(STORED, view={}, view_problem="its worker process died (exit code 1)")]


async def test_whoever_looks_has_one_worker_at_a_time():
    pool = Pool("{}", "{}", "{}")
    await shown(pool, STORED, STORED, STORED)
    assert (len(pool.asked), pool.most_at_once) == (3, 1)


async def test_nobody_waits_long_for_workers_that_are_busy(monkeypatch):
    monkeypatch.setattr(showing, "SHOWN_WITHIN_S", 0.01)
    pool = Pool()
    pool.is_busy = True
    (trace,) = await shown(pool, STORED)
    assert (trace.view, trace.view_problem) == ({}, "the workers are busy; ask again in a moment")
    await asyncio.sleep(0)
    assert pool.at_once == 0


@pytest.mark.parametrize(("costs", "dollars"), [((0.5,), 0.5), ((), None), ((0.5, 0.25), None)])
def test_a_page_shows_what_calls_cost_when_they_were_judged(costs, dollars):
    seen = view(read_trace(replace(STORED, costs=costs)))
    assert (seen["model"], seen.get("cost", {}).get("dollars")) == ("gpt-4o", dollars)
