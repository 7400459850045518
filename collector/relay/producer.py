"""The Kafka producer of the relay: there once a broker is, made anew when it is of no more use.

Sending blocks where a topic is not known, so each topic has a thread of its own: one that is missing holds up no other.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from collector.logs import place_of
from collector.relay.delivery import Delivery
from collector.relay.messages import TooLarge
from collector.relay.options import RelayOptions
from collector.relay.topics import Topics

CLOSE_WITHIN_S = 5.0
BATCH_BYTES = 256 * 1024
LINGER_MS = 5
"""Messages of requests that come at once share a batch: traces of one app compress well together."""
ENVELOPE_BYTES = 64 * 1024
"""Key and headers of the largest message, and its share of a request."""


class Producer:
    """Sends messages, acknowledged by all replicas of their partition, each written once by the broker."""

    def __init__(self, options: RelayOptions) -> None:
        # The client logs each attempt at a broker that is away, some with what it was about to send.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        self._config = producer_config(options)
        self._topics = Topics(options)
        self._lock = threading.Lock()
        self._client: KafkaProducer | None = None
        self._threads = {topic: ThreadPoolExecutor(1, thread_name_prefix=f"relay {topic}") for topic in options.topics}
        self._is_closed = False

    def send(self, topic: str, delivery: Delivery) -> None:
        """Have the messages of a delivery, all for ``topic``, sent on the topic's thread; does not wait."""
        self._threads[topic].submit(self._send, delivery)

    def missing(self) -> list[str]:
        """The topics that are not there. Blocks; raises ``KafkaError`` or ``OSError`` if no broker answers."""
        return self._topics.look()

    def renew(self) -> None:
        """Have what comes sent by a new client; what this one has not sent fails. Blocks."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            _end(client, 0)

    def close(self) -> None:
        """Send what is left and close the clients; what the broker does not acknowledge in time is given up. Blocks."""
        self._is_closed = True
        for threads in self._threads.values():
            threads.shutdown(wait=False)
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            _end(client, CLOSE_WITHIN_S)
        self._topics.close()

    def _send(self, delivery: Delivery) -> None:
        error: Exception | None = KafkaTimeoutError("not sent in time") if delivery.is_given_up else None
        for place in range(len(delivery.messages)):
            if error is not None:  # no broker, no topic: the next message would only find out as slowly
                delivery.settle(place, error)
                continue
            error = self._send_one(delivery, place)
            if isinstance(error, TooLarge):
                error = None

    def _send_one(self, delivery: Delivery, place: int) -> Exception | None:
        """Begin to send one message; returns what went wrong at once."""
        message = delivery.messages[place]
        timestamp_ms = None if message.time_ns is None else message.time_ns // 1_000_000
        try:
            self._topics.check(message)
            client = self._there()
            future = client.send(message.topic, message.value, message.key, timestamp_ms=timestamp_ms)
        except Exception as error:  # noqa: BLE001 - the sender is told, whatever it is
            delivery.settle(place, error)
            return error
        future.add_callback(lambda _: delivery.settle(place))
        future.add_errback(partial(self._failed, client, delivery, place))
        return None

    def _failed(self, client: KafkaProducer, delivery: Delivery, place: int, error: Exception) -> None:
        if not getattr(error, "retriable", False):
            self._let_go(client)
        delivery.settle(place, error)

    def _there(self) -> KafkaProducer:
        """The client, made if there is none. Blocks while no broker answers; raises ``KafkaError`` then."""
        with self._lock:
            if self._is_closed:
                raise KafkaTimeoutError("the relay has stopped")
            if self._client is None:
                self._client = KafkaProducer(**self._config)
            return self._client

    def _let_go(self, client: KafkaProducer) -> None:
        """Have the next message sent by a new client: this one may be in a state that it does not get out of."""
        with self._lock:
            if self._client is not client:
                return
            self._client = None
        # Its own thread calls this, and cannot wait for itself.
        threading.Thread(target=_end, args=(client, CLOSE_WITHIN_S), name="relay close", daemon=True).start()


def _end(client: KafkaProducer, within_s: float) -> None:
    try:
        client.close(timeout=within_s)
    except KafkaError:  # it gives up half-way where a message is not acknowledged in time, and goes on trying
        sender = client._sender  # noqa: SLF001 - the library has no other way to let such a message fail
        sender.force_close()
        sender.join(CLOSE_WITHIN_S)
        with suppress(KafkaError):
            client.close(timeout=CLOSE_WITHIN_S)


def producer_config(options: RelayOptions) -> dict[str, Any]:
    """The arguments of a ``KafkaProducer``."""
    within_ms = int(options.acknowledged_within_s * 1000)
    return {
        **options.connection,
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": options.compression,
        "batch_size": BATCH_BYTES,
        "linger_ms": LINGER_MS,
        "max_request_size": options.largest_bytes + ENVELOPE_BYTES,
        "max_block_ms": within_ms // 2,
        "request_timeout_ms": within_ms // 2,
        "delivery_timeout_ms": within_ms,
    }


def named(error: Exception) -> str:
    """What went wrong; of errors that are not the client's own only the place, as their texts may quote a message."""
    return type(error).__name__ if isinstance(error, KafkaError) else place_of(error)
