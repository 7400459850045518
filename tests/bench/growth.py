"""Whether memory at rest grows: a line through all that was seen, so that what lies where in the heap evens out."""

from collections.abc import Sequence
from math import sqrt
from statistics import linear_regression

from bench.lines import Line, at_most

MEMORY_GROWTH = 1.01
"""The goal, from the first mark to the last."""

Seen = tuple[int, float]
"""Traces that were judged until then, and MiB at rest."""


def growth_line(seen: Sequence[Seen], first: int, last: int) -> Line:
    """What memory at rest becomes from ``first`` traces to ``last``, by the line of least squares through all between.

    Two blocks tell little: each differs from the next by some MiB. A line through all of them tells a leak of the same
    size from that; one through the medians of the pairs would pass over what came late and at once.
    """
    between = [(traces, mib) for traces, mib in seen if first <= traces <= last]
    line = linear_regression(*zip(*between, strict=True))
    off = [mib - line.intercept - line.slope * traces for traces, mib in between]
    begin, end = (line.intercept + line.slope * traces for traces in (first, last))
    beside = {
        "MiB from": begin,
        "to": end,
        "blocks": len(between),
        "a block off the line by MiB": sqrt(sum(mib * mib for mib in off) / len(off)),
    }
    return Line(f"memory at rest at {last:,} by {first:,}", end / begin, "x", at_most(MEMORY_GROWTH), beside)
