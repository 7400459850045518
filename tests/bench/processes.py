"""CPU time and memory of a sidecar: of the front process, and of its workers together."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import psutil
from peaks import peak

MIB = 2**20
PEAK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Usage:
    """User and system seconds since the processes began, those of replaced workers too; proportional set sizes."""

    front_s: float
    workers_s: float
    front_mib: float
    workers_mib: float

    @property
    def cpu_s(self) -> float:
        """Front and workers."""
        return self.front_s + self.workers_s

    @property
    def memory_mib(self) -> float:
        """Front and workers."""
        return self.front_mib + self.workers_mib


def usage(pid: int) -> Usage:
    """What the front process with this id, and all its children, have used and hold."""
    front = psutil.Process(pid)
    own = front.cpu_times()
    workers_s, workers_mib = own.children_user + own.children_system, 0.0
    for worker in front.children(recursive=True):  # and the process that they are copies of
        workers_s += _cpu_s(worker)
        workers_mib += _mib(worker)
    return Usage(own.user + own.system, workers_s, _mib(front), workers_mib)


def peak_memory(pid: int) -> AbstractContextManager[list[float]]:
    """The most MiB that front and workers hold together while the block runs, as the only item of a list."""
    return peak(lambda: usage(pid).memory_mib, PEAK_EVERY_S)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it was replaced just now
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def _mib(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / MIB
    except psutil.NoSuchProcess:
        return 0.0
