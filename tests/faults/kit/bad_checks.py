"""A user's checks that misbehave, each when the service's name is its own: ``faults.kit.bad_checks:Bad``."""

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from checks.check import CheckInfo
from checks.finding import Finding
from checks.interaction import Interaction

HELD: list[bytearray] = []
MIB = 1 << 20
WAITS_S = 0.05
CATASTROPHIC = r"(a+)+$"


@dataclass(frozen=True, slots=True)
class Bad:
    """Does what ``way`` says to a trace of the service of that name, and passes all others."""

    way: str = "raises"
    pattern: str = CATASTROPHIC

    info: ClassVar[CheckInfo] = CheckInfo("bad", "1", "Misbehaves.", codes={"found": "There is nothing to find."})

    def applies_to(self, interaction: Interaction) -> bool:  # noqa: ARG002 - the contract of a check
        return True

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:
        if interaction.service == self.way:
            WAYS[self.way](self)
        return ()


def _raises(_: Bad) -> None:
    raise ValueError("what the user said")


def _recurses(check: Bad) -> None:
    _recurses(check)


def _exits(_: Bad) -> None:
    sys.exit("what the user said")


def _loops(_: Bad) -> None:
    while True:
        pass


def _sleeps(_: Bad) -> None:
    time.sleep(3600)


def _clings(_: Bad) -> None:
    """Loops, and lets nothing end the loop."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(3600)


def _matches(check: Bad) -> None:
    re.search(check.pattern, "a" * 64 + "!")


def _aborts(_: Bad) -> None:
    os.abort()


def _ends(_: Bad) -> None:
    os._exit(3)


def _crashes(_: Bad) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _swells(_: Bad) -> None:
    """Takes ever more memory."""
    taken = []
    while True:
        taken.append(bytearray(16 * MIB))


def _leaks(_: Bad) -> None:
    """Takes much memory and never gives it back, though each trace gets along."""
    HELD.append(bytearray(b"x") * (600 * MIB))


def _waits(_: Bad) -> None:
    """Takes a while, and no processor: what a worker can judge in a second does not depend on the machine."""
    time.sleep(WAITS_S)


WAYS: Mapping[str, Callable[[Bad], None]] = {
    "raises": _raises,
    "recurses": _recurses,
    "exits": _exits,
    "loops": _loops,
    "sleeps": _sleeps,
    "matches": _matches,
    "swells": _swells,
    "leaks": _leaks,
    "clings": _clings,
    "aborts": _aborts,
    "ends": _ends,
    "crashes": _crashes,
    "waits": _waits,
}
