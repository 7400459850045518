"""What waits to be forwarded: kept on disk, bounded, whatever happens to the file."""

import asyncio
import contextlib
import sqlite3
from collections import Counter

import pytest

from exporters.otlp.destination import Signal
from exporters.otlp.queue import ForwardQueue
from exporters.otlp.queue_file import (
    FILE_NAME,
    ROW_BYTES,
    Bound,
    QueueError,
    QueueFile,
    Waiting,
    drop_left_over,
    scrub_at_rest,
)

HOUR = 3600 * 10**9
MIB = 1 << 20
MOST = (100, 10**9)


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dropped():
    return Counter()


@pytest.fixture
async def opened(tmp_path, clock, dropped):
    """Opens queues in one folder, one after another."""
    queues = []

    async def open_queue(**sizes):
        for queue in queues:
            await queue.close()
        queues.clear()
        bounds = {name: Bound(size, HOUR) for name, size in (sizes or {"tempo": 10**6}).items()}
        count = lambda reason, number: dropped.update({reason: number})  # noqa: E731 - a Counter's update gives None
        queues.append(ForwardQueue(tmp_path, bounds, count, clock))
        return queues[-1]

    yield open_queue
    for queue in queues:
        await queue.close()


def a_request(body=b"spans", destination="tempo", signal=Signal.TRACES, **parts):
    return Waiting(destination, signal, body, **parts)


async def bodies(queue, destination="tempo", signal=Signal.TRACES):
    return [request.body for request in await queue.first(destination, signal, *MOST)]


async def test_what_was_put_is_there_in_order_after_the_file_is_opened_again(opened):
    queue = await opened()
    await queue.put([a_request(b"1")])
    await queue.put([a_request(b"2", is_json=True), a_request(b"other", signal=Signal.LOGS)])
    queue = await opened()
    first, second = await queue.first("tempo", Signal.TRACES, *MOST)
    assert (first.body, first.is_json, second.body, second.is_json) == (b"1", False, b"2", True)
    assert queue.size("tempo") == len("12other") + 3 * ROW_BYTES


async def test_who_forwarded_a_request_before_is_kept_with_it_also_in_a_file_of_an_earlier_version(opened, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute(
            "CREATE TABLE waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL,"
            " signal TEXT NOT NULL, is_json INTEGER NOT NULL, taken_ns INTEGER NOT NULL, size INTEGER NOT NULL,"
            " body BLOB NOT NULL)"
        )
        connection.execute("INSERT INTO waiting VALUES (1, 'tempo', 'traces', 0, 0, 203, 'old')")
        connection.commit()
    queue = await opened()
    await queue.put([a_request(b"new", forwarded_by="a,b")])
    queue = await opened()
    waiting = await queue.first("tempo", Signal.TRACES, *MOST)
    assert [request.forwarded_by for request in waiting] == ["", "a,b"]


async def test_what_is_removed_is_gone_for_good(opened):
    queue = await opened()
    await queue.put([a_request(b"1"), a_request(b"2")])
    (first, _) = await queue.first("tempo", Signal.TRACES, *MOST)
    await queue.remove([first.position])
    await queue.remove([first.position])
    assert await bodies(queue) == [b"2"]
    assert queue.size("tempo") == 1 + ROW_BYTES
    assert await bodies(await opened()) == [b"2"]


async def test_a_page_holds_no_more_than_asked_for_and_at_least_one(opened):
    queue = await opened()
    await queue.put([a_request(b"x" * 100) for _ in range(5)])
    assert len(await queue.first("tempo", Signal.TRACES, 2, 10**9)) == 2
    assert len(await queue.first("tempo", Signal.TRACES, 5, 250)) == 2
    assert len(await queue.first("tempo", Signal.TRACES, 5, 1)) == 1


async def test_a_full_queue_loses_its_oldest_and_says_so(opened, dropped):
    room = 3 * (1 + ROW_BYTES)
    queue = await opened(tempo=room, other=room)
    await queue.put([a_request(b"o", "other")])
    for number in range(7):
        await queue.put([a_request(b"%d" % number)])
    assert await bodies(queue) == [b"4", b"5", b"6"]
    assert await bodies(queue, "other") == [b"o"]
    assert dropped == {"queue_full": 4}
    assert queue.size("tempo") == room


async def test_a_request_that_is_larger_than_the_queue_is_dropped_alone(opened, dropped):
    queue = await opened(tempo=1000)
    await queue.put([a_request(b"x" * 2000)])
    assert (await bodies(queue), dropped, queue.size("tempo")) == ([], {"queue_full": 1}, 0)


async def test_what_waits_for_too_long_is_dropped(opened, clock, dropped):
    queue = await opened()
    await queue.put([a_request(b"old")])
    clock.now = HOUR
    await queue.put([a_request(b"new")])
    await queue.expire()
    assert await bodies(queue) == [b"old", b"new"]
    clock.now = HOUR + 1
    await queue.expire()
    assert (await bodies(queue), dropped) == ([b"new"], {"expired": 1})
    assert queue.size("tempo") == len(b"new") + ROW_BYTES


async def test_the_room_that_an_outage_took_is_given_back_when_its_requests_are_sent(opened, tmp_path):
    queue = await opened(tempo=20 * MIB)
    for _ in range(12):
        await queue.put([a_request(bytes(MIB))])
    *sent, last = await queue.first("tempo", Signal.TRACES, *MOST)
    await queue.remove([request.position for request in sent])
    assert (tmp_path / FILE_NAME).stat().st_size > 8 * MIB
    await queue.expire()
    assert (tmp_path / FILE_NAME).stat().st_size < 2 * MIB
    assert [request.position for request in await queue.first("tempo", Signal.TRACES, *MOST)] == [last.position]


async def test_what_waits_for_a_destination_that_is_no_more_is_dropped_at_the_start(opened, dropped):
    queue = await opened(tempo=10**6, gone=10**6)
    await queue.put([a_request(b"1"), a_request(b"2", "gone"), a_request(b"3", "gone")])
    queue = await opened(tempo=10**6)
    assert (await bodies(queue), dropped) == ([b"1"], {"no_destination": 2})


async def test_many_at_once_are_all_kept(opened):
    queue = await opened()
    await asyncio.gather(*(queue.put([a_request(b"%d" % number)]) for number in range(200)))
    kept = await queue.first("tempo", Signal.TRACES, 1000, 10**9)
    assert {int(request.body) for request in kept} == set(range(200))
    assert queue.size("tempo") == 200 * ROW_BYTES + sum(len(str(n)) for n in range(200))


async def test_a_locked_file_refuses_and_goes_on_when_it_is_free(opened, tmp_path):
    queue = await opened()
    with sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueError, match="locked"):
            await queue.put([a_request(b"1")])
        assert "locked" in queue.problem
        other.execute("ROLLBACK")
    other.close()
    await queue.put([a_request(b"2")])
    assert (queue.problem, await bodies(queue)) == (None, [b"2"])


async def test_a_file_that_is_none_is_put_aside_at_the_start(opened, tmp_path, dropped):
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 1000)
    queue = await opened()
    await queue.put([a_request(b"1")])
    assert await bodies(queue) == [b"1"]
    assert dropped == {"damaged": 1}
    assert len(list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))) == 1


async def test_a_file_that_is_damaged_while_it_is_used_is_put_aside(opened, tmp_path, dropped):
    queue = await opened()
    await queue.put([a_request(b"x" * 100_000)])
    await opened()  # closed once: all is in the file itself
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    queue = None
    for _ in range(3):
        try:
            queue = queue or await opened()
            await queue.put([a_request(b"2")])
            break
        except QueueError:
            continue
    assert await bodies(queue) == [b"2"]
    assert dropped["damaged"] >= 1


async def test_what_was_sent_can_be_written_over_and_what_waits_says_that_it_is_there(opened, tmp_path):
    queue = await opened()
    await queue.put([a_request(b"the-text-that-must-go" * 1000)])
    assert await queue.scrub() is False
    (request,) = await queue.first("tempo", Signal.TRACES, *MOST)
    await queue.remove([request.position])
    assert await queue.scrub() is True
    assert not any(b"the-text-that-must-go" in path.read_bytes() for path in tmp_path.iterdir())
    await queue.put([a_request(b"next")])
    assert await bodies(queue) == [b"next"]


def test_a_file_at_rest_is_written_over_as_well(tmp_path, clock):
    assert scrub_at_rest(tmp_path)
    file = QueueFile(tmp_path, {"tempo": Bound(10**6, HOUR)}, lambda *_: None, clock)
    file.commit([a_request(b"the-text-that-must-go" * 1000)], ())
    file.close()
    assert not scrub_at_rest(tmp_path)
    (request,) = file.first("tempo", Signal.TRACES, *MOST)
    file.commit((), [request.position])
    file.close()
    assert scrub_at_rest(tmp_path)
    assert b"the-text-that-must-go" not in (tmp_path / FILE_NAME).read_bytes()


async def test_what_waits_for_a_destination_of_before_is_no_part_of_one_that_gets_its_name_later(opened, dropped):
    queue = await opened(tempo=10**6)
    await queue.put([a_request()])
    queue = await opened(other=10**6)
    assert dropped == {"no_destination": 1}
    queue.rebound({"tempo": Bound(10**6, HOUR)})
    assert queue.size("tempo") == 0
    await queue.put([a_request(b"new")])
    assert queue.size("tempo") == ROW_BYTES + 3
    assert await bodies(queue) == [b"new"]


async def test_one_signal_of_a_destination_can_be_dropped_and_the_rest_stays(opened, dropped):
    queue = await opened()
    await queue.put([a_request(), a_request(signal=Signal.LOGS), a_request(signal=Signal.LOGS)])
    assert await queue.clear("tempo", Signal.LOGS) == 2
    assert (dropped, queue.size("tempo")) == ({"no_destination": 2}, ROW_BYTES + 5)
    assert await bodies(queue) == [b"spans"]


def test_what_is_left_where_nothing_is_forwarded_any_more_is_dropped_counted_and_written_over(dropped, tmp_path, clock):
    count = lambda reason, number: dropped.update({reason: number})  # noqa: E731 - a Counter's update gives None
    drop_left_over(tmp_path, count, clock)
    assert not list(tmp_path.iterdir())
    queue = QueueFile(tmp_path, {"tempo": Bound(10**6, HOUR)}, count, clock)
    queue.commit([a_request(b"what a user said"), a_request()], ())
    queue.close()
    drop_left_over(tmp_path, count, clock)
    assert dropped == {"no_destination": 2}
    assert b"what a user said" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
