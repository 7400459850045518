"""One partition of a topic, for as long as it is assigned to this replica: how far it was read, and what is needed."""

from collector.progress import Progress
from collector.receivers.kafka.options import Content


class Partition(Progress):
    """A source whose offsets are committed by its ``mark``.

    Attributes:
        topic, number: Which partition it is.
        content: What its topic holds.
        is_begun: Whether it is known how far the group had come.
        expected: The next offset that is read; ``None`` before that is known.
        committed: The last offset that the broker has confirmed.
    """

    returns = True

    def __init__(self, topic: str, number: int, content: Content) -> None:
        super().__init__()
        self.topic = topic
        self.number = number
        self.content = content
        self.is_begun = False
        self.expected: int | None = None
        self.committed: int | None = None

    def __repr__(self) -> str:
        return f"{self.topic}[{self.number}]"

    def begin(self, committed: int | None, first: int | None) -> None:
        """Note where the group had come to when this replica took it over; else the ``first`` offset that is read."""
        self.is_begun = True
        self.committed = committed
        self.expected = first if committed is None else committed

    @property
    def uncommitted(self) -> int | None:
        """The offset to commit; ``None`` where that is done."""
        return None if self.mark == self.committed else self.mark  # None too before the first record
