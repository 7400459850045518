"""One partition of a topic, for as long as it is assigned to this replica: how far it was read, and what is needed."""

from collector.progress import Progress
from collector.receivers.kafka.options import Content


class Partition(Progress):
    """A source whose offsets are committed by its ``mark``.

    Attributes:
        topic, number: Which partition it is.
        content: What its topic holds.
        is_begun: Whether it is known how far the group had come.
        committed: The last offset that the broker has confirmed.
        first, next: The offset that was polled first, and the one that is expected next.
        time_ms: The time of the last record that was polled, as the record tells it.
    """

    returns = True

    def __init__(self, topic: str, number: int, content: Content) -> None:
        super().__init__()
        self.topic = topic
        self.number = number
        self.content = content
        self.is_begun = False
        self.committed: int | None = None
        self.first: int | None = None
        self.next: int | None = None
        self.time_ms: int | None = None

    def __repr__(self) -> str:
        return f"{self.topic}[{self.number}]"

    @property
    def uncommitted(self) -> int | None:
        """The offset to commit; ``None`` where that is done, and before the first record."""
        return None if self.mark == self.committed else self.mark
