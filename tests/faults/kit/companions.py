"""What comes to Kafka beside the spans: log records, users' thumbs, and records that nobody can read.

For some numbers of a load. Everything is written as the load goes on, and what the broker acknowledged is noted.
"""

import json
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from typing import Any

from faults.kit.traffic import Make, Request, trace_id
from kafka import KafkaProducer
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from otlp import a_logs_request

LOGS_EVERY, THUMBS_EVERY, POISON_EVERY = 10, 15, 100
FLUSH_S = 0.2
CLOSE_WITHIN_S = 60.0


class Companions:
    """``with Companions(bootstrap, topic) as others:`` writes what ``others.beside(make)`` asks for.

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

    def beside(self, make: Make) -> Make:
        """``make``, with company for each number that it is asked for."""

        def making(number: int) -> Sequence[Request]:
            self._numbers.put(number)
            return make(number)

        return making

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
