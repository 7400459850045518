"""The parts of the benchmark by name, each a function that gives lines; and what checks and PII measure, as lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bench import checks, endtoend, pages, pii, profile, scale, startup
from bench.lines import Line, at_least, at_most

HOSTILE_BY_NORMAL = 5
PII_GOALS: Mapping[str, int] = {
    "200 characters, no PII": 200,
    "2000 characters, 5 % with PII": 100,
    **{f"{size} characters, all with PII": 20 for size in pii.SIZES},
}
"""By the name of a row: how many times faster than stock Presidio it should be."""
SCORES = {"precision": "precision", "recall": "recall", "clean": "texts without PII left alone"}


def check_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """``checks.rows`` as lines."""
    for row in rows:
        yield Line(row["name"], row["us"], "us a trace", beside={"x floor": row["floors"]})


def pii_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """``pii.rows`` as lines."""
    for row in rows:
        goal = at_least(PII_GOALS[row["name"]]) if row["name"] in PII_GOALS else None
        beside = {"us a text: ours": row["ours_us"], "stock": row["stock_us"]}
        yield Line(row["name"], row["ratio"], "x as fast as stock", goal, beside)


def hostile_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """``pii.hostile`` as lines; its ``normal`` is what the others are measured by."""
    for row in rows:
        if row["name"] != "normal":
            name = f"hostile text, {row['name']} again and again"
            yield Line(name, row["normal"], "x normal text", at_most(HOSTILE_BY_NORMAL), {"us a text": row["ours_us"]})


def accuracy_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """``pii.accuracy`` as lines: ours, with stock beside it."""
    rows = list(rows)
    stock = {row["name"]: row for row in rows if row["who"] == "stock"}
    for row in rows:
        if row["who"] == "ours":
            for score, shown in SCORES.items():
                yield Line(f"{row['name']}: {shown}", row[score], "", beside={"stock": stock[row["name"]][score]})


def _pii() -> Iterator[Line]:
    yield from pii_lines(pii.rows())
    yield from hostile_lines(pii.hostile())
    yield from accuracy_lines(pii.accuracy())


def _replicas() -> Iterator[Line]:
    from bench import replicas  # and the Kafka client with it, which is slow to load

    yield from replicas.lines()


PARTS: Mapping[str, Callable[[bool], Iterator[Line]]] = {
    "endtoend": lambda _: endtoend.lines(),
    "checks": lambda _: check_lines(checks.rows()),
    "pii": lambda _: _pii(),
    "profile": lambda _: profile.lines(),
    "scale": scale.lines,
    "pages": lambda _: pages.lines(),
    "startup": lambda _: startup.lines(),
    "replicas": lambda _: _replicas(),
}
"""Each is told whether it may take long."""
