"""What a machine takes, in the figures that an operator plans with: made of the tables in ``tests/bench/README.md``.

Nothing is measured here. A line that the benchmark did not measure (the replicas need Kafka) makes no row.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("bench") / "README.md"
STORE_GIB = 2
"""``store.retention.size`` as it comes."""
BUSY_TRACES_S = 100
"""Traces a second in the example of a day's growth."""
DAY_S = 86_400
GIB = 2**30

_ROW = re.compile(
    r"^\| (?P<name>[^|]+) \| (?P<value>[\d,.]+)[^|]* \|[^|]*\|[^|]*\| (?P<beside>[^|]*) ?\|$", re.MULTILINE
)
_BESIDE = re.compile(r"(?:^|[:,] )([A-Za-z/ ]+?) ([\d,.]*\d)(?=,|$)")


@dataclass(frozen=True)
class Measured:
    """A line of the benchmark: its value, and the figures beside it by name."""

    value: float
    beside: Mapping[str, float]


def measured(page: str) -> dict[str, Measured]:
    """The lines of all tables of the benchmark's page, by name."""
    return {row["name"]: Measured(_number(row["value"]), _beside(row["beside"])) for row in _ROW.finditer(page)}


def rows(page: str) -> Iterator[tuple[str, str, str]]:
    """What it is, what was measured, and what follows."""
    found = measured(page)
    for name, row in ROWS.items():
        if name in found:
            yield row(found)


def machine(page: str) -> str:
    """The sentence about the machine that the first table was measured on."""
    return re.search(r"^Machine: .*$", page, re.MULTILINE)[0]


def _sidecar(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    cpu = found["2 KB, gRPC: CPU"].beside
    front, workers = cpu["front"], cpu["workers"]
    each = f"{_ms(front + workers)} ms of CPU a trace: {_ms(front)} in the front process, {_ms(workers)} in workers"
    so = f"{_traces_s(front + workers)} traces/s a core, no more than {_traces_s(front)} with any number of cores"
    return "one sidecar", each, f"{so}; plan for half of it, so that bursts are judged at once"


def _memory(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    idle, busy = found["memory when idle, front and workers"], found["2 KB, gRPC: peak memory"]
    each = f"{idle.value:.0f} MiB idle, {busy.value:.0f} MiB at full speed"
    return "its memory", each, "telemetry takes at most `limits.memory` of a process, and half of a container's limit"


def _open(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    line = found["memory of 10,000 open traces by their bytes"]
    kib = line.value * line.beside["bytes a trace"] / 1024
    each = f"{line.value:.2f} times its telemetry, {kib:.0f} KiB with texts of 2 KB"
    so = "times traces/s, times the seconds from its first span to its verdict (`settle` among them)"
    return "an open trace", each, so


def _replica(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    each = [group["replicas"] for group in _groups(found)]
    so = f"{_traces_s(max(each))} traces/s a core; plan for half, so that the others carry one that is down"
    return "a replica on Kafka", f"{_ms(min(each))} to {_ms(max(each))} ms of CPU a trace", so


def _database(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    each = [group["PostgreSQL"] for group in _groups(found)]
    share = max(group["replicas"] / group["PostgreSQL"] for group in _groups(found))
    so = f"a core of it for {share:.0f} of the replicas'"
    return "PostgreSQL", f"{_ms(min(each))} to {_ms(max(each))} ms of CPU a trace", so


def _groups(found: Mapping[str, Measured]) -> list[Mapping[str, float]]:
    """The figures of one, two and more replicas."""
    return [line.beside for name, line in found.items() if re.fullmatch(r"\d+ replicas?: speed", name)]


def _growth(found: Mapping[str, Measured]) -> tuple[str, str, str]:
    each = found[GROWTH].beside["bytes a trace"]
    kept, day = STORE_GIB * GIB / each, BUSY_TRACES_S * DAY_S * each / GIB
    keeps = f"`store.retention.size: {STORE_GIB}GiB` keeps the last {_rough(kept)} traces"
    so = f"{keeps}; a day of {BUSY_TRACES_S} traces/s is {day:.0f} GiB"
    return "PostgreSQL's growth", f"{each * 1e6 / GIB:.1f} GiB a million traces, indexes included, its log not", so


GROWTH = "PostgreSQL after 100,000 traces of 2 KB texts"
ROWS = {
    "2 KB, gRPC: CPU": _sidecar,
    "memory when idle, front and workers": _memory,
    "memory of 10,000 open traces by their bytes": _open,
    "3 replicas: speed": _replica,
    "1 replica: speed": _database,
    GROWTH: _growth,
}
"""By the line without which there is no such row."""


def _ms(us: float) -> str:
    return f"{us / 1000:.2g}"


def _traces_s(us: float) -> str:
    return _rough(1e6 / us)


def _rough(value: float) -> str:
    """Two figures that count."""
    size = 10 ** max(0, len(f"{value:.0f}") - 2)
    return f"{round(value / size) * size:,}"


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _beside(text: str) -> dict[str, float]:
    return {name.strip(): _number(value) for name, value in _BESIDE.findall(text.strip())}
