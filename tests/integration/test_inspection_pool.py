"""Real worker processes, and what becomes of the traces that break them."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Queue
from unittest.mock import AsyncMock

import psutil
import pytest
from hostile_checks import GROWS_BY
from pebble import ProcessPool
from pipeline_fakes import a_job, span_bytes, text, trace_id
from servers import eventually, until

from checks import catalogue
from checks.report import Outcome, Verdict
from collector.pipeline.forking import NoWorkers, Workers
from collector.pipeline.inspection import InspectionPool
from collector.pipeline.job import JudgeOptions, NoView
from exporters import codec
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.gate import Asked
from exporters.dataset.promote import case_id
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable

CHECKS = {
    "hostile": {"use": "hostile_checks:Hostile", "deadline": "300ms"},
    "latency": {},
}
OPTIONS = JudgeOptions(CHECKS, drafts_cases=False)
TESTS = Path(__file__).resolve().parent.parent


class Pools:
    """Makes pools and counts the workers that they had to replace."""

    def __init__(self, folder: Path) -> None:
        self.quarantine = folder / "quarantine"
        self.restarts = 0
        self.made: list[InspectionPool] = []

    def __call__(self, workers: int = 1, options: JudgeOptions = OPTIONS, **parts) -> InspectionPool:
        pool = InspectionPool(
            options, catalogue.build(CHECKS), workers, self.quarantine, on_restart=self._restarted, **parts
        )
        self.made.append(pool)
        return pool

    def _restarted(self) -> None:
        self.restarts += 1


@pytest.fixture
def pools(tmp_path):
    made = Pools(tmp_path)
    yield made
    for pool in made.made:
        pool.close(wait_s=0.1)


def outcomes(packed) -> dict[str, Outcome]:
    return {check: Outcome(outcome) for check, outcome in packed.outcomes}


def verdicts(packed) -> tuple[Verdict, ...]:
    return codec.verdicts_from_json(packed.verdicts)


def evaluated(tally) -> list[float]:
    return [amount for (name, _), (amount, _) in tally.amounts.items() if name == "sidecheck_traces_evaluated_total"]


def workers() -> list[BaseProcess]:
    """The worker processes of this test run."""
    return multiprocessing.active_children()


async def test_a_batch_is_judged_by_workers_in_the_order_it_was_given(pools):
    pool = pools(workers=2)
    judged = await pool.inspect([a_job(number) for number in range(1, 6)])
    assert [packed.trace_id for packed in judged.traces] == [trace_id(number) for number in range(1, 6)]
    assert sum(amount for tally in judged.tallies for amount in evaluated(tally)) == 5


@pytest.mark.parametrize("way", ["aborts", "exits"])
async def test_a_check_that_kills_its_workers_is_errored_and_the_rest_of_its_trace_and_batch_is_judged(pools, way):
    pool = pools()
    first, culprit, last = (await pool.inspect([a_job(1), a_job(2, way), a_job(3)])).traces
    assert outcomes(first)["hostile"] is outcomes(last)["hostile"] is Outcome.PASSED
    assert outcomes(culprit) == {"hostile": Outcome.ERRORED, "latency": Outcome.PASSED}
    assert pools.restarts == 3


async def test_a_quarantined_trace_is_on_disk_with_the_reason_and_keeps_its_spans_in_the_record(pools):
    job = a_job(2, "exits", logs=b"")
    (packed,) = (await pools().inspect([job])).traces
    assert (pools.quarantine / f"{trace_id(2)}.binpb").read_bytes() == job.spans
    assert "two workers died" in (pools.quarantine / f"{trace_id(2)}.reason.txt").read_text()
    assert codec.split_compressed(packed.data, 3)[0] == job.spans
    assert {(v.check, v.version) for v in verdicts(packed)} == {("hostile", "7"), ("latency", "1")}


async def test_a_quarantine_that_cannot_be_written_does_not_stop_the_verdict(pools):
    pools.quarantine.write_text("a file where the folder should be")
    (packed,) = (await pools().inspect([a_job(1, "exits")])).traces
    assert outcomes(packed)["hostile"] is Outcome.ERRORED


async def test_the_last_batch_is_held_by_nobody_once_it_is_to_be_forgotten(pools):
    pool = pools(workers=2)
    job = a_job()
    (packed,) = (await pool.inspect([job])).traces
    judged = (job, packed)

    def holders():
        return [count - 3 for count in map(sys.getrefcount, judged)]  # without its name, `judged` and the call itself

    assert min(holders()) > 0  # the pool's threads hold the last task, and what came of it
    await pool.forget_last()
    assert eventually(holders, [0, 0]) == [0, 0]  # a thread may look at its tasks just now
    assert pools.restarts == 0


@pytest.mark.parametrize("error", [NoWorkers("none"), MemoryError(), RuntimeError("closed")], ids=repr)
async def test_workers_that_cannot_be_asked_are_no_error_where_they_are_to_forget(pools, monkeypatch, error):
    pool = pools()
    monkeypatch.setattr(Workers, "call", AsyncMock(side_effect=error))
    await pool.forget_last()
    assert pool.problem is None


async def test_a_check_that_loops_forever_is_stopped_at_its_deadline_and_costs_no_worker(pools):
    looping, fine = (await pools().inspect([a_job(1, "loops"), a_job(2)])).traces
    assert outcomes(looping)["hostile"] is Outcome.TIMED_OUT
    assert outcomes(fine)["hostile"] is Outcome.PASSED
    assert pools.restarts == 0


async def test_a_worker_that_hangs_in_c_is_replaced_and_the_rest_of_its_batch_is_judged(pools):
    pool = pools(seconds_a_trace=1.0)
    await pool.warm_up()
    fine, hanging = (await pool.inspect([a_job(1), a_job(2, "hangs")])).traces
    assert outcomes(fine)["hostile"] is Outcome.PASSED
    assert outcomes(hanging)["hostile"] is Outcome.ERRORED
    assert "longer than 1 s" in (pools.quarantine / f"{trace_id(2)}.reason.txt").read_text()
    assert pools.restarts == 3


async def test_a_check_that_raises_gets_an_errored_verdict_without_the_text_of_the_exception(pools):
    (packed,) = (await pools().inspect([a_job(1, "raises")])).traces
    (verdict,) = [v for v in verdicts(packed) if v.check == "hostile"]
    assert verdict.outcome is Outcome.ERRORED
    assert verdict.error.startswith("ValueError at hostile_checks:")
    assert pools.restarts == 0


async def test_a_worker_takes_no_more_memory_than_it_may(pools):
    (narrow,) = (await pools(memory_bytes=GROWS_BY // 2).inspect([a_job(1, "grows")])).traces
    (roomy,) = (await pools(memory_bytes=GROWS_BY * 2).inspect([a_job(1, "grows")])).traces
    assert [outcomes(packed)["hostile"] for packed in (narrow, roomy)] == [Outcome.ERRORED, Outcome.PASSED]


async def test_a_trace_whose_bytes_cannot_be_read_is_quarantined_alone(pools):
    fine, broken = (await pools().inspect([a_job(1), a_job(2, spans=b"\xff\xff no OTLP")])).traces
    assert outcomes(fine)["hostile"] is Outcome.PASSED
    assert outcomes(broken)["hostile"] is Outcome.ERRORED
    assert "DecodeError" in (pools.quarantine / f"{trace_id(2)}.reason.txt").read_text()


async def test_the_pool_lives_on_after_an_idle_worker_was_killed(pools):
    """For want of memory the kernel kills whom it likes, also one that does nothing."""
    pool = pools()
    await pool.warm_up()
    (worker,) = workers()
    worker.kill()
    worker.join(10)
    (packed,) = (await pool.inspect([a_job()])).traces
    assert outcomes(packed)["hostile"] is Outcome.PASSED


async def test_a_call_that_comes_while_the_pool_gives_up_is_not_forgotten(pools, monkeypatch):
    pool = pools()
    await pool.warm_up()
    (worker,) = workers()
    first, schedule = pool._pool._pool, ProcessPool.schedule

    def too_late(self, *args, **options):
        taken = self._context.task_queue
        if self is first:
            self._context.task_queue = Queue()  # in which nobody looks
            worker.kill()
            until("the pool has given up", lambda: not self.active)
        self._check_pool_status = lambda: None
        try:
            return schedule(self, *args, **options)
        finally:
            self._context.task_queue = taken

    monkeypatch.setattr(ProcessPool, "schedule", too_late)
    (packed,) = (await pool.inspect([a_job()])).traces
    assert outcomes(packed)["hostile"] is Outcome.PASSED


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker loads everything for itself")
async def test_the_pool_lives_on_after_the_process_that_its_workers_are_copies_of_was_killed(pools):
    pool = pools(workers=2)
    await pool.warm_up()
    original = psutil.Process(workers()[0].pid).parent()
    assert original.parent() == psutil.Process()
    original.kill()
    (packed,) = (await pool.inspect([a_job()])).traces
    assert outcomes(packed)["hostile"] is Outcome.PASSED


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker loads everything for itself")
async def test_workers_do_not_end_with_an_earlier_pool_that_had_that_process_started_anew(pools):
    first, second = pools(workers=2), pools()
    await first.warm_up()
    psutil.Process(workers()[0].pid).parent().kill()
    await first.inspect([a_job()])  # for which workers were made anew
    await second.warm_up()
    ours = {worker.pid for worker in workers()}
    await asyncio.to_thread(first.retire)
    assert (await second.inspect([a_job()])).traces
    assert {worker.pid for worker in workers()} <= ours
    assert psutil.Process(workers()[0].pid).parent().is_running()


async def test_a_pool_that_is_ended_while_it_starts_leaves_no_worker(pools):
    before = {worker.pid for worker in workers()}
    pool = pools(workers=2)
    starting = asyncio.create_task(pool.warm_up())
    await asyncio.sleep(0)  # it has begun
    pool.retire()
    with pytest.raises(Exception, match="not active"):
        await starting
    assert {worker.pid for worker in workers()} <= before


async def test_while_no_worker_can_be_started_traces_wait_and_are_not_put_to_blame(pools, tmp_path):
    broken = {"fatal": {"use": "hostile_checks:Fatal", "unless": str(tmp_path / "mended")}}
    pool = pools(options=JudgeOptions(broken, drafts_cases=False))
    with pytest.raises(NoWorkers):
        await pool.warm_up()
    assert "worker processes" in pool.problem
    with pytest.raises(RedactionUnavailable, match="worker processes"):
        await pool.draft(a_job())
    waiting = asyncio.create_task(pool.inspect([a_job()]))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    (tmp_path / "mended").touch()
    (packed,) = (await waiting).traces
    assert outcomes(packed)["fatal"] is Outcome.PASSED
    assert pool.problem is None
    assert not list(pools.quarantine.glob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such process")
async def test_signals_do_not_end_the_process_that_workers_are_copies_of(pools):
    pool = pools()
    await pool.warm_up()
    (worker,) = workers()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        psutil.Process(worker.pid).parent().send_signal(number)
    (packed,) = (await pool.inspect([a_job()])).traces
    assert outcomes(packed)["hostile"] is Outcome.PASSED
    assert workers() == [worker]


async def test_workers_leave_signals_to_the_front_process(pools):
    """Service managers and terminals signal all processes; what is open is judged before the end."""
    pool = pools()
    await pool.warm_up()
    (worker,) = workers()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(worker.pid, number)
    (packed,) = (await pool.inspect([a_job()])).traces
    assert outcomes(packed)["hostile"] is Outcome.PASSED
    assert workers() == [worker]


async def test_closing_ends_a_worker_that_does_not_answer(pools):
    pool = pools()
    await pool.warm_up()
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGSTOP)
    pool.close(wait_s=0.1)
    assert not worker.is_alive()


FRONT = """
import asyncio, sys
from pathlib import Path
from pipeline_fakes import a_job
from test_inspection_pool import CHECKS, OPTIONS
from checks import catalogue
from collector.pipeline.inspection import InspectionPool

async def main():
    pool = InspectionPool(OPTIONS, catalogue.build(CHECKS), 2, Path(sys.argv[1]))
    await pool.warm_up()
    busy = asyncio.create_task(pool.inspect([a_job(1, "hangs")]))
    await pool.inspect([a_job(2)])
    print("ready", flush=True)
    await busy

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_load_everything_for_themselves_where_the_temporary_folder_is_of_no_use(tmp_path):
    """The name of a socket has 107 characters at most, and that of the process to copy from is there."""
    script = tmp_path / "front.py"
    script.write_text(FRONT.replace('"hangs"', '"shop"'))
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    path = os.pathsep.join([str(TESTS), str(TESTS / "integration"), str(TESTS.parent)])
    env = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "ready" in done.stdout
    assert not list((tmp_path / "quarantine").glob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker ends when it is done with its trace")
def test_workers_busy_or_idle_end_with_a_front_process_that_was_killed(tmp_path):
    script = tmp_path / "front.py"
    script.write_text(FRONT)
    path = os.pathsep.join([str(TESTS), str(TESTS / "integration"), str(TESTS.parent)])
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as front:
        assert front.stdout.readline() == b"ready\n"
        front.kill()
        # The workers have the same standard output: its end comes when the last of them is gone.
        assert front.communicate(timeout=10) == (b"", None)


async def test_a_case_that_no_worker_survives_is_withheld_and_the_next_trace_is_judged(pools):
    pool = pools(seconds_a_trace=0.2, options=replace(OPTIONS, drafts_cases=True, redacts=False))
    slow = b"".join(span_bytes(1, number) for number in range(1, 100_000))
    with pytest.raises(RedactionUnavailable, match="its worker process was not done"):
        await pool.draft(a_job(1, spans=slow))
    assert pools.restarts == 1
    assert (await pool.draft(a_job(2))).id == case_id(trace_id(2))


async def test_a_worker_makes_the_view_of_a_stored_trace(pools):
    attributes = [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o")]
    job = a_job(1, spans=span_bytes(1, 1, attributes=attributes))
    view = codec.from_json(await pools().view(job, (0.5,)))
    cost = {"dollars": 0.5, "calls": [{"span_id": f"{1:016x}", "model": "gpt-4o", "dollars": 0.5}]}
    assert view == {"model": "gpt-4o", "cost": cost}


async def test_a_view_that_cannot_be_made_says_why_and_quotes_nothing(pools):
    pool = pools(seconds_a_trace=0.2)
    with pytest.raises(NoView, match=r"^DecodeError while it was read$"):
        await pool.view(a_job(1, spans=b"what the user said"), ())
    assert pools.restarts == 0
    slow = b"".join(span_bytes(1, number) for number in range(1, 100_000))
    with pytest.raises(NoView, match="its worker process was not done"):
        await pool.view(a_job(1, spans=slow), ())
    assert pools.restarts == 1
    assert await pool.view(a_job(2), ()) == "{}"


async def test_a_worker_looks_at_a_case_before_it_is_promoted(pools):
    pool = pools(options=replace(OPTIONS, fakes=True))
    source = Source("4bf92f3577b34da6a3ce929d0e0e4736", "shop")
    case = Case("case-1", "f", source, "I am bob@corp.org", Context(), None, Expectation())
    refused, redacted = await pool.admit([Asked(case, case, redact) for redact in (False, True)])
    assert isinstance(refused, RedactionFailed)
    assert "EMAIL_ADDRESS in input" in str(refused)
    assert redacted.redacted == ("EMAIL_ADDRESS",)
    assert redacted.input.partition("@")[2].startswith("example.")


async def test_of_a_case_whose_worker_is_lost_nothing_is_said(pools):
    pool = pools(seconds_a_trace=0.05)
    source = Source("4bf92f3577b34da6a3ce929d0e0e4736", "shop")
    long = " ".join(f"ann{n}@corp.org" for n in range(20_000))
    case = Case("case-1", "f", source, long, Context(), None, Expectation())
    with pytest.raises(RedactionUnavailable, match="its worker process was not done"):
        await pool.admit([Asked(case, case, redact=True)])
    assert pools.restarts == 1
