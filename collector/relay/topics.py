"""What the brokers say of the topics: which are missing, and how large a message each takes.

A message that is too large must not reach a broker: the client does not get over such an answer to a producer whose
messages are written once. So its size is looked at before, as it will be when it is compressed.
"""

from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient, codec
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from collector.relay.messages import Message, TooLarge
from collector.relay.options import RelayOptions

USUAL_BYTES = 1_048_588
"""What brokers take by default (message.max.bytes); goes for topics whose configuration may not be read."""
ENVELOPE_BYTES = 512
"""What a message is beside key and value, when it is alone in a batch."""
_LIMIT = "max.message.bytes"


class Topics:
    """Looks at the topics from time to time, on one thread; what was found is for any."""

    def __init__(self, options: RelayOptions) -> None:
        self._options = options
        self._limits: dict[str, int] = {}
        self._admin: KafkaAdminClient | None = None

    def look(self) -> list[str]:
        """The topics that are not there. Blocks; raises ``KafkaError`` or ``OSError`` if no broker answers."""
        try:
            if self._admin is None:
                self._admin = KafkaAdminClient(**admin_config(self._options))
            there = set(self._admin.list_topics())
            found = [topic for topic in self._options.topics if topic in there]
            with suppress(KafkaError):  # not everyone may read it
                self._limits.update(_limits(self._admin, found))
        except Exception:
            self.close()
            raise
        return [topic for topic in self._options.topics if topic not in there]

    def check(self, message: Message) -> None:
        """Raise ``TooLarge`` if its topic does not take a message. On any thread; compresses it if that is in doubt."""
        limit = self._limits.get(message.topic, USUAL_BYTES) - len(message.key) - ENVELOPE_BYTES
        if len(message.value) > limit and compressed_size(message.value, self._options.compression) > limit:
            raise TooLarge

    def close(self) -> None:
        """Let go of the client. Blocks."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(KafkaError, OSError):
                admin.close()


def admin_config(options: RelayOptions) -> dict[str, Any]:
    """The arguments of a ``KafkaAdminClient``."""
    known = {key: value for key, value in options.connection.items() if key in KafkaAdminClient.DEFAULT_CONFIG}
    return {**known, "request_timeout_ms": int(options.acknowledged_within_s * 500)}


def codec_problem(compression: str | None) -> str | None:
    """Why messages cannot be compressed so; ``None`` if they can."""
    if compression is None or getattr(codec, f"has_{compression}")():
        return None
    return f"{compression} needs a library that is not there; install it with: pip install 'sidecheck[kafka]'"


def compressed_size(value: bytes, compression: str | None) -> int:
    """How many bytes the client will make of these."""
    return len(value if compression is None else getattr(codec, f"{compression}_encode")(value))


def _limits(admin: KafkaAdminClient, topics: list[str]) -> dict[str, int]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, {_LIMIT: None}) for topic in topics]
    told = admin.describe_configs(wanted, config_filter="all").get("topic", {})
    return {topic: int(configs[_LIMIT]["value"]) for topic, configs in told.items() if _LIMIT in configs}
