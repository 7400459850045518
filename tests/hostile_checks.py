"""A check that misbehaves as the service's name says, to be loaded by worker processes: ``hostile_checks:Hostile``."""

import ctypes
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from checks.check import CheckInfo
from checks.finding import Finding
from checks.interaction import Interaction

HANGS_FOR_S = 60
GROWS_BY = 300 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hostile:
    """Ends, hangs, breaks or fills the process that judges; a trace of any other service passes."""

    info: ClassVar[CheckInfo] = CheckInfo("hostile", "7", "Ends, hangs or breaks the process that judges.")

    def applies_to(self, interaction: Interaction) -> bool:  # noqa: ARG002 - the contract of a check
        return True

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:
        match interaction.service:
            case "aborts":
                os.abort()
            case "exits":
                os._exit(3)
            case "raises":
                raise ValueError("what the user said")
            case "loops":
                while True:
                    pass
            case "hangs":
                hang_in_c()
            case "grows":
                bytes(GROWS_BY)
        return ()


@dataclass(frozen=True, slots=True)
class Fatal:
    """Ends the process that loads it, unless there is a file; as a library does that is broken."""

    info: ClassVar[CheckInfo] = CheckInfo("fatal", "1", "Ends the process that loads it.")
    unless: str

    def load(self) -> None:
        if not Path(self.unless).exists():
            os._exit(1)

    def applies_to(self, interaction: Interaction) -> bool:  # noqa: ARG002 - the contract of a check
        return True

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:  # noqa: ARG002 - the contract of a check
        return ()


def hang_in_c() -> None:
    """Wait in C, with the interpreter locked, for a mutex that is never released: no Python signal handler runs."""
    libc = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(64)  # zeroes are PTHREAD_MUTEX_INITIALIZER
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_timedlock(mutex, (ctypes.c_long * 2)(int(time.time()) + HANGS_FOR_S, 0))
