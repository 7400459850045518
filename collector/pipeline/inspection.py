"""The worker processes: closed traces out in batches, what was made of them back.

Owns the pool and what happens when a worker dies: the batch's traces are tried again one by one, so that only the
culprit suffers. A trace that takes a second worker with it is quarantined; its checks are tried one by one, and the one
that kills a third worker is ``ERRORED`` while the others give their verdicts.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as TaskTimeout
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pebble import ProcessExpired

from checks.builtin.pii import Pii
from checks.plan import PlannedCheck
from collector.logs import place_of
from collector.pipeline import retrying
from collector.pipeline.forking import NoWorkers, Workers
from collector.pipeline.job import DRAFT_WITHIN_NS, Job, Judged, JudgeOptions, NoView, unjudged
from collector.pipeline.quarantine import Quarantine
from collector.pipeline.suspects import Suspects
from collector.pipeline.worker import (
    EXIT_WORN_OUT,
    MEMORY_BYTES,
    admit_cases,
    draft_case,
    judge_batch,
    try_check,
    view_trace,
)
from exporters.dataset.case import Case
from exporters.dataset.gate import Answer, Asked
from exporters.dataset.redact import RedactionUnavailable

BATCH = 128
BATCH_BYTES = 2 * 1024 * 1024
"""A batch is at most so many traces and so many bytes; a larger trace goes alone. One that waits for its worker is in
memory twice more, encoded for the way."""
SECONDS_A_TRACE = 30.0
"""A worker that is busy with one trace for longer is replaced; checks have shorter deadlines of their own."""
SECONDS_A_FURTHER_TRACE = 1.0
"""What each further trace of a batch adds to that: a batch that takes longer is judged again, one trace at a time."""
SECONDS_A_FURTHER_CASE = DRAFT_WITHIN_NS / 1e9
"""What each further case that is looked at adds: the worker gives none of them longer."""
SECONDS_TO_READ = 10.0
"""What a check that is tried alone has beside its own deadline, for the trace to be read."""
POOLS_TRIED = 3
"""How often a batch is given to a new set of workers, where all of them are gone."""

log = structlog.get_logger()
Item = TypeVar("Item")


def batches(items: Iterable[Item], size_of: Callable[[Item], int] = attrgetter("size")) -> Iterator[list[Item]]:
    """Traces (or what is made of them) in their order, in batches as a worker takes them."""
    batch: list[Item] = []
    total = 0
    for item in items:
        size = size_of(item)
        if batch and (len(batch) == BATCH or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InspectionPool:
    """Worker processes that judge traces.

    ``on_restart`` is called once for each worker that had to be replaced, ``on_removed`` for each quarantined trace
    that was removed to make room. ``memory_bytes`` is what each worker may take, see ``worker``.
    """

    def __init__(
        self,
        options: JudgeOptions,
        plan: Sequence[PlannedCheck],
        workers: int,
        quarantine: Path,
        on_restart: Callable[[], None] = lambda: None,
        on_removed: Callable[[], None] = lambda: None,
        seconds_a_trace: float = SECONDS_A_TRACE,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.workers = workers
        self._plan = plan
        self._quarantine = Quarantine(quarantine, on_removed)
        self._suspects = Suspects()
        self._on_restart = on_restart
        self._seconds = seconds_a_trace
        self._options = options
        self._memory_bytes = memory_bytes
        self._is_closed = False
        self._inspecting = 0
        self._missing: str | None = None  # why there are no workers
        self._pool = self._new_pool()

    @property
    def problem(self) -> str | None:
        """What is wrong at this moment, in a sentence; ``None`` while all is well."""
        return self._missing or self._suspects.problem

    async def warm_up(self) -> None:
        """Start the workers and load the checks, before the first trace waits for it. Raises ``NoWorkers``."""
        try:
            await self._send_empty_batches()
        except NoWorkers as error:
            self._note(str(error))
            raise

    async def forget_last(self) -> None:
        """Have the workers let go of the last batch: they, and who feeds them, hold each until the next one comes.

        Nothing is done while traces are judged: the next batch is there soon.
        """
        if not self._inspecting:
            with suppress(Exception):  # memory is given back all the same, and the next batch tells what is wrong
                await self._send_empty_batches()

    async def inspect(self, jobs: Sequence[Job]) -> Judged:
        """Judge a batch: every trace of it, in order, whatever happens to the workers.

        While none can be started it waits: that is no trace's fault.
        """
        self._inspecting += 1
        try:
            return await self._inspect(jobs)
        finally:
            self._inspecting -= 1

    async def draft(self, job: Job) -> Case | None:
        """The case that a judged trace makes; see ``Judge.draft``.

        Raises ``RedactionFailed``, and ``RedactionUnavailable`` where its worker was lost.
        """
        case: Case | None = await self._asked(_not_looked_at, draft_case, (job,), self._seconds)
        return case

    async def view(self, job: Job, costs: Sequence[float | None]) -> str:
        """The view of a judged trace; see ``Judge.view``. Raises ``NoView``, whatever is wrong."""
        try:
            view: str = await self._asked(NoView, view_trace, (job, costs), self._seconds)
        except NoView:
            raise
        except Exception as error:  # noqa: BLE001 - what an app wrote may meet a bug, and the rest is shown all the same
            raise NoView(f"{type(error).__name__} while it was read") from None
        return view

    async def admit(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Each case as it may stand in the dataset, or why it must not; see ``Judge.admit``.

        Raises ``RedactionUnavailable`` where their worker was lost.
        """
        within_s = self._seconds + SECONDS_A_FURTHER_CASE * max(0, len(asked) - 1)
        answers: Sequence[Answer] = await self._asked(_not_looked_at, admit_cases, (asked,), within_s)
        return answers

    async def _asked(
        self,
        refusal: Callable[[str], Exception],
        function: Callable[..., Any],
        arguments: Sequence[Any],
        within_s: float,
    ) -> Any:
        """As ``_send``, for a person: who is told by a ``refusal`` where there is no answer."""
        try:
            return await self._send(function, arguments, within_s)
        except (ProcessExpired, TaskTimeout) as error:
            self._on_restart()
            raise refusal(_lost(error, within_s)) from None
        except NoWorkers as error:
            raise refusal(str(error)) from None
        except MemoryError:
            raise refusal("its worker process had too little memory") from None

    def close(self, *, wait_s: float = 5.0) -> None:
        """End the workers: those still busy with a trace after ``wait_s`` are killed, those that only start at once."""
        self._is_closed = True
        self._pool.end(wait_s if self._inspecting else 0, kill_others=True)

    def retire(self, *, wait_s: float = 30.0) -> None:
        """End the workers, which have nothing to do any more. Those of other pools are left alone."""
        self._is_closed = True
        self._pool.end(wait_s)

    def _new_pool(self) -> Workers:
        options = self._options
        redacts = options.drafts_cases and options.redacts
        finds_pii = redacts or any(isinstance(planned.check, Pii) for planned in self._plan)
        return Workers(self.workers, options, self._memory_bytes, finds_pii=finds_pii)

    async def _inspect(self, jobs: Sequence[Job]) -> Judged:
        try:
            return await self._judge(jobs, self._suspects.left_out())
        except (ProcessExpired, TaskTimeout):
            self._on_restart()
        except Exception as error:  # noqa: BLE001 - one trace that cannot be judged must not take its batch along
            log.warning("a batch could not be judged; its traces are tried one by one", error=place_of(error))
        return Judged.joined([await self._inspect_alone(job) for job in jobs])

    async def _judge(self, jobs: Sequence[Job], left_out: Mapping[str, str]) -> Judged:
        within_s = self._seconds + SECONDS_A_FURTHER_TRACE * max(0, len(jobs) - 1)
        judged: Judged = await self._sent(judge_batch, (jobs, left_out), within_s)
        return judged

    async def _sent(self, function: Callable[..., Any], arguments: Sequence[Any], within_s: float) -> Any:
        """As ``_send``; where there are no workers, once there are some again."""
        return await retrying.in_the_end(
            lambda _: self._try_to_send(function, arguments, within_s), lambda e: isinstance(e, NoWorkers), 0.5, 10.0
        )

    async def _try_to_send(self, function: Callable[..., Any], arguments: Sequence[Any], within_s: float) -> Any:
        try:
            answer = await self._send(function, arguments, within_s)
        except NoWorkers as error:
            self._note(str(error))
            raise
        self._missing = None
        return answer

    def _note(self, problem: str) -> None:
        if self._missing is None:
            log.error("nothing can be judged; trying again", problem=problem)
        self._missing = problem

    async def _send_empty_batches(self) -> None:
        await asyncio.gather(*(self._send(judge_batch, ((), {}), self._seconds) for _ in range(self.workers)))

    async def _send(self, function: Callable[..., Any], arguments: Sequence[Any], within_s: float) -> Any:
        error: Exception | None = None
        for _ in range(POOLS_TRIED):
            pool = self._pool
            try:
                return await pool.call(function, arguments, within_s)
            except Exception as failed:
                error = failed
                if _is_worn_out(failed):
                    self._on_restart()
                elif pool.are_there or self._is_closed:
                    raise
                else:
                    await self._replace(pool)
        if isinstance(error, ProcessExpired | TaskTimeout | NoWorkers):
            raise error
        raise NoWorkers(f"worker processes end as soon as they begin: {type(error).__name__}") from error

    async def _replace(self, broken: Workers) -> None:
        """A pool gives up when a worker dies while none has a task: the kernel was short of memory, for instance."""
        if self._pool is broken:
            log.warning("the workers are gone; starting new ones")
            self._on_restart()
            self._pool = self._new_pool()
            await asyncio.to_thread(broken.end, 0)

    async def _inspect_alone(self, job: Job) -> Judged:
        left_out = self._suspects.left_out()
        try:
            return await self._judge([job], left_out)
        except (ProcessExpired, TaskTimeout) as error:
            self._on_restart()
            reason = self._reason(error)
        except Exception as error:  # noqa: BLE001 - a bug in reading a trace must not look like a bad answer
            return await self._give_up(job, self._reason(error))
        killers = await self._killers(job, left_out)
        if not killers:
            return await self._give_up(job, reason)
        told = (f"{check}: {how}" for check, how in killers.items())
        await asyncio.to_thread(self._quarantine.add, job, "; ".join((reason, *told)))
        return await self._inspect_without(job, {**left_out, **killers})

    async def _killers(self, job: Job, left_out: Mapping[str, str]) -> dict[str, str]:
        """The checks that do not let a worker survive this trace, each with how it went."""
        killers = {}
        for planned in self._plan:
            if planned.name in left_out:
                continue
            within_s = min(self._seconds, SECONDS_TO_READ + planned.deadline_ns / 1e9)
            try:
                await self._sent(try_check, (job, planned.name), within_s)
            except (ProcessExpired, TaskTimeout) as error:
                self._on_restart()
                self._suspects.accuse(planned.name)
                killers[planned.name] = _lost(error, within_s)
            except Exception as error:  # noqa: BLE001 - what is wrong with the trace shows when it is judged again
                log.warning("a check could not be tried alone", check=planned.name, error=place_of(error))
        return killers

    async def _inspect_without(self, job: Job, left_out: Mapping[str, str]) -> Judged:
        try:
            return await self._judge([job], left_out)
        except Exception as error:  # noqa: BLE001 - it is not the checks' fault alone: an honest ERRORED for all
            if isinstance(error, ProcessExpired | TaskTimeout):
                self._on_restart()
            return self._unjudged(job, self._reason(error))

    async def _give_up(self, job: Job, reason: str) -> Judged:
        await asyncio.to_thread(self._quarantine.add, job, reason)
        return self._unjudged(job, reason)

    def _reason(self, error: Exception) -> str:
        """Why there is no verdict of any check."""
        if isinstance(error, ProcessExpired):
            return f"two workers died over this trace (exit code {error.exitcode})"
        if isinstance(error, TaskTimeout):
            return f"judging this trace took longer than {self._seconds:g} s"
        return f"{type(error).__name__} while the trace was read"

    def _unjudged(self, job: Job, reason: str) -> Judged:
        plan = [(p.name, p.check.info.version) for p in self._plan]
        records = [unjudged(job, plan, reason, time.time_ns())]
        return Judged.of(records, with_results=self._options.tells_results)


def _is_worn_out(error: Exception) -> bool:
    return isinstance(error, ProcessExpired) and error.exitcode == EXIT_WORN_OUT


def _not_looked_at(why: str) -> RedactionUnavailable:
    return RedactionUnavailable(f"it could not be searched for personal data: {why}; try again in a moment")


def _lost(error: Exception, within_s: float) -> str:
    """How a check lost its worker."""
    if isinstance(error, ProcessExpired):
        return f"its worker process died (exit code {error.exitcode})"
    return f"its worker process was not done after {within_s:g} s, and was ended"
