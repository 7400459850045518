"""Precision and recall of a PII engine on labelled texts, for tests and benchmarks: ``print(table(scores(...)))``."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.builtin.pii.engine import DEFAULT_ENTITIES, PiiMatch

DATA = Path(__file__).parent / "data" / "pii"


@dataclass
class Score:
    """Counts of one entity: found and labelled, found only, labelled only."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of what was found that is labelled; 1 where nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of what is labelled that was found; 1 where nothing is labelled."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


@dataclass(frozen=True)
class Labelled:
    """One text and the entities in it."""

    id: str
    text: str
    entities: tuple[PiiMatch, ...]


def corpus(name: str) -> Iterator[Labelled]:
    """The texts of ``tests/data/pii/NAME.jsonl`` with their labels out of the default entities."""
    for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        labels = (PiiMatch(e["start"], e["end"], e["type"], 1.0) for e in row["entities"])
        yield Labelled(row["id"], row["text"], tuple(m for m in labels if m.entity in DEFAULT_ENTITIES))


def scores(find: Callable[[str], Sequence[PiiMatch]], texts: Iterable[Labelled]) -> dict[str, Score]:
    """A score for each entity, one over all as ``ALL``, and one that counts texts without labels as ``CLEAN_TEXTS``.

    Found and labelled are the same where the entity is the same and the places overlap, one to one.
    """
    made: dict[str, Score] = defaultdict(Score)
    for item in texts:
        found = find(item.text)
        _count(found, item.entities, made)
        if not item.entities:
            made["CLEAN_TEXTS"].right += not found
            made["CLEAN_TEXTS"].wrong += bool(found)
    return dict(made)


def table(made: Mapping[str, Score]) -> str:
    """The scores to read."""
    rows = [f"{'entity':16}{'P':>7}{'R':>7}{'right':>7}{'wrong':>7}{'missed':>7}"]
    for entity, score in sorted(made.items()):
        numbers = f"{score.right:7}{score.wrong:7}{score.missed:7}"
        rows.append(f"{entity:16}{score.precision:7.3f}{score.recall:7.3f}{numbers}")
    return "\n".join(rows)


def _count(found: Sequence[PiiMatch], labels: Sequence[PiiMatch], made: dict[str, Score]) -> None:
    left = list(labels)
    for match in found:
        hit = next((m for m in left if m.entity == match.entity and m.start < match.end and match.start < m.end), None)
        for name in (match.entity, "ALL"):
            made[name].right += hit is not None
            made[name].wrong += hit is None
        if hit is not None:
            left.remove(hit)
    for label in left:
        made[label.entity].missed += 1
        made["ALL"].missed += 1
