"""Timing of variants side by side: they take turns in one process, so that a busy machine slows all of them alike.

Only ratios of such times mean anything: the times themselves move by half from one run to the next on a shared machine.
"""

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


def in_turn(items: Iterable[Item], number: int) -> list[Item]:
    """The order in which a round goes over the items: every second round in reverse."""
    return list(items)[:: 1 if number % 2 else -1]


class Variant(NamedTuple):
    """Something to time. ``prepare`` makes what ``work`` gets, and is not timed; ``units`` is by what to divide."""

    work: Callable[[object], object]
    prepare: Callable[[], object] = lambda: None
    units: int = 1


class Times(NamedTuple):
    """CPU microseconds a unit, by variant and in order of the rounds."""

    by_name: Mapping[str, Sequence[float]]

    def us(self, name: str) -> float:
        """The median of a variant."""
        return median(self.by_name[name])

    def ratio(self, name: str, to: str) -> float:
        """The median of the ratios within each round."""
        return median(a / b for a, b in zip(self.by_name[name], self.by_name[to], strict=True))


def alternate(variants: Mapping[str, Variant], rounds: int, clock: Callable[[], int] = time.process_time_ns) -> Times:
    """Run each variant once to warm it up, then ``rounds`` times in turn, every second round in reverse order."""
    for variant in variants.values():
        variant.work(variant.prepare())
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in in_turn(variants, number):
            taken[name].append(_once(variants[name], clock))
    return Times(taken)


def _once(variant: Variant, clock: Callable[[], int]) -> float:
    given = variant.prepare()
    gc.collect()  # what others left behind is not this one's time
    gc.disable()
    try:
        started = clock()
        variant.work(given)
        return (clock() - started) / 1000 / variant.units
    finally:
        gc.enable()
