"""What the Kafka receiver is told, and what of it goes to the client library.

Owns which of the client's options are the user's: all but those on which the delivery promise rests. The library's own
list of options is the truth about their names; its values are checked by the library, before anything is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.net.sasl.oauth import AbstractTokenProvider

from collector.receivers.kafka.assignor import ColocatingAssignor


class Content(StrEnum):
    """What a topic holds."""

    TRACES = "traces"
    LOGS = "logs"
    FEEDBACK = "feedback"


class Encoding(StrEnum):
    """How OTLP is encoded in a topic; ``AUTO``: each record says it by its first byte."""

    AUTO = "auto"
    PROTO = "otlp_proto"
    JSON = "otlp_json"


DEFAULTS: Mapping[str, Any] = {
    "client_id": "sidecheck",
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": False,
    "fetch_max_bytes": 16 << 20,
    "metadata_max_age_ms": 60_000,
    "bootstrap_timeout_ms": 5_000,
    "reconnect_backoff_max_ms": 5_000,
    "metrics_enabled": False,
}
"""Where this differs from the library's defaults: a new group reads what is there; topics are somebody else's to make;
what is fetched ahead is beside ``limits.memory``; new partitions and a broker that is back are seen soon."""

OWNED: Mapping[str, str] = {
    "bootstrap_servers": "set kafka.bootstrap_servers",
    "group_id": "set kafka.group_id",
    "enable_auto_commit": "an offset is committed once all traces before it are stored, and not by time",
    "auto_commit_interval_ms": "an offset is committed once all traces before it are stored, and not by time",
    "default_offset_commit_callback": "it is code",
    "partition_assignment_strategy": "the replicas of a group must agree on it; it is cooperative and sticky",
    "key_deserializer": "records are decoded by sidecheck (kafka.encoding)",
    "value_deserializer": "records are decoded by sidecheck (kafka.encoding)",
    "consumer_timeout_ms": "the receiver reads for as long as sidecheck runs",
    "sasl_oauth_token_provider": "set kafka.token_file",
    "ssl_context": "it is code; set ssl_cafile, ssl_certfile and ssl_keyfile",
    "kafka_client": "it is code",
    "selector": "it is code",
    "metric_reporters": "it is code",
    "socket_options": "it is code",
}
"""Options of the client that are not the user's to set, and why."""


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """``topics`` says what each topic that is read holds; ``headers`` which record header becomes which attribute.

    ``folder`` is where dead letters go that have no topic. ``client`` are options of the client library.
    """

    bootstrap_servers: tuple[str, ...]
    group_id: str
    topics: Mapping[str, Content]
    folder: Path
    encoding: Encoding = Encoding.AUTO
    headers: Mapping[str, str] = field(default_factory=dict)
    dead_letter_topic: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    client: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The brokers, for messages."""
        return ", ".join(self.bootstrap_servers)


class FileToken(AbstractTokenProvider):  # type: ignore[misc]  # the library has no types
    """OAuth tokens from a file that something else keeps fresh: read for every login."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def token(self) -> str:
        """The token. Raises ``OSError``."""
        return self._path.read_text(encoding="utf-8").strip()


def consumer_config(options: KafkaOptions, assignor: ColocatingAssignor) -> dict[str, Any]:
    """The arguments of a ``KafkaConsumer``. Raises ``OSError`` where the file of a password cannot be read."""
    return {
        **DEFAULTS,
        **options.client,
        **_login(options),
        "bootstrap_servers": list(options.bootstrap_servers),
        "group_id": options.group_id,
        "enable_auto_commit": False,
        "partition_assignment_strategy": [assignor],
    }


def producer_config(options: KafkaOptions) -> dict[str, Any]:
    """The arguments of a ``KafkaProducer`` that reaches the same brokers: what both clients know. Raises likewise."""
    shared = KafkaConsumer.DEFAULT_CONFIG.keys() & KafkaProducer.DEFAULT_CONFIG.keys()
    wanted = {**DEFAULTS, **options.client, **_login(options)}
    return {
        **{key: value for key, value in wanted.items() if key in shared},
        "bootstrap_servers": list(options.bootstrap_servers),
        "acks": "all",
    }


def problems(client: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with options of the client: each one's name, and a sentence."""
    known = KafkaConsumer.DEFAULT_CONFIG
    for name, value in client.items():
        if name in OWNED:
            yield name, f"is not yours to set: {OWNED[name]}"
        elif name not in known:
            yield name, "is no option of the Kafka consumer (kafka-python); its documentation lists them"
        elif _is_of_another_kind(value, known[name]):
            yield name, f"must be {_kind(known[name])}"


def _is_of_another_kind(value: Any, default: Any) -> bool:
    if default is None or value is None:
        return isinstance(value, Mapping)
    if isinstance(default, bool):
        return not isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, bool) or not isinstance(value, int)
    return isinstance(default, str) and not isinstance(value, str)


def _kind(default: Any) -> str:
    if default is None:
        return "a single value"
    return {bool: "true or false", int: "a whole number"}.get(type(default), "text")


def _login(options: KafkaOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.password_file is not None:
        found["sasl_plain_password"] = options.password_file.read_text(encoding="utf-8").strip()
    if options.token_file is not None:
        found["sasl_oauth_token_provider"] = FileToken(options.token_file)
    return found
