"""The memory budget: refuses at the door what would not fit, before anything is kept.

Counts bytes of telemetry: in open traces, in traces on their way through the workers, and in requests that are being
read and decoded.
"""

from collections.abc import Callable
from threading import Lock

from collector.intake import Refusal, Refused

RETRY_AFTER_S = 5.0
BUFFER_SHARE = 0.5
"""The part of the budget that open traces may hold; beyond it the oldest are closed early."""
COMFORT = 0.9
"""The part of each budget up to which a source that can wait is read."""


class Admission:
    """Says whether more may come in. ``held`` gives the bytes that are held at this moment, requests apart."""

    def __init__(self, memory_bytes: int, held: Callable[[], int]) -> None:
        self.memory_bytes = memory_bytes
        self.reserved_bytes = 0
        self._held = held
        self._lock = Lock()  # bodies are unpacked and decoded on threads

    @property
    def buffer_bytes(self) -> int:
        """How many bytes open traces may hold."""
        return int(self.memory_bytes * BUFFER_SHARE)

    @property
    def held_bytes(self) -> int:
        """How many bytes are held, requests too."""
        return self._held() + self.reserved_bytes

    def has_room(self, open_bytes: int) -> bool:
        """Whether a source that can wait may go on, while open traces hold ``open_bytes``."""
        return open_bytes < COMFORT * self.buffer_bytes and self.held_bytes < COMFORT * self.memory_bytes

    def admit(self, size: int) -> None:
        """Raise ``Refused`` if ``size`` more bytes would be over the budget."""
        if self.held_bytes + size > self.memory_bytes:
            raise Refused(Refusal.OVERLOADED, "over the memory budget (limits.memory); send again later", RETRY_AFTER_S)

    def reserve(self, size: int = 0) -> "Reservation":
        """Room for one request; see ``Intake.reserve``."""
        return Reservation(self, size)

    def set_aside(self, size: int) -> None:
        """Count ``size`` bytes as held. Raises ``Refused`` if they are over the budget."""
        with self._lock:
            self.admit(size)
            self.reserved_bytes += size

    def give_back(self, size: int) -> None:
        """The opposite of ``set_aside``."""
        with self._lock:
            self.reserved_bytes -= size


class Reservation:
    """What one request may hold; a ``collector.intake.Room``."""

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission = admission
        self._first = size
        self._size = 0
        self._ended = False
        self._lock = Lock()

    def __enter__(self) -> "Reservation":
        self.grow(self._first)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            self._admission.give_back(self._size)

    def expect(self, size: int) -> None:
        """See ``Room.expect``."""
        self._check(size)
        self._admission.admit(size)

    def grow(self, size: int) -> None:
        """See ``Room.grow``."""
        with self._lock:
            self._check(size)
            self._admission.set_aside(size)
            self._size += size

    def _check(self, size: int) -> None:
        if self._ended:  # the call was cancelled while a thread still decodes: nobody would give it back
            raise Refused(Refusal.OVERLOADED, "the request was given up", RETRY_AFTER_S)
        # What is larger than all of the budget never fits: to ask the sender to repeat it would go on for ever.
        if self._size + size > self._admission.memory_bytes:
            raise Refused(
                Refusal.TOO_LARGE,
                "the request needs more memory than there is for all of them (limits.memory); send smaller batches",
            )
