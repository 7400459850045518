"""The table of what the faults cost, for the terminal and, in the long form, for ``tests/faults/README.md``."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from faults.kit.oracle import Comparison, Seen

HEAD = ("fault", "runs", "acknowledged", "lost", "double", "unexplained drops")
BEGIN, END = "<!-- soak -->\n", "<!-- /soak -->\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: how often it struck, spans acknowledged and lost, traces with double verdicts, unexplained drops."""

    fault: str
    runs: int
    acknowledged: int
    lost: int
    double: int
    unexplained: int


class Table:
    """Rows by fault; a fault that is reported again is added to its row."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, fault: str, runs: int, comparison: Comparison, seen: Seen, *explained: str) -> None:
        """Report a fault that struck ``runs`` times and must cause the drops ``explained`` (``what/reason``)."""
        self._add(
            Row(
                fault,
                runs,
                comparison.acknowledged_spans,
                len(comparison.lost),
                len(comparison.double) + len(seen.double),
                sum(seen.unexplained(*explained).values()),
            )
        )

    def add_file(self, fault: str, rows: int, silent: int) -> None:
        """Report that a file which held so many ``rows`` was damaged once, and how many went without a word."""
        self._add(Row(fault, 1, rows, silent, 0, 0))

    def _add(self, new: Row) -> None:
        old = self._rows.get(new.fault, Row(new.fault, 0, 0, 0, 0, 0))
        numbers = (a + b for a, b in zip(astuple(old)[1:], astuple(new)[1:], strict=True))
        self._rows[new.fault] = Row(new.fault, *numbers)

    def as_markdown(self) -> str:
        """The table."""
        lines = [HEAD, ("---",) + ("---:",) * (len(HEAD) - 1), *(astuple(row) for row in self._rows.values())]
        return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)

    def write_to(self, page: Path, notes: Mapping[str, str]) -> None:
        """Put the table, and ``notes`` beneath it, between the page's marks; rows of other faults stay."""
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        there, mark, after = rest.partition(END)
        assert mark, f"{page} lacks {BEGIN.strip()} and {END.strip()}"
        self._rows = {**_rows_in(there), **self._rows}
        told = "".join(f"\n{name}: {value}" for name, value in notes.items())
        page.write_text(f"{before}{BEGIN}{self.as_markdown()}{told}\n{mark}{after}", encoding="utf-8")


def _rows_in(markdown: str) -> dict[str, Row]:
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {fault: Row(fault, *map(int, numbers)) for fault, *numbers in lines[2:]}
