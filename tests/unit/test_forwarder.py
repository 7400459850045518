"""Forwarding: everything goes to whoever wants it, as long as it takes, and no destination holds another up."""

import asyncio
from collections import Counter, deque

import pytest
from fakes import FakeClient

from exporters.otlp.backoff import FIRST_S, LONGEST_S, Backoff
from exporters.otlp.client import Never, NotNow
from exporters.otlp.destination import Destination, Signal, Target
from exporters.otlp.forwarder import EXPIRE_EVERY_S, Forwarder
from exporters.otlp.lane import Counts
from exporters.otlp.queue_file import QueueError

ALL = frozenset(Signal)


class World:
    """A forwarder with fake clients, and sleeps that end at once and are remembered."""

    def __init__(self, folder, *destinations):
        self.folder = folder
        self.clients = {d.name: FakeClient() for d in destinations}
        self.destinations = destinations
        self.forwarded, self.dropped = Counter(), Counter()
        self.slept = []
        self.now_ns = 0
        self.forwarder = self.make()

    def make(self):
        return Forwarder(
            self.destinations,
            self.folder,
            Counts(
                lambda name, signal: self.forwarded.update([(name, signal.value)]),
                lambda reason, number: self.dropped.update({reason: number}),
            ),
            connect=lambda target: self.clients[target.name],
            draw=lambda: 0.5,
            sleep=self.sleep,
            wall_ns=lambda: self.now_ns,
        )

    async def problem(self):
        """Wait for one, and give it."""
        async with asyncio.timeout(30):
            while not (found := list(filter(None, self.forwarder.problems))):  # noqa: ASYNC110 - a task of its own
                await asyncio.sleep(0.005)
        (one,) = found
        return one

    async def sleep(self, seconds):
        if seconds == EXPIRE_EVERY_S:
            await asyncio.Event().wait()
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def all_sent(self):
        async with asyncio.timeout(30):
            while not all(lane.is_idle for lane in self.forwarder._lanes.values()):  # noqa: ASYNC110 - tasks of their own
                await asyncio.sleep(0.005)

    def bodies(self, name):
        return [body for _, body, _ in self.clients[name].got]


def a_destination(name="tempo", signals=ALL, protocol="http/protobuf", **parts):
    return Destination(Target(name, "http://localhost:1", protocol), signals, **parts)


@pytest.fixture
async def world_of(tmp_path):
    worlds = []

    def make(*destinations):
        worlds.append(World(tmp_path, *(destinations or (a_destination(),))))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.forwarder.stop(0)


async def test_each_signal_goes_to_those_that_want_it(world_of):
    world = world_of(a_destination("a", {Signal.TRACES}), a_destination("b", {Signal.TRACES, Signal.METRICS}))
    assert [world.forwarder.wants(signal) for signal in Signal] == [True, False, True]
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"t")
    await world.forwarder.put(Signal.METRICS, b"m")
    await world.all_sent()
    assert world.clients["a"].got == [(Signal.TRACES, b"t", False)]
    assert sorted(world.bodies("b")) == [b"m", b"t"]
    assert world.forwarded == {("a", "traces"): 1, ("b", "traces"): 1, ("b", "metrics"): 1}
    assert (world.forwarder.size("a"), world.forwarder.size("b")) == (0, 0)


async def test_json_goes_on_as_json_where_that_is_spoken_and_as_protobuf_elsewhere(world_of):
    world = world_of(a_destination("http"), a_destination("grpc", protocol="grpc"))
    assert world.forwarder.wants_protobuf(Signal.TRACES)
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"{}", is_json=True, protobuf=b"pb")
    await world.all_sent()
    assert world.clients["http"].got == [(Signal.TRACES, b"{}", True)]
    assert world.clients["grpc"].got == [(Signal.TRACES, b"pb", False)]


async def test_what_is_not_taken_now_is_sent_again_with_growing_waits_until_it_is(world_of):
    world = world_of()
    world.clients["tempo"].answers[b"t"] = deque(NotNow("HTTP 503") for _ in range(7))
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"t")
    await world.all_sent()
    assert world.bodies("tempo") == [b"t"]
    assert world.slept == [1, 2, 4, 8, 16, 30, 30]
    assert not world.dropped


async def test_a_server_that_says_when_is_not_asked_before(world_of):
    world = world_of()
    world.clients["tempo"].answers[b"t"] = deque([NotNow("HTTP 429", 40.0), NotNow("HTTP 429", 0.1)])
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"t")
    await world.all_sent()
    assert world.slept == [40.0, 2.0]


async def test_what_is_refused_for_good_is_dropped_and_counted_and_the_rest_goes_on(world_of):
    world = world_of()
    world.clients["tempo"].answers[b"2"] = deque([Never("HTTP 400")])
    world.forwarder.start()
    for body in (b"1", b"2", b"3"):
        await world.forwarder.put(Signal.LOGS, body)
    await world.all_sent()
    assert sorted(world.bodies("tempo")) == [b"1", b"3"]
    assert (world.dropped, world.slept) == ({"refused": 1}, [])
    assert world.forwarded == {("tempo", "logs"): 2}


async def test_a_destination_that_takes_nothing_is_named_with_its_last_answer_and_since_when(world_of):
    world = world_of()
    answers = world.clients["tempo"].answers[b"1"]
    answers.extend([NotNow("HTTP 503")] * 100_000)
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"1")
    said = "forward: tempo does not take what waits for it (traces) since 1970-01-01T00:00:00Z; its last answer: "
    assert await world.problem() == said + "HTTP 503"
    world.now_ns = 10**12
    answers.extendleft([NotNow("HTTP 429")] * 100_000)
    async with asyncio.timeout(30):
        while await world.problem() != said + "HTTP 429":  # noqa: ASYNC110 - a task of its own
            await asyncio.sleep(0)
    answers.clear()
    await world.all_sent()
    assert not any(world.forwarder.problems)


async def test_a_destination_that_refuses_for_good_is_named_until_it_takes_something(world_of):
    world = world_of()
    world.clients["tempo"].answers[b"1"].append(Never("HTTP 401"))
    world.forwarder.start()
    await world.forwarder.put(Signal.LOGS, b"1")
    assert await world.problem() == (
        "forward: tempo refuses for good what it is sent, which is dropped (logs) since 1970-01-01T00:00:00Z; "
        "its last answer: HTTP 401"
    )
    await world.forwarder.put(Signal.LOGS, b"2")
    await world.all_sent()
    assert not any(world.forwarder.problems)


async def test_a_destination_that_hangs_holds_no_other_up_and_no_sender(world_of):
    world = world_of(a_destination("stuck"), a_destination("well"))
    world.clients["stuck"].free.clear()
    world.forwarder.start()
    async with asyncio.timeout(30):
        for number in range(50):
            await world.forwarder.put(Signal.TRACES, b"%d" % number)
        while len(world.bodies("well")) < 50:  # noqa: ASYNC110 - sent by tasks of its own
            await asyncio.sleep(0.005)
    assert world.clients["stuck"].got == []
    world.clients["stuck"].free.set()
    await world.all_sent()
    assert sorted(world.bodies("stuck"), key=int) == [b"%d" % number for number in range(50)]


async def test_metrics_go_one_by_one_in_order_and_others_a_few_at_once(world_of):
    world = world_of()
    for number in range(20):
        await world.forwarder.put(Signal.METRICS, b"%d" % number)
        await world.forwarder.put(Signal.TRACES, b"t%d" % number)
    world.forwarder.start()
    await world.all_sent()
    client = world.clients["tempo"]
    assert [body for signal, body, _ in client.got if signal is Signal.METRICS] == [b"%d" % n for n in range(20)]
    assert client.most == {Signal.METRICS: 1, Signal.TRACES: 4}


async def test_what_was_not_sent_before_the_end_is_sent_by_the_next_run(world_of):
    world = world_of()
    world.clients["tempo"].free.clear()
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"t")
    await world.forwarder.stop(0.01)
    assert world.clients["tempo"].is_closed
    world.clients["tempo"].free.set()
    world.forwarder = world.make()
    world.forwarder.start()
    await world.all_sent()
    assert world.bodies("tempo") == [b"t"]


async def test_an_end_sends_what_was_taken_in_last(world_of):
    world = world_of()
    world.forwarder.start()
    for number in range(30):
        await world.forwarder.put(Signal.TRACES, b"%d" % number)
    await world.forwarder.stop(10)
    assert len(world.bodies("tempo")) == 30
    world.forwarder = world.make()


async def test_a_queue_that_cannot_be_written_after_a_request_was_sent_does_not_send_it_again(world_of, monkeypatch):
    world = world_of()
    remove = world.forwarder._queue.remove
    failures = [QueueError("database is locked"), QueueError("database is locked")]

    async def flaky(positions):
        if failures:
            raise failures.pop()
        await remove(positions)

    monkeypatch.setattr(world.forwarder._queue, "remove", flaky)
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"t")
    await world.all_sent()
    assert world.bodies("tempo") == [b"t"]


def test_waits_are_never_the_same_moment_and_bounded():
    draws = iter([0.0, 1.0] * 11)
    backoff = Backoff(lambda: next(draws))
    waits = [backoff.wait_s() for _ in range(20)]
    assert waits[:2] == [0.5 * FIRST_S, 1.5 * 2 * FIRST_S]
    assert max(waits) == 1.5 * LONGEST_S
    backoff.reset()
    assert backoff.wait_s() == 0.5 * FIRST_S
    assert backoff.wait_s(10**9) == 600


async def test_a_fault_of_our_own_does_not_end_a_lane(world_of):
    world = world_of()
    world.clients["tempo"].answers[b"1"] = deque([RuntimeError("what a user said")])
    world.forwarder.start()
    await world.forwarder.put(Signal.TRACES, b"1")
    await world.forwarder.put(Signal.TRACES, b"2")
    await world.all_sent()
    assert sorted(world.bodies("tempo")) == [b"1", b"2"]
