"""Deadlines by SIGALRM: interrupts a check in the main thread of a worker process, between two Python instructions.

Interrupts Python code and the standard library's regular expressions (they look for signals). C code that never returns
to Python is not reached: for that a worker is replaced as a whole.
"""

import signal
import threading
import time
from types import FrameType, TracebackType

from checks.deadline import DeadlineExceeded

_AGAIN_S = 0.05
"""The alarm goes on ringing: the first ring may be caught by an ``except BaseException``, or fall into a ``__del__``,
where Python drops exceptions."""

_running: "list[_Alarm]" = []
"""The deadlines that hold, the innermost last. A process has one timer, and so one such list."""


class SignalDeadline:
    """A ``checks.deadline.Deadline`` for the main thread of a process on POSIX. Deadlines may be nested.

    Takes the process's SIGALRM for good; ``install`` takes it again, where somebody else may have had it.

    Raises:
        RuntimeError: Made in another thread, where Python delivers no signals.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals reach only the main thread of a process: make the deadline there")
        self.install()

    def __call__(self, limit_ns: int) -> "_Alarm":
        """A context in which ``DeadlineExceeded`` is raised after ``limit_ns`` nanoseconds."""
        return _Alarm(limit_ns)

    def install(self) -> None:
        """Handle the signal. Not done for each check: that would take longer than many a check."""
        signal.signal(signal.SIGALRM, _ring)


def _ring(_signal: int, frame: FrameType | None) -> None:
    if not _running:
        return
    _running[-1].rang = True
    # Raised inside __exit__ it would leave the timer on. Then __exit__ itself raises, and the alarm rings again.
    if frame is not None and frame.f_code.co_filename != __file__:
        raise DeadlineExceeded


class _Alarm:
    """One deadline. Uses the process's interval timer, and gives it back as it was."""

    __slots__ = ("_limit_s", "_outer_again_s", "_outer_s", "_started", "rang")

    def __init__(self, limit_ns: int) -> None:
        self._limit_s = max(limit_ns / 1e9, 1e-6)  # 0 would switch the timer off
        self.rang = False

    def __enter__(self) -> None:
        self._started = time.monotonic()
        _running.append(self)
        self._outer_s, self._outer_again_s = signal.setitimer(signal.ITIMER_REAL, self._limit_s, _AGAIN_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _running.pop()
        if self._outer_s:
            left = self._outer_s - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), self._outer_again_s)
        if self.rang and kind is None:
            raise DeadlineExceeded  # the check caught the interruption and went on
