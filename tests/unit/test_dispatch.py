"""Records on their way to the store: written, tried again, given up, left over. The store is a function."""

import asyncio
import weakref

import pytest
import stamina
from pipeline_fakes import BROKEN, CONTENDED, LOCKED
from store_builders import a_record, trace_id

from collector.pipeline.dispatch import MOST_AT_ONCE, QUEUE, TRIES, Dispatch


@pytest.fixture(autouse=True)
def _no_waiting():
    stamina.set_testing(True, attempts=100)
    yield
    stamina.set_testing(False)


class Sink:
    """A store that takes batches, after raising ``errors`` one each, while it is ``open``."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[str]] = []
        self.kept: list[str] = []
        self.dropped: list[tuple[str, str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.dispatch = Dispatch(self.save, self.ended, self.is_well)

    async def is_well(self) -> bool:
        return False

    async def save(self, records) -> None:
        self.batches.append([record.trace_id for record in records])
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)

    def ended(self, records, dropped) -> None:
        ids = [record.trace_id for record in records]
        if dropped is None:
            self.kept += ids
        else:
            self.dropped += [(trace_id, dropped) for trace_id in ids]

    async def run(self, *batches) -> "Sink":
        """Write these batches and end."""
        for batch in batches:
            await self.dispatch.put(batch)
        self.dispatch.start()
        assert await self.dispatch.stop(5) == 0
        return self


async def test_what_is_queued_is_written_and_told():
    sink = await Sink().run([a_record(1)], [a_record(2), a_record(3)])
    assert sink.kept == [trace_id(1), trace_id(2), trace_id(3)]
    assert sink.dropped == []


async def test_what_is_written_is_let_go_of_though_nothing_more_comes():
    class Batch(list):
        """A list that can be watched."""

    sink = Sink()
    batch = Batch([a_record(1)])
    watched = weakref.ref(batch)
    await sink.dispatch.put(batch)
    del batch
    sink.dispatch.start()
    await asyncio.wait_for(sink.dispatch._queue.join(), 30)
    assert watched() is None
    await sink.dispatch.stop(5)


async def test_batches_that_wait_are_written_in_one_transaction_of_bounded_size():
    many = [[a_record(n) for n in range(64)] for _ in range(MOST_AT_ONCE // 64 + 1)]
    sink = await Sink().run(*many)
    assert [len(batch) for batch in sink.batches] == [MOST_AT_ONCE, 64]


async def test_what_comes_soon_after_the_first_is_written_in_the_same_transaction():
    sink = Sink()
    sink.dispatch.start()
    await sink.dispatch.put([a_record(1)])
    for _ in range(3):  # the writer has it
        await asyncio.sleep(0)
    await sink.dispatch.put([a_record(2)])
    assert await sink.dispatch.stop(5) == 0
    assert sink.batches == [[trace_id(1), trace_id(2)]]


async def test_a_locked_store_is_asked_again_until_it_takes_the_records():
    sink = await Sink(LOCKED, LOCKED, LOCKED).run([a_record(1)])
    assert len(sink.batches) == 4
    assert sink.kept == [trace_id(1)]
    assert sink.dropped == []


async def test_while_the_store_is_locked_the_problem_is_told_and_afterwards_it_is_gone():
    sink = Sink(LOCKED)
    told = []
    save = sink.save

    async def watching(records):
        told.append(sink.dispatch.problem)
        await save(records)

    sink.dispatch = Dispatch(watching, sink.ended, sink.is_well)
    await sink.run([a_record(1)])
    assert told[0] is None
    assert told[1] == "the store is locked by another process; trying again"
    assert sink.dispatch.problem is None


async def test_a_store_that_stays_locked_for_long_costs_no_record():
    sink = await Sink(*[LOCKED] * 90).run([a_record(1), a_record(2)])
    assert sink.kept == [trace_id(1), trace_id(2)]
    assert sink.dropped == []


async def test_a_permanent_error_is_not_tried_again():
    sink = await Sink(BROKEN).run([a_record(1)])
    assert len(sink.batches) == 1
    assert sink.dropped == [(trace_id(1), "store_failed")]
    assert sink.dispatch.problem == str(BROKEN)


async def test_one_record_that_the_store_cannot_take_does_not_cost_the_others():
    sink = Sink()

    async def save(records):
        if any(record.trace_id == trace_id(2) for record in records):
            raise OverflowError

    sink.dispatch = Dispatch(save, sink.ended, sink.is_well)
    await sink.run([a_record(1), a_record(2), a_record(3)])
    assert sink.kept == [trace_id(1), trace_id(3)]
    assert sink.dropped == [(trace_id(2), "store_failed")]


class Stubborn(Sink):
    """A store that goes on refusing the second trace for ``reason``, ``is_well`` or not, until it gives in."""

    def __init__(self, reason: Exception, *, is_well: bool, gives_in: int) -> None:
        super().__init__()
        self.reason = reason
        self.well = is_well
        self.left = gives_in

    async def is_well(self) -> bool:
        return self.well

    async def save(self, records) -> None:
        await super().save(records)
        if self.left and any(record.trace_id == trace_id(2) for record in records):
            self.left -= 1
            raise self.reason


async def test_records_that_a_store_goes_on_refusing_while_it_takes_others_are_given_up():
    sink = await Stubborn(CONTENDED, is_well=True, gives_in=99).run([a_record(1), a_record(2), a_record(3)])
    assert sink.kept == [trace_id(1), trace_id(3)]
    assert sink.dropped == [(trace_id(2), "store_retries")]
    assert sink.left == 99 - 3 * TRIES  # among all three, among two, and alone


@pytest.mark.parametrize(("reason", "is_well"), [(CONTENDED, False), (LOCKED, True)])
async def test_a_store_that_takes_nothing_or_is_full_costs_no_record_however_long_it_takes(reason, is_well):
    sink = await Stubborn(reason, is_well=is_well, gives_in=5 * TRIES).run([a_record(1), a_record(2)])
    assert sink.kept == [trace_id(1), trace_id(2)]
    assert sink.dropped == []


async def test_the_writer_lives_on_after_a_batch_that_failed():
    sink = Sink(BROKEN)
    sink.dispatch.start()
    await sink.dispatch.put([a_record(1)])
    await asyncio.wait_for(sink.dispatch._queue.join(), 30)
    await sink.dispatch.put([a_record(2)])
    assert await sink.dispatch.stop(5) == 0
    assert sink.kept == [trace_id(2)]
    assert sink.dispatch.problem is None


async def test_a_full_queue_holds_the_workers_back():
    sink = Sink()
    for number in range(QUEUE):
        await sink.dispatch.put([a_record(number)])
    waiting = asyncio.create_task(sink.dispatch.put([a_record(QUEUE)]))
    await asyncio.sleep(0)
    assert not waiting.done()
    sink.dispatch.start()
    await waiting
    assert await sink.dispatch.stop(5) == 0
    assert len(sink.kept) == QUEUE + 1


async def test_what_is_left_over_at_the_end_is_told_with_the_batch_that_was_being_written():
    sink = Sink()
    sink.open.clear()
    sink.dispatch.start()
    await sink.dispatch.put([a_record(1)])
    await asyncio.sleep(0)
    await sink.dispatch.put([a_record(2)])
    assert await sink.dispatch.stop(0.01) == 2
    assert sink.kept == []


async def test_the_length_is_the_number_of_records_that_are_not_kept_yet_also_while_they_are_written():
    sink = Sink()
    sink.open.clear()
    sink.dispatch.start()
    await sink.dispatch.put([a_record(1), a_record(2)])
    await asyncio.sleep(0)
    await sink.dispatch.put([a_record(3)])
    assert len(sink.dispatch) == 3
    sink.open.set()
    assert await sink.dispatch.stop(5) == 0
    assert len(sink.dispatch) == 0
