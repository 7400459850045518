"""What a trace costs a sidecar that judged many, by what it costs new ones: both at once.

What was measured minutes ago was another machine: its cores are slower by half for a second or two, time and again. Two
sidecars that take the same load in the same seconds differ by a percent from ten thousand traces to the next.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench import cores
from bench.lines import Line, at_most
from bench.load import Load
from bench.measure import run, sidecar_of_its_own, warm_up
from bench.processes import Usage, usage
from servers import Serving

COST_GROWTH = 1.05
"""The goal."""
SHARE = 0.5
"""Of the speed that one sidecar reaches on all cores; the two have half of this each, and a core. Where all of that is
taken, one is done before the other, and has the machine for itself then."""


def cost_growth_line(
    old: Serving, judged: int, settings: Mapping[str, str], rounds: int = 10, traces: int = 10_000
) -> Line:
    """Loads for ``old``, and beside each of them the same load for a new sidecar with these settings.

    All that a sidecar does from the beginning of its first load until both are done with its last counts for it: what
    retention removes waits for its turn, which comes every 15 seconds, and who is done first gives memory back, and
    idles, while the other one is not. The new ones have judged ``traces`` before: until then memory is taken for the
    first time, and the same failures do not come again yet.

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
            warm_up(sidecar, traces)
        of_new = []
        before = usage(old.process.pid)
        for sidecar in new:
            began = usage(sidecar.process.pid)
            with cores.swapped(sidecar.process.pid, old.process.pid):
                done = list(pool.map(lambda one: run(one, load), (sidecar, old)))
            of_new.append((began, usage(sidecar.process.pid)))
        after = usage(old.process.pid)
    judged_by_each = rounds * done[0].traces
    new_us, new_front_us = _us_a_trace(of_new, judged_by_each)
    old_us, old_front_us = _us_a_trace([(before, after)], judged_by_each)
    beside = {"us a trace: new": new_us, "old": old_us, "of which more in front": old_front_us - new_front_us}
    return Line(f"CPU a trace at {judged:,} by {traces:,}", old_us / new_us, "x", at_most(COST_GROWTH), beside)


def _us_a_trace(spans: Sequence[tuple[Usage, Usage]], traces: int) -> tuple[float, float]:
    """What was used in these times, by all processes and by the front."""
    of_all = sum(end.cpu_s - start.cpu_s for start, end in spans)
    of_front = sum(end.front_s - start.front_s for start, end in spans)
    return of_all / traces * 1e6, of_front / traces * 1e6
