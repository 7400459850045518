"""What comes to Kafka beside the spans: log records, users' thumbs, and records that nobody can read.

For some traces of a load, once their first spans are acknowledged. What the broker acknowledged of it is noted.
"""

import json
import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Any

from faults.kit.targets import Answer, Kind, Target
from faults.kit.traffic import trace_id
from kafka import KafkaProducer
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp import a_logs_request

LOGS_EVERY, THUMBS_EVERY, POISON_EVERY = 10, 15, 100
FLUSH_S = 0.2
CLOSE_WITHIN_S = 60.0


class Companions:
    """``with Companions(bootstrap, topic) as others:`` writes beside what goes to ``others.behind(target)``.

    ``topic`` names the topic of ``traces``, ``logs`` and ``feedback``. ``thumbs`` and ``logs`` are ids of traces,
    ``poison`` the values that no receiver can read; each only once the broker has them.
    """

    def __init__(self, bootstrap: str, topic: Callable[[str], str]) -> None:
        self.thumbs: set[str] = set()
        self.logs: set[str] = set()
        self.poison: set[bytes] = set()
        self._topic = topic
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, reconnect_backoff_max_ms=500)
        self._numbers: Queue[int] = Queue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Companions":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._producer.close(timeout=CLOSE_WITHIN_S)

    def behind(self, target: Target) -> Target:
        """``target``, with company for the traces whose first spans it has acknowledged."""
        return _Followed(target, self._numbers.put)

    def _run(self) -> None:
        while not (self._ending.is_set() and self._numbers.empty()):
            try:
                number = self._numbers.get(timeout=FLUSH_S)
            except Empty:
                continue
            self._write(number)
        self._producer.flush(timeout=CLOSE_WITHIN_S)

    def _write(self, number: int) -> None:
        about = trace_id(number)
        if number % LOGS_EVERY == 0:
            record = LogRecord(trace_id=about, span_id=(1).to_bytes(8, "big"), observed_time_unix_nano=1_000 + number)
            self._send("logs", about, a_logs_request(record).SerializeToString(), self.logs, about.hex())
        if number % THUMBS_EVERY == 0:
            thumb = json.dumps({"trace_id": about.hex(), "thumbs_up": False}).encode()
            self._send("feedback", about, thumb, self.thumbs, about.hex())
        if number % POISON_EVERY == 0:
            value = (b"\x0a\xff", b"{no json ")[number // POISON_EVERY % 2] + str(number).encode()
            self._send("traces", about, value, self.poison, value)

    def _send(self, kind: str, about: bytes, value: bytes, kept: set[Any], what: Any) -> None:
        sent = self._producer.send(self._topic(kind), value, key=about.hex().encode())
        sent.add_callback(lambda _: kept.add(what))


class _Followed:
    """A target that tells the numbers of the traces whose inner spans, which come first, it has taken."""

    def __init__(self, target: Target, tell: Callable[[int], object]) -> None:
        self.name = target.name
        self._target = target
        self._tell = tell

    def send(self, body: bytes) -> Answer:
        answer = self._target.send(body)
        span = TracesData.FromString(body).resource_spans[0].scope_spans[0].spans[0]
        if answer.kind is Kind.ACKNOWLEDGED and span.parent_span_id:
            self._tell(int.from_bytes(span.trace_id[8:], "big"))
        return answer

    def close(self) -> None:
        self._target.close()
