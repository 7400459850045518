"""Destinations that change while requests wait for them: nothing is sent twice, held up, or lost without a count."""

import asyncio
from collections import Counter, deque
from contextvars import ContextVar

import pytest
from fakes import FakeClient

from exporters.otlp.client import NotNow
from exporters.otlp.destination import Destination, Signal, Target
from exporters.otlp.forwarder import EXPIRE_EVERY_S, Forwarder
from exporters.otlp.lane import Counts

MARK = ContextVar("MARK", default="nothing under way")
TRACES, BOTH = frozenset({Signal.TRACES}), frozenset({Signal.TRACES, Signal.LOGS})


class World:
    """A running forwarder whose clients are found by their endpoints. Patience lasts until ``wakes`` is set."""

    def __init__(self, folder):
        self.folder = folder
        self.clients = {}
        self.forwarded, self.dropped, self.gone = Counter(), Counter(), []
        self.wakes = asyncio.Event()
        self.slept, self.marks = [], set()

    def begin(self, *destinations, leave_within_s=10.0):
        counts = Counts(
            lambda name, signal: self.forwarded.update([(name, signal.value)]),
            lambda reason, number: self.dropped.update({reason: number}),
            self.gone.append,
        )
        self.forwarder = Forwarder(
            destinations, self.folder, counts, connect=self.connect, draw=lambda: 0.5, sleep=self.sleep,
            leave_within_s=leave_within_s,
        )  # fmt: skip
        self.forwarder.start()

    def connect(self, target):
        return self.clients.setdefault(target.endpoint, FakeClient())

    def client(self, place):
        return self.clients.setdefault(f"http://{place}", FakeClient())

    async def sleep(self, seconds):
        self.marks.add(MARK.get())
        if seconds != EXPIRE_EVERY_S:
            self.slept.append(seconds)
        await self.wakes.wait()

    def change(self, *destinations):
        self.forwarder.adopt(self.forwarder.connected(destinations))

    async def until(self, ask):
        async with asyncio.timeout(30):
            while not ask():  # noqa: ASYNC110 - tasks of their own
                await asyncio.sleep(0.005)

    def sent(self, place):
        return sorted(body for _, body, _ in self.client(place).got)


def to(place, name="tempo", signals=TRACES, **parts):
    return Destination(Target(name, f"http://{place}", timeout_s=7.0), signals, **parts)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    yield made
    await made.forwarder.stop(0)


async def test_what_waits_for_a_name_goes_at_once_to_where_it_leads_now(world):
    world.client("a").answers[b"1"] = deque(NotNow("HTTP 401", 600.0) for _ in range(9))
    world.begin(to("a"))
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.until(lambda: world.slept == [600.0])
    world.change(to("b"))
    await world.until(lambda: world.sent("b") == [b"1"])
    assert world.sent("a") == []
    await world.until(lambda: world.forwarder.size("tempo") == 0)
    assert not world.dropped


async def test_what_is_under_way_when_a_destination_changes_is_sent_once(world):
    world.client("a").free.clear()
    world.begin(to("a"))
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.until(lambda: world.client("a").under_way[Signal.TRACES])
    world.change(to("b"))
    await world.forwarder.put(Signal.TRACES, b"2")
    assert world.sent("b") == []
    world.client("a").free.set()
    await world.until(lambda: world.sent("b") == [b"2"])
    assert world.sent("a") == [b"1"]


async def test_the_client_of_before_is_closed_once_nothing_can_be_under_way_on_it(world):
    world.begin(to("a"))
    world.change(to("b"))
    await world.until(lambda: world.slept == [7.0])  # the time-out of a request
    assert not world.client("a").is_closed
    world.wakes.set()
    await world.until(lambda: world.client("a").is_closed)
    assert not world.client("b").is_closed


async def test_an_old_client_that_failed_makes_the_new_one_wait_for_nothing(world):
    world.client("a").free.clear()
    world.client("a").answers[b"1"] = deque([NotNow("HTTP 503", 600.0)])
    world.begin(to("a"))
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.until(lambda: world.client("a").under_way[Signal.TRACES])
    world.change(to("b"))
    world.client("a").free.set()
    await world.until(lambda: world.sent("b") == [b"1"])
    assert 600.0 not in world.slept


async def test_a_destination_that_is_taken_out_gets_what_waited_and_nothing_new(world):
    world.client("a").free.clear()
    world.begin(to("a"), to("b", "other"))
    for number in range(20):
        await world.forwarder.put(Signal.TRACES, b"%d" % number)
    world.change(to("b", "other"))
    await world.forwarder.put(Signal.TRACES, b"new")
    world.client("a").free.set()
    await world.until(lambda: world.gone == ["tempo"])
    assert world.sent("a") == sorted(b"%d" % number for number in range(20))
    await world.until(lambda: b"new" in world.sent("b"))
    assert not world.dropped


async def test_what_a_destination_that_is_taken_out_never_took_is_dropped_and_counted(world):
    world.client("a").answers[b"1"] = deque([NotNow("HTTP 503")])
    world.begin(to("a"), leave_within_s=0.05)
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.forwarder.put(Signal.TRACES, b"2")
    world.change()
    assert not world.forwarder.wants(Signal.TRACES)
    await world.until(lambda: world.gone == ["tempo"])
    assert world.dropped == {"no_destination": 2 - len(world.sent("a"))}
    assert world.forwarder.size("tempo") == 0


async def test_a_destination_that_comes_back_while_it_is_seen_off_keeps_what_waits(world):
    world.client("a").free.clear()
    world.begin(to("a"), leave_within_s=0.05)
    await world.forwarder.put(Signal.TRACES, b"1")
    world.change()
    world.change(to("a"))
    await asyncio.sleep(0.1)  # longer than it would have been given
    assert (world.gone, world.dropped) == ([], Counter())
    world.client("a").free.set()
    await world.until(lambda: world.sent("a") == [b"1"])


async def test_a_destination_that_comes_back_after_it_was_gone_begins_anew(world):
    world.begin(to("a"))
    world.change()
    await world.until(lambda: world.gone == ["tempo"])
    world.change(to("b"))
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.until(lambda: world.sent("b") == [b"1"])
    await world.until(lambda: world.forwarder.size("tempo") == 0)


async def test_a_signal_that_is_taken_out_gets_what_waited_and_the_others_go_on(world):
    world.client("a").free.clear()
    world.begin(to("a", signals=BOTH))
    await world.forwarder.put(Signal.LOGS, b"log")
    await world.forwarder.put(Signal.TRACES, b"trace")
    world.change(to("a"))
    assert [world.forwarder.wants(signal) for signal in (Signal.TRACES, Signal.LOGS)] == [True, False]
    world.client("a").free.set()
    await world.until(lambda: world.sent("a") == [b"log", b"trace"])
    await world.until(lambda: world.forwarder.size("tempo") == 0)
    await world.until(lambda: len(world.forwarder._lanes) == 1)
    assert world.gone == []
    await world.forwarder.put(Signal.TRACES, b"more")
    await world.until(lambda: b"more" in world.sent("a"))


async def test_a_request_on_its_way_into_the_queue_goes_where_it_was_meant_to(world):
    world.begin(to("a"))
    putting = asyncio.create_task(world.forwarder.put(Signal.TRACES, b"1"))
    await asyncio.sleep(0)
    world.change()
    await putting
    await world.until(lambda: world.gone == ["tempo"])
    assert world.sent("a") == [b"1"]


async def test_a_smaller_queue_loses_its_oldest_and_counts_them(world):
    world.client("a").free.clear()
    world.begin(to("a"))
    for number in range(10):
        await world.forwarder.put(Signal.TRACES, b"%d" % number)
    world.change(to("a", queue_bytes=3 * 201))
    await world.forwarder.put(Signal.TRACES, b"9")
    assert world.dropped == {"queue_full": 8}
    assert world.forwarder.size("tempo") == 3 * 201


async def test_clients_that_are_not_put_to_use_are_let_go(world):
    world.begin(to("a"))
    await world.forwarder.connected([to("b")]).discard()
    assert world.client("b").is_closed
    assert not world.client("a").is_closed


async def test_an_end_during_a_change_closes_everything_and_keeps_what_waits(world):
    world.client("a").free.clear()
    world.begin(to("a"), to("b", "other"))
    await world.forwarder.put(Signal.TRACES, b"1")
    world.change(to("c", "other"))
    await world.forwarder.stop(0)
    assert all(client.is_closed for client in world.clients.values())
    world.client("a").free.set()
    world.client("a").got.clear()
    world.begin(to("a"), to("c", "other"))
    await world.until(lambda: world.sent("a") == [b"1"])
    assert world.dropped["no_destination"] == 0


async def test_what_a_change_sets_about_is_apart_from_it(world):
    MARK.set("a start")
    world.begin(to("a"))
    MARK.set("a reload")
    world.client("b").answers[b"1"].append(NotNow("HTTP 503", 3.0))
    world.change(to("b", "loki"))  # a new lane begins, an old one is seen off, and its client ends in seven seconds
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.until(lambda: {3.0, 7.0} <= set(world.slept))
    assert world.marks == {"nothing under way"}
