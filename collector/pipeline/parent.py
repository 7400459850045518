"""A process's tie to the one that started it: it does not outlive it."""

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone, even while it hangs.

    Linux only. What the kernel looks at is the thread that started it: a main thread, therefore.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end_if_orphaned() -> None:
    """End here and now where the process that asked for this one is gone already."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
