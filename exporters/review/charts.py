"""Charts of figures over time: where each bar, line, tick and label goes. Knows no HTML, colour or font.

A chart is drawn by ``charts.html`` as one SVG, in the units of ``WIDTH`` and ``HEIGHT``, with its figures as a table
beside it for who cannot see it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 24
"""Margins: room for the labels of the axes."""
MOST_LINES = 6
"""Lines that can be told apart, by dashes as well as by colour."""
Y_TICKS = 4
NONE = "-"
"""In the table, where a series has no figure."""
_STEPS = (1, 2, 2.5, 5, 10)
_LOWS = (0.96, 0.92, 0.8, 0.6, 0)
"""Where an axis of shares may begin: four round steps below 1."""

Values = Sequence[float | None]
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one line, or of one part of every bar; ``None`` where there is none."""

    name: str
    values: Values


@dataclass(frozen=True, slots=True)
class Tick:
    """A label and its place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One series as it is drawn: as boxes, or as lines (the points of each, apart where figures are missing)."""

    name: str
    boxes: tuple[Box, ...] = ()
    lines: tuple[str, ...] = ()
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Band:
    """The place of one moment, and what all series say there."""

    box: Box
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn. ``rows`` is the table: a moment, and the text of each series."""

    id: str
    title: str
    description: str
    shapes: tuple[Shape, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bands: tuple[Band, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: Box | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(shape.boxes or shape.lines or shape.dots for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Axes:
    """What charts of one page share: the label of every moment, and how many of the first are not complete.

    Every ``every``-th moment has a tick, labelled with the first ``short`` characters (``None``: with all).
    """

    moments: Sequence[str]
    incomplete: int = 0
    every: int = 8
    short: int | None = None

    @property
    def step(self) -> float:
        """The width of a moment."""
        return (WIDTH - LEFT - RIGHT) / max(1, len(self.moments))

    def x(self, n: float) -> float:
        """Where the n-th moment begins."""
        return round(LEFT + n * self.step, 2)

    def ticks(self) -> tuple[Tick, ...]:
        """Labels under the axis, evenly."""
        marked = range(0, len(self.moments), self.every)
        return tuple(Tick(self.x(n), self.moments[n][: self.short]) for n in marked)


def bars(axes: Axes, name: str, title: str, series: Sequence[Series], shown: Format) -> Chart:
    """Stacked bars, the first series at the bottom."""
    totals = [sum(one.values[n] or 0 for one in series) for n in range(len(axes.moments))]
    scale = _Scale(max(totals, default=0), shown)
    shapes, below = [], [0.0] * len(totals)
    for one in series:
        boxes = [_bar(axes, scale, n, below[n], value) for n, value in enumerate(one.values) if value]
        below = [low + (value or 0) for low, value in zip(below, one.values, strict=True)]
        shapes.append(Shape(one.name, boxes=tuple(boxes)))
    return _chart(axes, name, title, series, shown, tuple(shapes), scale)


def lines(axes: Axes, name: str, title: str, series: Sequence[Series], shown: Format) -> Chart:
    """Lines, from zero up to what the figures need; of many series the first few."""
    drawn = series[:MOST_LINES]
    return _lines(axes, name, title, series, shown, _Scale(max(_values(drawn), default=0), shown))


def shares(axes: Axes, name: str, title: str, series: Sequence[Series], shown: Format) -> Chart:
    """Lines of shares of one, from a round share below all of them up to 1: most lie close to it."""
    lowest = min(_values(series[:MOST_LINES]), default=0)
    low = next(low for low in _LOWS if low <= lowest)
    return _lines(axes, name, title, series, shown, _Scale(1.0, shown, low))


def _lines(axes: Axes, name: str, title: str, series: Sequence[Series], shown: Format, scale: "_Scale") -> Chart:
    drawn = series[:MOST_LINES]
    shapes = tuple(_line(axes, scale, one) for one in drawn)
    return _chart(axes, name, title, series, shown, shapes, scale)


def _values(series: Sequence[Series]) -> Iterator[float]:
    return (value for one in series for value in one.values if value is not None)


class _Scale:
    """The axis upwards: from ``low`` to a round number."""

    def __init__(self, highest: float, shown: Format, low: float = 0) -> None:
        span = (highest - low) or 1
        step = _round_step(span / Y_TICKS)
        count = max(1, math.ceil(span / step - 1e-9))
        self._low, self._span = low, step * count
        self.ticks = tuple(Tick(self.y(low + step * n), shown(round(low + step * n, 9))) for n in range(count + 1))

    def y(self, value: float) -> float:
        """Where a value is; y goes down."""
        share = max(0.0, min(1.0, (value - self._low) / self._span))
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 2)


def _round_step(rough: float) -> float:
    power: float = 10 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _bar(axes: Axes, scale: _Scale, n: int, low: float, value: float) -> Box:
    gap = min(1.5, axes.step / 5)
    top, bottom = scale.y(low + value), scale.y(low)
    return Box(axes.x(n), top, round(axes.step - gap, 2), round(max(0.5, bottom - top), 2))


def _line(axes: Axes, scale: _Scale, series: Series) -> Shape:
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(series.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((axes.x(n + 0.5), scale.y(value)))
    joined = tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1)
    return Shape(series.name, lines=joined, dots=tuple(run[0] for run in runs if len(run) == 1))


def _chart(
    axes: Axes,
    name: str,
    title: str,
    series: Sequence[Series],
    shown: Format,
    shapes: tuple[Shape, ...],
    scale: _Scale,
) -> Chart:
    cells = [
        tuple(NONE if one.values[n] is None else shown(one.values[n] or 0) for one in series)
        for n in range(len(axes.moments))
    ]
    names = tuple(one.name for one in series)
    height = HEIGHT - TOP - BOTTOM
    bands = tuple(
        Band(Box(axes.x(n), TOP, round(axes.step, 2), height), _says(axes.moments[n], names, texts))
        for n, texts in enumerate(cells)
    )
    out = Box(LEFT, TOP, round(axes.step * axes.incomplete, 2), height) if axes.incomplete else None
    description = f"{len(axes.moments)} moments from {axes.moments[0]} to {axes.moments[-1]} UTC; a table follows."
    rows = tuple(zip(axes.moments, cells, strict=True))
    return Chart(name, title, description, shapes, axes.ticks(), scale.ticks, bands, names, rows, out)


def _says(moment: str, names: Sequence[str], texts: Sequence[str]) -> str:
    return f"{moment}: " + ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True) if text != NONE)
