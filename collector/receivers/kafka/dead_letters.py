"""Where records go that cannot be judged: a topic, else a file that is bounded. Nothing of them is logged.

A dead letter holds the record as it came, where it stood, and why it is here: a code from a bounded set and a sentence
that holds nothing of the record.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from collector.intake import Meter
from collector.receivers.kafka.options import KafkaOptions, producer_config

FILE_NAME = "dead-letters.jsonl"
MOST_BYTES = 64 << 20
"""Of each of the two files: the one that is written, and the one before."""
SENT_WITHIN_S = 5.0
TOPIC_AGAIN_S = 30.0
"""After the topic could not be reached, letters go to the file for so long."""
PRODUCER: Mapping[str, Any] = {"max_request_size": 1 << 30, "max_block_ms": int(SENT_WITHIN_S * 1000)}
"""The client has no limit of its own on sizes: what the broker does not take goes to the file."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is set aside. ``error`` is a code; ``headers`` are the record's own."""

    topic: str
    partition: int
    offset: int
    error: str
    problem: str
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


class DeadLetters:
    """Used on one thread. ``producer`` makes a client from its arguments."""

    def __init__(
        self,
        options: KafkaOptions,
        meter: Meter,
        producer: Callable[..., Any] = KafkaProducer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._meter = meter
        self._make_producer = producer
        self._producer: KafkaProducer | None = None
        self._monotonic = monotonic
        self._topic_again_s = 0.0
        self._file = LetterFile(options.folder / FILE_NAME)
        self._told: set[tuple[str, str]] = set()

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters, and count them; returns once they are kept, or counted as dropped."""
        for letter in letters:
            self._meter.inc("sidecheck_kafka_dead_letters_total", topic=letter.topic, reason=letter.error)
            if (letter.topic, letter.error) not in self._told:
                self._told.add((letter.topic, letter.error))
                log.warning(
                    "a record was set aside; others like it are only counted",
                    topic=letter.topic,
                    partition=letter.partition,
                    offset=letter.offset,
                    error=letter.error,
                    problem=letter.problem,
                )
        by_topic = self._options.dead_letter_topic is not None and self._monotonic() >= self._topic_again_s
        left = self._send(letters) if by_topic else letters
        if left:
            self._write(left)

    def close(self) -> None:
        """Let go of the client."""
        if self._producer is not None:
            self._producer.close(timeout=SENT_WITHIN_S)
            self._producer = None

    def _send(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Send letters to the topic; returns those that it did not take."""
        sent: dict[int, Any] = {}
        try:
            if self._producer is None:
                self._producer = self._make_producer(**producer_config(self._options), **PRODUCER)
            for number, letter in enumerate(letters):
                sent[number] = self._post(self._producer, letter)
            self._producer.flush(timeout=SENT_WITHIN_S)
        except (KafkaError, OSError) as error:
            self._topic_again_s = self._monotonic() + TOPIC_AGAIN_S
            self._say_once("topic", "the dead-letter topic cannot be reached; dead letters go to the file", error)
        kept = {number for number, future in sent.items() if future is not None and future.succeeded()}
        return [letter for number, letter in enumerate(letters) if number not in kept]

    def _post(self, producer: KafkaProducer, letter: DeadLetter) -> Any:
        """Begin to send a letter; ``None`` for one that no topic takes."""
        where = (("topic", letter.topic), ("partition", letter.partition), ("offset", letter.offset))
        what = (("error", letter.error), ("problem", letter.problem))
        own = [(f"sidecheck.{name}", str(value).encode()) for name, value in (*where, *what)]
        headers = [*((name, value or b"") for name, value in letter.headers), *own]
        topic, value = self._options.dead_letter_topic, letter.value or b""  # a topic need not take null
        try:
            return producer.send(topic, key=letter.key, value=value, headers=headers)
        except (MessageSizeTooLargeError, ValueError) as error:
            self._say_once("letter", "the dead-letter topic does not take a letter; it goes to the file", error)
            return None

    def _write(self, letters: Sequence[DeadLetter]) -> None:
        try:
            removed = self._file.append(letters)
        except OSError as error:
            self._say_once("file", "dead letters cannot be written and are lost", error)
            self._meter.inc("sidecheck_dropped_total", len(letters), what="dead_letter", reason="disk")
        else:
            self._meter.inc("sidecheck_dropped_total", removed, what="dead_letter", reason="file_full")

    def _say_once(self, what: str, event: str, error: Exception) -> None:
        if (what, type(error).__name__) not in self._told:
            self._told.add((what, type(error).__name__))
            log.error(event, error=type(error).__name__)


class LetterFile:
    """A file of JSON lines, and the one before it. Keys and values stand in base64."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._most_bytes = most_bytes

    def append(self, letters: Sequence[DeadLetter]) -> int:
        """Write letters; returns how many older ones had to go. Raises ``OSError``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        removed = 0
        if self.path.exists() and self.path.stat().st_size >= self._most_bytes:
            removed = _lines(self.older)
            self.path.replace(self.older)
        with self.path.open("ab") as file:
            file.writelines(orjson.dumps(_as_json(letter), option=orjson.OPT_APPEND_NEWLINE) for letter in letters)
        return removed

    def read(self) -> Iterator[dict[str, object]]:
        """Every letter that is kept, oldest first. Raises ``OSError``."""
        for file in (self.older, self.path):
            if file.exists():
                with file.open("rb") as lines:
                    yield from map(orjson.loads, lines)


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "error": letter.error,
        "problem": letter.problem,
        "key": _base64(letter.key),
        "value": _base64(letter.value),
        "headers": [[name, _base64(value)] for name, value in letter.headers],
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
