"""The overview: how the app and its checks did lately, what fails most, how the sidecar is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from checks.money import dollars
from exporters.review import charts
from exporters.review.charts import Axes, Chart, Series
from exporters.review.html import compact, duration, percent, render
from exporters.review.present import moment
from exporters.review.site import Site
from exporters.store import ClusterQuery, Figures, Rate

MINUTE_NS = 60_000_000_000
CLUSTERS = 8
BUDGETS = 50
"""Services whose budgets are shown, those first that used most of theirs."""


class Range(StrEnum):
    """How far back the page looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"


@dataclass(frozen=True, slots=True)
class _Parts:
    """A range in parts: minutes of each, and how many."""

    minutes: int
    number: int
    words: str
    label: slice
    """Which part of a time in RFC 3339 names a part."""
    every: int = 8
    """Parts from one label of the axis to the next."""
    short: int | None = None
    """Characters of a label on the axis."""


PARTS = {
    Range.HOUR: _Parts(1, 60, "hour", slice(11, 16), every=10),
    Range.DAY: _Parts(30, 48, "24 hours", slice(11, 16)),
    Range.WEEK: _Parts(180, 56, "7 days", slice(5, 16), short=5),
}


def pages(site: Site) -> APIRouter:
    """The route of the overview."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    def overview(range: Range = Range.DAY) -> Response:  # noqa: A002 -- its name in the address
        """The overview."""
        return render("overview.html", here="/", title="Overview", **_shown(site, range))

    return router


def _shown(site: Site, chosen: Range) -> dict[str, Any]:
    parts = PARTS[chosen]
    width = parts.minutes * MINUTE_NS
    until = -(-site.now() // width) * width  # so that a part means the same whenever it is looked at
    figures = site.store.figures(until - parts.number * width, width, parts.number)
    counts = site.store.counts()
    return {
        "range": chosen.value,
        "ranges": {one.value: PARTS[one].words for one in Range},
        "figures": figures,
        "total": _Total(figures),
        "charts": _charts(figures, parts),
        "clusters": site.store.clusters(ClusterQuery(since_ns=figures.since_ns, limit=CLUSTERS)).items,
        "budgets": sorted(site.budgets(), key=lambda one: (-one.share, one.service)),
        "most_budgets": BUDGETS,
        "is_incomplete": _incomplete(figures) > 0,
        "problems": None if site.problems is None else site.problems(),
        "cases": {status.value: number for status, number in counts.cases.items()},
        "store_bytes": counts.bytes,
    }


class _Total:
    """The figures of the whole time."""

    def __init__(self, figures: Figures) -> None:
        self.traces = sum(figures.traces)
        self.failing = sum(figures.failing)
        costs = (*figures.cost.values(), figures.cost_of_others)
        self.cost = math.fsum(map(math.fsum, costs)) if figures.cost else None
        self.input_tokens, self.output_tokens = sum(figures.input_tokens), sum(figures.output_tokens)
        self.rates = {name: _share(sum(rate.passed), sum(rate.failed)) for name, rate in figures.checks.items()}
        self.failed = {name: sum(rate.failed) for name, rate in figures.checks.items()}
        self.decided = {name: sum(rate.passed) + sum(rate.failed) for name, rate in figures.checks.items()}


def _charts(figures: Figures, parts: _Parts) -> tuple[Chart, ...]:
    starts = (figures.since_ns + n * figures.width_ns for n in range(parts.number))
    moments = [moment(start)[parts.label].replace("T", " ") for start in starts]
    axes = Axes(moments, _incomplete(figures), parts.every, parts.short)
    passing = [every - bad for every, bad in zip(figures.traces, figures.failing, strict=True)]
    traffic = (("passing", passing), ("failing", figures.failing))
    per_minute = [Series(name, _per(parts.minutes, values)) for name, values in traffic]
    rates = [Series(name, _rate(rate, axes.incomplete)) for name, rate in _worst_first(figures)]
    latency = [Series("p50", figures.p50_ns), Series("p95", figures.p95_ns)]
    tokens = [Series("input", figures.input_tokens), Series("output", figures.output_tokens)]
    return (
        charts.bars(axes, "traffic", "Traces per minute", per_minute, compact),
        charts.shares(axes, "rates", "Pass rate per check", rates, percent),
        charts.lines(axes, "latency", "Latency", latency, duration),
        charts.bars(axes, "tokens", f"Tokens per {_length(parts.minutes)}", tokens, compact),
        charts.bars(axes, "cost", f"Cost per {_length(parts.minutes)}", _dearest_first(figures), dollars),
    )


def _dearest_first(figures: Figures) -> list[Series]:
    """The services that cost most, each a series, and one of all others."""
    in_order = sorted(figures.cost.items(), key=lambda item: (-math.fsum(item[1]), item[0]))
    most = charts.MOST_LINES if len(in_order) <= charts.MOST_LINES else charts.MOST_LINES - 1
    series = [Series(name, values) for name, values in in_order[:most]]
    rest = [*(values for _, values in in_order[most:]), *([figures.cost_of_others] if figures.cost_of_others else [])]
    others = [math.fsum(each) for each in zip(*rest, strict=True)]
    return [*series, Series("other services", others)] if others else series


def _length(minutes: int) -> str:
    return "minute" if minutes == 1 else f"{minutes} minutes" if minutes < 60 else f"{minutes // 60} hours"


def _worst_first(figures: Figures) -> list[tuple[str, Rate]]:
    """The checks, those first that pass least."""
    total = _Total(figures)
    return sorted(figures.checks.items(), key=lambda item: (total.rates[item[0]] or 0, item[0]))


def _rate(rate: Rate, incomplete: int) -> list[float | None]:
    """The share that passed; none where traces that passed are removed already, for it would be too low."""
    shares = [_share(*pair) for pair in zip(rate.passed, rate.failed, strict=True)]
    return [None] * incomplete + shares[incomplete:]


def _share(passed: int, failed: int) -> float | None:
    return passed / (passed + failed) if passed + failed else None


def _per(minutes: int, values: Sequence[int]) -> list[float]:
    return [value / minutes for value in values]


def _incomplete(figures: Figures) -> int:
    """The first parts that only failing traces are left of, for retention removed the others."""
    if figures.complete_since_ns is None:
        return 0
    counted = zip(figures.traces, figures.failing, strict=True)
    only_failing = next((n for n, (every, failing) in enumerate(counted) if every > failing), 0)
    removed = min(only_failing, (figures.complete_since_ns - figures.since_ns) // figures.width_ns)
    return removed if any(figures.traces[: max(0, removed)]) else 0
