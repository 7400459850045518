"""A line of the benchmark's table: what was measured, its goal, whether that is reached; as text and as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEAD = ("line", "value", "goal", "reached", "beside it")
_RIGHT = (False, True, True, False, False)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a value should keep: at most ``bound``, or at least."""

    bound: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value keeps it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement. ``beside`` are further figures of it, by name and unit; they have no goals."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; ``None`` where there is none."""
        return None if self.goal is None else self.goal.is_met(self.value)

    def cells(self) -> tuple[str, ...]:
        """The line as the columns of ``HEAD``."""
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        beside = ", ".join(f"{name} {number(value)}" for name, value in self.beside.items())
        return (self.name, f"{number(self.value)} {self.unit}".rstrip(), str(self.goal or ""), reached, beside)

    def as_json(self) -> dict[str, Any]:
        """The line as plain data."""
        goal = self.goal and {"bound": self.goal.bound, "at_least": self.goal.at_least}
        own = {"line": self.name, "value": self.value, "unit": self.unit, "goal": goal, "reached": self.reached}
        return {**own, "beside": dict(self.beside)}


def at_most(bound: float) -> Goal:
    """A goal that smaller values reach."""
    return Goal(bound)


def at_least(bound: float) -> Goal:
    """A goal that larger values reach."""
    return Goal(bound, at_least=True)


def number(value: float) -> str:
    """Three figures that count, no more: the rest is noise."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.{1 if size >= 10 else 2}f}"


def as_text(parts: Mapping[str, Sequence[Line]]) -> str:
    """All parts in one table, its columns aligned."""
    rows = [cells for lines in parts.values() for cells in _cells(lines)]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    out = [_aligned(HEAD, widths)]
    for part, lines in parts.items():
        out += ["", part.upper(), *(_aligned(cells, widths) for cells in _cells(lines))]
    return "\n".join(out)


def as_markdown(lines: Iterable[Line]) -> str:
    """The table of one part."""
    rule = tuple("---:" if right else "---" for right in _RIGHT)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, rule, *_cells(lines)))


def _cells(lines: Iterable[Line]) -> list[tuple[str, ...]]:
    return [line.cells() for line in lines]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, _RIGHT, strict=True)
    )
    return "  ".join(padded).rstrip()
