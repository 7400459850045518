"""What a trace costs a sidecar that judged many, by what it costs new ones: both at once.

What was measured minutes ago was another machine: its cores are slower by half for a second or two, time and again. Two
sidecars that take the same load in the same seconds differ by a percent from ten thousand traces to the next.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.lines import Line, at_most
from bench.load import Load
from bench.measure import UNTIL_STEADY, Run, run, sidecar_of_its_own, warm_up
from bench.processes import usage
from servers import Serving

COST_GROWTH = 1.05
"""The goal."""
SHARE = 0.7
"""Of the speed that one sidecar reaches; the two have half of this each. Where all is taken, one is done before the
other, and has the cores for itself then."""


def cost_growth_line(
    old: Serving, judged: int, settings: Mapping[str, str], rounds: int = 10, traces: int = 10_000
) -> Line:
    """Loads for ``old``, and beside each of them the same load for a new sidecar with these settings.

    All that the old one does from the first load to the last counts for it, the pauses between them too: what retention
    removes waits for its turn, which comes every 15 seconds. The new ones have judged as many as it takes until the
    same failures come again, which cost less than the first of each kind.

    Args:
        old: The sidecar that judged many.
        judged: How many.
        settings: The environment of the new ones, as the old one has it.
        rounds: New sidecars, one after the other.
        traces: For each of them.
    """
    load = Load(traces, rate=SHARE * run(old, Load(traces)).traces_s / 2)
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        new = [stack.enter_context(sidecar_of_its_own(**settings)) for _ in range(rounds)]
        for sidecar in new:
            warm_up(sidecar, UNTIL_STEADY)
        before = usage(old.process.pid)
        runs = [list(pool.map(lambda one: run(one, load), (sidecar, old))) for sidecar in new]
        after = usage(old.process.pid)
    of_new, of_old = zip(*runs, strict=True)
    new_us, old_us = _us(of_new, sum(r.cpu_s for r in of_new)), _us(of_old, after.cpu_s - before.cpu_s)
    front_us = _us(of_old, after.front_s - before.front_s) - _us(of_new, sum(r.front_s for r in of_new))
    beside = {"us a trace: new": new_us, "old": old_us, "of which more in front": front_us}
    name = f"CPU a trace at {judged:,} by {UNTIL_STEADY + traces:,}"
    return Line(name, old_us / new_us, "x", at_most(COST_GROWTH), beside)


def _us(runs: tuple[Run, ...], seconds: float) -> float:
    """Microseconds a trace of all of them."""
    return seconds / sum(r.traces for r in runs) * 1e6
