"""End to end: OTLP in, journal, assembly, all five checks, metrics, store; by the floor beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from bench.alternate import in_turn
from bench.lines import Line, at_least, at_most
from bench.load import RECORDED, Load
from bench.measure import UNTIL_STEADY, Run, run, sidecar_of_its_own, warm_up
from servers import Serving

MOST_FLOORS, LEAST_TRACES_S = 15, 3_000
"""The goals, for texts of 2 KB."""
WORKLOADS: Mapping[str, tuple[int | str, int]] = {
    "200 B": (200, 4_000),
    "2 KB": (2_000, 4_000),
    "20 KB": (20_000, 400),
    RECORDED: (RECORDED, 1_500),
}
"""By name: the content of a load, and how many traces a round sends."""
TRANSPORTS = {"grpc": "gRPC", "http": "HTTP"}


def lines(rounds: int = 5) -> Iterator[Line]:
    """CPU, speed and memory of each workload, by each transport, in one sidecar with a worker a core."""
    loads = {
        f"{name}, {shown}": Load(traces, transport, content)
        for name, (content, traces) in WORKLOADS.items()
        for transport, shown in TRANSPORTS.items()
    }
    with sidecar_of_its_own() as sidecar:
        warm_up(sidecar, UNTIL_STEADY)
        found = alternated(sidecar, loads, rounds)
    for name, runs in found.items():
        yield from of_workload(name, runs)


def alternated(sidecar: Serving, loads: Mapping[str, Load], rounds: int) -> dict[str, list[Run]]:
    """Each load in turn, every second round in reverse order."""
    found: dict[str, list[Run]] = {name: [] for name in loads}
    for number in range(rounds):
        for name in in_turn(loads, number):
            found[name].append(run(sidecar, loads[name]))
    return found


def of_workload(name: str, runs: Sequence[Run]) -> Iterator[Line]:
    """The lines of one workload: medians of its runs."""

    def mid(figure: Callable[[Run], float]) -> float:
        return median(map(figure, runs))

    has_goals = name.startswith("2 KB")
    yield Line(
        f"{name}: CPU",
        mid(lambda r: r.floors),
        "x floor",
        at_most(MOST_FLOORS) if has_goals else None,
        {
            "us a trace: front": mid(lambda r: r.us(r.front_s)),
            "workers": mid(lambda r: r.us(r.workers_s)),
            "floor": mid(lambda r: r.us(r.floor_s)),
            "us a span": mid(lambda r: r.cpu_s / r.spans * 1e6),
        },
    )
    yield Line(
        f"{name}: speed",
        mid(lambda r: r.traces_s),
        "traces/s",
        at_least(LEAST_TRACES_S) if has_goals else None,
        {
            "cores: front": mid(lambda r: r.front_s / r.wall_s),
            "workers": mid(lambda r: r.workers_s / r.wall_s),
            "sender": mid(lambda r: r.sender_s / r.wall_s),
            "MB/s": mid(lambda r: r.size / r.wall_s / 1e6),
        },
    )
    yield Line(f"{name}: peak memory", mid(lambda r: r.peak_mib), "MiB")
