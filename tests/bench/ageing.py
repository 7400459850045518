"""What a trace costs a sidecar that judged many, by what it costs new ones: both at once.

What was measured minutes ago was another machine: its cores are slower by half for a second or two, time and again. Two
sidecars that take the same load in the same seconds differ by a percent from ten thousand traces to the next. Of two
equal ones the one that began first takes a percent more than the other, so half of the new ones begin before the old
one does.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from statistics import mean

from bench import cores
from bench.lines import Line, at_most
from bench.load import Load
from bench.measure import run, sidecar_of_its_own, warm_up
from bench.processes import Usage, usage
from servers import Serving

COST_GROWTH = 1.05
"""The goal."""
NEW, NEW_TRACES = 8, 10_000
"""So many new sidecars begin before the old one and as many after it; what each has judged, and is given then."""
SHARE = 0.5
"""Of the speed that one sidecar reaches on all cores; the two have half of this each, and a core. Where all of that is
taken, one is done before the other, and has the machine for itself then."""


@contextmanager
def new_ones(settings: Mapping[str, str], count: int = NEW, traces: int = NEW_TRACES) -> Iterator[Sequence[Serving]]:
    """So many sidecars with these settings, each of which has judged so many traces.

    Until then memory is taken for the first time, and the same failures do not come again yet.
    """
    with ExitStack() as stack:
        made = [stack.enter_context(sidecar_of_its_own(**settings)) for _ in range(count)]
        for sidecar in made:
            warm_up(sidecar, traces)
        yield made


def cost_growth_line(
    old: Serving, judged: int, settings: Mapping[str, str], as_old: Sequence[Serving], traces: int = NEW_TRACES
) -> Line:
    """Loads for ``old``, and beside each of them the same load for a sidecar that judged few.

    All that a sidecar does from the beginning of its first load until both are done with its last counts for it: what
    retention removes waits for its turn, which comes every 15 seconds, and who is done first gives memory back, and
    idles, while the other one is not.

    Args:
        old: The sidecar that judged many.
        judged: How many.
        settings: The environment of the new ones that begin now, as the old one has it.
        as_old: New ones that began before the old one: as many begin now, and they take turns.
        traces: For each of them.
    """
    load = Load(traces, rate=SHARE * run(old, Load(traces)).traces_s / 2)
    of_old, of_new = [], []
    with new_ones(settings, len(as_old), traces) as younger, ThreadPoolExecutor(2) as pool:
        looked = usage(old.process.pid)
        for sidecar in (each for pair in zip(as_old, younger, strict=True) for each in pair):
            began = usage(sidecar.process.pid)
            with cores.swapped(sidecar.process.pid, old.process.pid):
                done = list(pool.map(lambda one: run(one, load), (sidecar, old)))
            of_new.append(_us(began, usage(sidecar.process.pid), done[0].traces))
            of_old.append(_us(looked, looked := usage(old.process.pid), done[0].traces))
    (old_us, old_front_us), (new_us, new_front_us) = (map(mean, zip(*each, strict=True)) for each in (of_old, of_new))
    by_as_old, by_younger = (_ratio(of_old[first::2], of_new[first::2]) for first in (0, 1))
    beside = {
        "us a trace: new": new_us,
        "old": old_us,
        "of which more in front": old_front_us - new_front_us,
        "x by those that began before it": by_as_old,
        "x by those after it": by_younger,
    }
    return Line(f"CPU a trace at {judged:,} by {traces:,}", old_us / new_us, "x", at_most(COST_GROWTH), beside)


_Us = tuple[float, float]
"""Microseconds a trace: of all processes, and of the front."""


def _us(start: Usage, end: Usage, traces: int) -> _Us:
    return (end.cpu_s - start.cpu_s) / traces * 1e6, (end.front_s - start.front_s) / traces * 1e6


def _ratio(of_old: Sequence[_Us], of_new: Sequence[_Us]) -> float:
    return sum(us for us, _ in of_old) / sum(us for us, _ in of_new)
