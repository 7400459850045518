"""The contract of a deadline: how the runner is told to give a check no more than its time.

The core has no timers. Whoever runs checks beside production traffic passes in a deadline that can interrupt them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class DeadlineExceeded(BaseException):
    """A check ran out of time. Not an ``Exception``: an ``except Exception`` inside a check must not swallow it."""


Deadline = Callable[[int], AbstractContextManager[object]]
"""Called with nanoseconds; inside the context ``DeadlineExceeded`` is raised when they are over.

The context may be entered again once it was left, and has all of its time again: one does for several checks.
"""


_NO_LIMIT: AbstractContextManager[object] = nullcontext()


def no_deadline(limit_ns: int) -> AbstractContextManager[object]:  # noqa: ARG001 -- the signature is the contract's
    """Let the check run as long as it takes."""
    return _NO_LIMIT
