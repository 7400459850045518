"""The client library, with three faults mended, and what it says of connections."""

import logging
from typing import Any

from kafka import KafkaConsumer
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

LOST, CUT_OFF = "Connection lost: ", "socket disconnected"
LONGEST_REASON = 200


class GroupConsumer(KafkaConsumer):  # type: ignore[misc]  # the library has no types
    """A consumer that finishes every join of its group that it has begun, and reads on where it was resumed.

    ``poll`` leaves a join under way when its time is over, and goes on with it the next time if ``need_rejoin`` still
    says so. Where only new metadata had asked for the join (the leader's case when a topic or a partition comes), it
    does not, once the join has assigned by that metadata: the answer is never looked at, heartbeats stay off, and the
    member is out of its group without knowing (seen in kafka-python 3.0.12).

    Records of a partition that was paused while they were given out are put aside, and come back once it is resumed and
    nothing else is being given out. But what was given out to its last record counts as being given out for good, so
    they never come back, and as they are there, the partition is not asked for more (seen in kafka-python 3.0.12).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        coordinator = self._coordinator
        asked = coordinator.need_rejoin

        def need_rejoin() -> bool:
            return getattr(coordinator, "_join_task", None) is not None or bool(asked())

        coordinator.need_rejoin = need_rejoin

    def poll(self, *args: Any, **options: Any) -> Any:
        """As the library's."""
        fetcher = self._fetcher
        if not getattr(fetcher, "_next_partition_records", True):
            fetcher._next_partition_records = None  # noqa: SLF001 - see above
        return super().poll(*args, **options)


def _keep_what_came_before_the_end(transport: Any) -> None:
    """Have a kind of connection give its last bytes and only then say that it was closed.

    What it finds in one go with the end is thrown away: a broker that says why it refuses a login, and closes, is not
    heard by a client that was busy meanwhile (seen in kafka-python 3.0.12).
    """
    receive = transport._sock_recv  # noqa: SLF001 - see above

    def kept(self: Any) -> tuple[bytes, Any]:
        data, error = receive(self)
        return data, None if data else error  # the end is found again

    transport._sock_recv = kept  # noqa: SLF001 - see above


for _transport in (KafkaTCPTransport, KafkaSSLTransport):
    _keep_what_came_before_the_end(_transport)


class Complaints(logging.Handler):
    """Why connections were lost, as the client says it to its log and to nobody else: a password, a certificate.

    Attributes:
        last: The last reason; ``None`` since ``clear``. It is the client's and the broker's text on the connection.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: str | None = None

    def listen(self) -> None:
        """Take over the client's logging. It logs each attempt at a broker that is away, for as long as it is."""
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        connection = logging.getLogger("kafka.net.connection")
        connection.setLevel(logging.ERROR)
        connection.propagate = False
        connection.handlers = [self]

    def clear(self) -> None:
        """Note that all is well."""
        self.last = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the reason. After a refused login the next attempts are just cut off: that tells less."""
        _, told, reason = record.getMessage().partition(LOST)
        if told and not (self.last and CUT_OFF in reason):
            self.last = reason.rpartition("Error: ")[2][:LONGEST_REASON]
