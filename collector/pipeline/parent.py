"""A process's tie to the one that started it: it does not outlive it."""

import ctypes
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from typing import Any

_PR_SET_PDEATHSIG = 1


def leave_signals() -> None:
    """Leave what is sent to a whole process group to the front process.

    Terminals (Ctrl-C, hanging up) and service managers signal all processes at once; what is still open has to be
    judged before the workers may go, and a reload is no reason to go.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone, even while it hangs.

    Linux only. What a worker is copied from ends when the front process is gone: so does the worker.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _let_go_of_copying()


def end_if_orphaned() -> None:
    """End here and now where the process that asked for this one is gone already."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _let_go_of_copying() -> None:
    """A copy could ask for copies too, and that alone would keep alive what it was copied from."""
    server: Any = vars(forkserver)["_forkserver"]  # the library has no other name for it
    handle = vars(server)["_forkserver_alive_fd"]
    if handle is not None:
        os.close(handle)
        vars(server)["_forkserver_alive_fd"] = None
