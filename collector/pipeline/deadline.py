"""Deadlines by SIGALRM: interrupts a check in the main thread of a worker process, between two Python instructions.

Interrupts Python code and the standard library's regular expressions (they look for signals). C code that never returns
to Python is not reached: for that a worker is replaced as a whole.
"""

import atexit
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import ClassVar

from checks.deadline import DeadlineExceeded

_TICK_S = 0.01
"""How often the alarm rings while any deadline holds, and so how late it may notice that one is over. It goes on
ringing: the first ring may be caught by an ``except BaseException``, or fall into a ``__del__``, where Python drops
exceptions."""

_running: "list[_Alarm]" = []
"""The deadlines that hold, the innermost last. A process has one timer, and so one such list."""


class SignalDeadline:
    """A ``checks.deadline.Deadline`` for the main thread of a process on POSIX. Deadlines may be nested.

    Takes the process's SIGALRM and its interval timer for good; ``install`` takes them again, where somebody else may
    have had them.

    Raises:
        RuntimeError: Made in another thread, where Python delivers no signals.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals reach only the main thread of a process: make the deadline there")
        self.install()
        # Python takes its handler away at the end, and a ring without one ends the process.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)

    def __call__(self, limit_ns: int) -> "_Alarm":
        """A context in which ``DeadlineExceeded`` is raised after ``limit_ns`` nanoseconds."""
        return _Alarm(limit_ns)

    def install(self) -> None:
        """Let the timer tick, and handle its signal. It stops by itself where no deadline holds.

        Neither is done for each check: the calls would take longer than many a check.
        """
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, _TICK_S, _TICK_S)
        _Alarm.is_ticking = True


class _Alarm:
    """One deadline."""

    __slots__ = ("_ends", "_limit_s", "_rang")
    is_ticking: ClassVar[bool] = False

    def __init__(self, limit_ns: int) -> None:
        self._limit_s = limit_ns / 1e9

    def __enter__(self) -> None:
        self._rang = False
        self._ends = time.monotonic() + self._limit_s
        _running.append(self)
        if not _Alarm.is_ticking:
            _Alarm.is_ticking = True
            signal.setitimer(signal.ITIMER_REAL, _TICK_S, _TICK_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _running.pop()
        if self._rang and kind is None:
            raise DeadlineExceeded  # the check caught the interruption and went on

    def ring(self, frame: FrameType | None) -> None:
        """Raise if the time is over."""
        if time.monotonic() < self._ends:
            return
        self._rang = True
        # Raised inside __exit__ it would be lost, and the deadline left on the list. Then __exit__ itself raises.
        if frame is not None and frame.f_code.co_filename != __file__:
            raise DeadlineExceeded


def _ring(_signal: int, frame: FrameType | None) -> None:
    if _running:
        _running[-1].ring(frame)
    else:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _Alarm.is_ticking = False
