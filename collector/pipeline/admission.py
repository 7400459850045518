"""The memory budget: refuses at the door what would not fit, before anything is kept.

Counts bytes of telemetry: in open traces, in traces on their way through the workers, and in requests being decoded.
"""

from collections.abc import Callable

from collector.intake import Refusal, Refused

RETRY_AFTER_S = 5.0
BUFFER_SHARE = 0.5
"""The part of the budget that open traces may hold; beyond it the oldest are closed early."""


class Admission:
    """Says whether more may come in. ``held`` gives the bytes that are held at this moment."""

    def __init__(self, memory_bytes: int, held: Callable[[], int]) -> None:
        self.memory_bytes = memory_bytes
        self._held = held

    @property
    def buffer_bytes(self) -> int:
        """How many bytes open traces may hold."""
        return int(self.memory_bytes * BUFFER_SHARE)

    def admit(self, size: int) -> None:
        """Raise ``Refused`` if ``size`` more bytes would be over the budget."""
        if self._held() + size > self.memory_bytes:
            raise Refused(Refusal.OVERLOADED, "over the memory budget (limits.memory); send again later", RETRY_AFTER_S)
