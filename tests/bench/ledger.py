"""CPU time by step, of all threads of this process. The name of a step begins with its process: ``front: decode``."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from statistics import median


class Ledger:
    """Adds up what steps take; ``lap`` ends a round. A step may be entered many times in a round."""

    def __init__(self) -> None:
        self._round: dict[str, int] = defaultdict(int)
        self._rounds: dict[str, list[int]] = defaultdict(list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add what the block takes to a step."""
        started = time.process_time_ns()
        yield
        self._round[name] += time.process_time_ns() - started

    def take_out(self, what: str, of: Sequence[str], name: str) -> None:
        """Take the step ``what``, which is in each of the steps ``of``, out of them; together it becomes ``name``."""
        taken = self._round.pop(what)
        for step in of:
            self._round[step] -= taken
        self._round[name] = taken * len(of)

    def left(self, whole: str, name: str, but: Collection[str] = ()) -> None:
        """Call what ``whole`` took more than the other steps of its process, those in ``but`` left out, ``name``."""
        taken, process = self._round.pop(whole), whole.partition(":")[0]
        parts = (ns for step, ns in self._round.items() if step.startswith(process) and step not in but)
        self._round[name] = taken - sum(parts)

    def lap(self) -> None:
        """Close a round."""
        for name, taken in self._round.items():
            self._rounds[name].append(taken)
        self._round.clear()

    def us(self, units: int) -> dict[str, float]:
        """Microseconds a unit, by step: the medians over the rounds."""
        return {name: median(taken) / 1_000 / units for name, taken in self._rounds.items()}
