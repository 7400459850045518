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


class SignalDeadline:
    """A ``checks.deadline.Deadline`` for the main thread of a process on POSIX. Deadlines may be nested.

    Raises:
        RuntimeError: Made in another thread, where Python delivers no signals.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals reach only the main thread of a process: make the deadline there")

    def __call__(self, limit_ns: int) -> "_Alarm":
        """A context in which ``DeadlineExceeded`` is raised after ``limit_ns`` nanoseconds."""
        return _Alarm(limit_ns)


class _Alarm:
    """One deadline. Uses the process's interval timer, and gives it back as it was."""

    def __init__(self, limit_ns: int) -> None:
        self._limit_s = max(limit_ns / 1e9, 1e-6)  # 0 would switch the timer off
        self._rang = False

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._outer_handler = signal.signal(signal.SIGALRM, self._ring)
        self._outer_s, self._outer_again_s = signal.setitimer(signal.ITIMER_REAL, self._limit_s, _AGAIN_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._outer_handler)
        if self._outer_s:
            left = self._outer_s - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), self._outer_again_s)
        if self._rang and kind is None:
            raise DeadlineExceeded  # the check caught the interruption and went on

    def _ring(self, _signal: int, frame: FrameType | None) -> None:
        self._rang = True
        # Raised inside __exit__ it would leave the timer on. Then __exit__ itself raises, and the alarm rings again.
        if frame is not None and frame.f_code.co_filename != __file__:
            raise DeadlineExceeded
