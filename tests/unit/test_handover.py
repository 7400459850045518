"""Partitions that change hands: what is open goes uncounted, what is judged is stored first, what is mixed stays."""

import asyncio
from dataclasses import replace

import pytest
from pipeline_fakes import BROKEN, Line, a_batch, a_piece, span_bytes, trace_id

from collector.progress import Position, Progress


class Part(Progress):
    """A partition."""

    returns = True


@pytest.fixture
async def line(store):
    async with Line(store) as made:
        yield made


async def read(line: Line, part: Progress, offset: int, *pieces) -> None:
    """Take a record of a partition."""
    await line.front.accept(replace(a_batch(*pieces), position=Position(part, offset)))


def counts(line: Line) -> tuple[int, int, int]:
    """Accepted, evaluated, open."""
    names = ("accepted_total", "evaluated_total", "open")
    return tuple(line.count(f"sidecheck_traces_{name}") for name in names)


async def test_a_trace_of_a_partition_counts_once_it_is_complete_and_frees_its_offsets_once_it_is_stored(line):
    part = Part()
    await read(line, part, 5, a_piece(1, 2))
    await read(line, part, 6, a_piece(1, 1))
    await line.tick()
    assert (counts(line), part.mark) == ((0, 0, 0), 5)
    await line.flow(2)
    assert (counts(line), part.mark) == ((1, 1, 0), 7)


async def test_open_traces_of_a_partition_that_goes_leave_no_trace_in_the_counts_and_keep_their_offsets(line):
    gone, stays = Part(), Part()
    await read(line, gone, 5, a_piece(1, 1))
    await read(line, stays, 9, a_piece(2, 1))
    await line.tick()
    assert await line.front.hand_over([gone], 1.0) == 1
    assert gone.is_over
    await line.flow(2)
    assert counts(line) == (1, 1, 0)
    assert (gone.mark, stays.mark) == (5, 10)
    assert line.front.buffer.held == 0
    assert line.dropped == {}


async def test_a_partition_may_go_before_its_traces_are_looked_up(line):
    part = Part()
    gate = line.store.hold("known")
    await read(line, part, 5, a_piece(1, 1))
    looking = asyncio.create_task(line.front.tick())
    await asyncio.sleep(0.05)
    assert await line.front.hand_over([part], 0.0) == 1
    gate.set()
    await looking
    await line.flow(2)
    assert counts(line) == (0, 0, 0)


async def test_what_is_being_judged_may_still_be_stored_before_the_partition_goes(line):
    part = Part()
    gate = line.store.hold("save")
    await read(line, part, 5, a_piece(1, 1))
    await line.tick(2)
    handing = asyncio.create_task(line.front.hand_over([part], 20.0))
    await asyncio.sleep(0.05)
    assert not handing.done()
    gate.set()
    await handing
    assert part.mark == 6
    assert (await line.front.decided.standing([trace_id(1)])).known == {trace_id(1)}


async def test_what_is_not_stored_in_time_is_left_to_the_next_owner(line):
    """Its verdict might overwrite one that knows more."""
    part = Part()
    gate = line.store.hold("save")
    await line.receive(a_piece(9, 1))
    await line.tick(2)  # the writer is busy with this one
    await read(line, part, 5, a_piece(1, 1))
    await line.tick(2)
    await line.front.hand_over([part], 0.0)
    gate.set()
    await line.flow()
    assert await line.front.decided.stored([trace_id(1), trace_id(9)]) == {trace_id(9)}
    assert line.front.decided.under_way == {}


async def test_a_trace_that_was_pushed_too_is_judged_here_with_what_is_here(line):
    part = Part()
    await line.receive(a_piece(1, 2))
    await read(line, part, 5, a_piece(1, 1))
    assert await line.front.hand_over([part], 0.0) == 0
    await line.flow(2)
    assert counts(line) == (1, 1, 0)
    assert await line.front.decided.stored([trace_id(1)]) == {trace_id(1)}


async def test_a_trace_of_two_partitions_goes_only_with_both(line):
    one, other = Part(), Part()
    await read(line, one, 5, a_piece(1, 2))
    await read(line, other, 6, a_piece(1, 1))
    assert await line.front.hand_over([one], 0.0) == 0
    assert await line.front.hand_over([one, other], 0.0) == 1
    await line.flow(2)
    assert counts(line) == (0, 0, 0)


async def test_a_piece_that_was_pushed_and_read_counts_once_whichever_came_first(line):
    part = Part()
    await line.receive(a_piece(1, 2))
    await line.tick()
    await read(line, part, 5, a_piece(1, 1))
    await read(line, part, 6, a_piece(2, 2))
    await line.tick()
    await line.receive(a_piece(2, 1))
    await line.flow(2)
    assert counts(line) == (2, 2, 0)


async def test_the_same_bytes_at_two_offsets_are_kept_once_and_both_offsets_are_free_in_the_end(line):
    part = Part()
    await read(line, part, 5, a_piece(1, 1))
    await read(line, part, 6, a_piece(1, 1))
    assert part.mark == 5
    await line.flow(2)
    assert part.mark == 7


async def test_what_another_replica_has_judged_meanwhile_is_joined_and_not_counted_again(line, store):
    part = Part()
    await read(line, part, 5, a_piece(1, 2))
    await line.tick()
    async with Line(store) as other:
        await other.receive(a_piece(1, 1))
        await other.flow(2)
    await line.flow(30)
    assert counts(line) == (0, 0, 0)
    assert line.count("sidecheck_late_spans_total") == 1
    assert len(line.pool.jobs) == 1
    assert line.pool.jobs[0].previous


async def test_logs_whose_trace_another_replica_has_judged_join_it(line, store):
    part = Part()
    await read(line, part, 5, a_piece(1, logs=1))
    await line.tick()
    async with Line(store) as other:
        await other.receive(a_piece(1, 1))
        await other.flow(2)
    await line.flow(30)
    assert line.pool.jobs[0].logs
    assert part.mark == 6
    assert line.dropped == {}


async def test_there_is_room_until_traces_would_have_to_be_closed_early(line):
    part, offset = Part(), 0
    while line.front.has_room:
        offset += 1
        await read(line, part, offset, a_piece(offset, 2))
    assert line.front.buffer.held < line.front.admission.buffer_bytes
    await line.tick()
    assert counts(line) == (0, 0, 0)
    await line.flow(30)
    assert line.front.has_room
    assert counts(line) == (offset, offset, 0)


async def test_a_trace_that_the_store_cannot_take_is_offered_with_its_telemetry_before_its_offset_is_free(line):
    part = Part()
    told = []
    line.front.set_aside = lambda *said: told.append(said) or True
    line.store.fail("save", BROKEN)
    await read(line, part, 5, a_piece(1, 1))
    await line.flow(2)
    ((telemetry, positions, error, done),) = told
    assert telemetry == [span_bytes(1, 1), b""]
    assert (positions, error) == ([(part, 5)], "store_failed")
    assert part.mark == 5
    done()
    assert part.mark == 6
