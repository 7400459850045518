"""The Kafka receiver: a thread of its own that outlives every fault of the client and of the brokers.

Owns supervision and health; what one consumer does is in ``consuming``.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from queue import Queue
from typing import Any

import structlog
from kafka.errors import KafkaError, RetriableError

from collector.intake import Meter, PullIntake
from collector.logs import place_of
from collector.progress import Position
from collector.receivers.kafka.client import Complaints, GroupConsumer
from collector.receivers.kafka.consuming import Consuming
from collector.receivers.kafka.dead_letters import DeadLetter, DeadLetters
from collector.receivers.kafka.hand import OnLoop
from collector.receivers.kafka.options import KafkaOptions
from collector.receivers.kafka.partition import Partition
from collector.receivers.limits import ReceiverLimits
from collector.spans import Spans, no_spans

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
MOST_FAILURES = 10
"""After so many in a row, some three minutes, a consumer is replaced."""
TAKEN_WITHIN_S = 60.0
"""How long the event loop may take over a few records before this is a fault."""
CLOSE_WITHIN_MS = 2_000
STOP_WITHIN_S = 5.0
EXTRA: Mapping[str, str] = {"crc32c": "crc32c", "lz4": "lz4", "python-snappy": "snappy"}
"""Packages that the client makes use of where they are there, and their modules."""
MOST_LOST = 100
"""Traces that may wait to be set aside."""

log = structlog.get_logger()
Done = Callable[[], None]


class Backoff:
    """Growing waits with jitter: half to all of a time that doubles."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.failures = 0
        """In a row."""

    def worked(self) -> None:
        """Begin again with short waits."""
        self.failures = 0

    def next_s(self) -> float:
        """The seconds to wait after one more failure."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * float(1 << min(self.failures, 10)))
        self.failures += 1
        return longest * (0.5 + 0.5 * self._jitter())


class KafkaReceiver:
    """Reads topics as one member of a consumer group. ``start`` and ``stop`` are called on the event loop."""

    def __init__(
        self,
        options: KafkaOptions,
        limits: ReceiverLimits,
        intake: PullIntake,
        meter: Meter,
        consumer: Callable[..., Any] = GroupConsumer,
        backoff: Backoff | None = None,
        spans: Spans = no_spans,
    ) -> None:
        self._spans = spans
        self._options = options
        self._limits = limits
        self._intake = intake
        self._meter = meter
        self._make_consumer = consumer
        self._backoff = backoff or Backoff()
        self._letters = DeadLetters(options, meter)
        self._complaints = Complaints()
        self._lost: Queue[tuple[list[DeadLetter], Done]] = Queue(MOST_LOST)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = f"Kafka ({options.where}) is not reached yet"

    @property
    def problem(self) -> str | None:
        """What is wrong at this moment, in a sentence; ``None`` while all is well."""
        return self._problem

    def start(self) -> None:
        """Begin to read."""
        self._complaints.listen()
        missing = [package for package, module in EXTRA.items() if find_spec(module) is None]
        if missing:
            log.warning("some codecs, or fast checksums, are missing: pip install 'sidecheck[kafka]'", packages=missing)
        self._thread = threading.Thread(target=self._run, args=(asyncio.get_running_loop(),), name="kafka", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Give the partitions to the other replicas, then end. A thread that hangs is left behind."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOP_WITHIN_S)
            if self._thread.is_alive():
                log.error("the Kafka client did not end in time; its partitions go to others when its session ends")

    def set_aside(self, telemetry: Sequence[bytes], positions: Sequence[Position], error: str, done: Done) -> bool:
        """Keep a trace that is lost otherwise: its telemetry, where its pieces stood, and why.

        Returns whether it came from here; if so, ``done`` is called on the event loop once it is kept.
        """
        stood = [(p.source, p.number) for p in positions if isinstance(p.source, Partition)]
        if not stood or self._lost.full():
            return False
        source, offset = stood[0]
        problem = "the trace that begins here could not be stored; the log says why"
        letters = [
            DeadLetter(source.topic, source.number, offset, error, problem, value=value) for value in telemetry if value
        ]
        self._lost.put((letters, done))
        return True

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            try:
                self._consume(loop)
            except Exception as error:  # noqa: BLE001 - the thread must live; it begins again with a new consumer
                self._complain(error)
                self._put_lost(loop)
                self._stopping.wait(self._backoff.next_s())
        self._put_lost(loop)
        self._letters.close()

    def _consume(self, loop: asyncio.AbstractEventLoop) -> None:
        consuming = Consuming(
            self._make_consumer,
            self._options,
            self._limits,
            self._intake,
            _on_loop(loop, TAKEN_WITHIN_S),
            self._letters,
            self._meter,
            spans=self._spans,
        )
        try:
            while not self._stopping.is_set():
                self._turn(consuming)
                self._put_lost(loop)
        finally:
            consuming.close(CLOSE_WITHIN_MS)

    def _turn(self, consuming: Consuming) -> None:
        """Let a consumer work. Errors that pass do not end it: a new one would wait until its session is over."""
        trouble: Exception | None
        try:
            consuming.turn()
            trouble = consuming.trouble
        except RetriableError as error:
            if self._backoff.failures >= MOST_FAILURES:
                raise
            self._complain(error)
            self._stopping.wait(self._backoff.next_s())
            return
        if trouble is not None:
            self._complain(trouble)
        else:
            self._backoff.worked()
            self._complaints.clear()
            self._tell(None)

    def _put_lost(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._lost.empty():
            letters, done = self._lost.get_nowait()
            self._letters.put(letters)
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(done)

    def _complain(self, error: Exception) -> None:
        reason = f" ({self._complaints.last})" if self._complaints.last else ""
        self._tell(f"Kafka ({self._options.where}) cannot be read: {_named(error)}{reason}; trying again")

    def _tell(self, problem: str | None) -> None:
        """Note how it stands; a change is logged."""
        if (problem is None) != (self._problem is None):
            if problem is None:
                log.info("Kafka is read", brokers=self._options.where, topics=sorted(self._options.topics))
            else:
                log.error("Kafka degraded", problem=problem)
        self._problem = problem


def _on_loop(loop: asyncio.AbstractEventLoop, within_s: float) -> OnLoop:
    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(within_s)

    return run


def _named(error: Exception) -> str:
    """What went wrong; of errors that are not the client's own only the place, as their texts may quote a record."""
    return type(error).__name__ if isinstance(error, KafkaError) else place_of(error)
