"""How much memory the container or service that this process runs in may use. Reads the kernel's files, nothing else.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html (``memory.max``) and
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (``memory.limit_in_bytes``).
"""

from collections.abc import Iterator
from pathlib import Path

OWN_CGROUP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")

SHARE = 0.5
"""The part of the limit that telemetry may take; the rest is for Python, the libraries and the worker processes."""

OWN_BYTES = 128 << 20
"""What a process of sidecheck takes before it does anything. Measured: 112 MiB in front, 122 MiB a worker with the
default checks, of which some is shared."""

WORKER_LEAST = 128 << 20
"""A worker that may take less fails at the first large trace."""

_UNLIMITED = 1 << 60
"""v1 writes "no limit" as the largest number of pages, in bytes."""


def memory_limit(own_cgroup: Path = OWN_CGROUP, mount: Path = MOUNT) -> int | None:
    """The smallest limit of this process's cgroup and those around it, in bytes; ``None`` where there is none.

    Args:
        own_cgroup: Says which cgroups the process is in.
        mount: Where cgroups are mounted. What is not there is passed over: in a container only its own part is.
    """
    limits = [limit for path in _files(own_cgroup, mount) if (limit := _limit(path)) is not None]
    return min(limits, default=None)


def affordable(memory_bytes: int, limit: int | None) -> int:
    """The memory budget that fits under a limit: at most ``SHARE`` of it."""
    return memory_bytes if limit is None else max(1, min(memory_bytes, int(limit * SHARE)))


def for_a_worker(most: int, limit: int | None, telemetry_bytes: int, workers: int) -> int:
    """The memory that each worker may take under a limit for all: an even share of what is left, at most ``most``.

    Args:
        most: What a worker may take where there is no limit.
        limit: What ``memory_limit`` gave.
        telemetry_bytes: What ``affordable`` gave.
        workers: How many there are, beside the front process.
    """
    if limit is None:
        return most
    left = limit - telemetry_bytes - OWN_BYTES * (workers + 1)
    return min(most, max(WORKER_LEAST, left // workers))


def _files(own_cgroup: Path, mount: Path) -> Iterator[Path]:
    for line in _text(own_cgroup).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if number == "0" and not controllers:
            root, file = mount, "memory.max"
        elif "memory" in controllers.split(","):
            root, file = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        inside = Path(name.lstrip("/"))
        if ".." not in inside.parts:  # a cgroup outside of this namespace
            yield from (root / around / file for around in (inside, *inside.parents))


def _limit(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() and 0 < int(text[:20]) < _UNLIMITED else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
