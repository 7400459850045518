"""CPU time and memory of a sidecar: the front process and its workers together."""

from dataclasses import dataclass

import psutil

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu_s``: user and system seconds since the processes began; ``memory_mib``: proportional set size."""

    cpu_s: float
    memory_mib: float


def usage(pid: int) -> Usage:
    """What the process and all its children have used."""
    cpu = memory = 0.0
    front = psutil.Process(pid)
    for process in (front, *front.children(recursive=True)):
        times = process.cpu_times()
        cpu += times.user + times.system
        memory += process.memory_full_info().pss / MIB
    return Usage(cpu, memory)
