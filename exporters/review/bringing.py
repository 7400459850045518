"""Taking a file of cases in, a few at a time: what became of its lines, counted, and each problem named."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.formats.jsonl import line, read_line
from exporters.dataset.gate import AdmitCases, Asked, admitted
from exporters.dataset.intake import Gate, Line, Problem, read
from exporters.dataset.vetting import NOTHING, vet
from exporters.review.admission import ATTEMPTS, Admission, Reviewer
from exporters.store import Fate, Seen, Store

BATCH = 100
"""Cases that are taken in by one transaction; each may have 5 MB, most have a thousandth of that."""
BATCH_CHARACTERS = 16 * 1024 * 1024
KEPT = 1_000
"""Problems that are told one by one; all are counted."""
REFUSED = "refused"

_RULES = {
    Fate.FORGOTTEN: ("metadata.traceId", "is a trace that was forgotten on demand: its case must not come back"),
    Fate.OTHER_TRACE: ("metadata.traceId", "is not that of the case with this id: give this one another id"),
    Fate.CONFLICT: ("id", "is that of a case that was just changed, or whose history could not be searched: try again"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of the cases of a file. ``status`` and ``replace`` as in ``Datasets.bring``.

    ``redact`` replaces what must not get in instead of refusing it; ``dry_run`` changes nothing.
    """

    status: CaseStatus = CaseStatus.PROMOTED
    replace: bool = True
    redact: bool = False
    dry_run: bool = False


def bring_file(store: Store, source: IO[bytes], wanted: Wanted, by: Reviewer, admission: Admission) -> "Brought":
    """Take in a file of cases. ``by`` says who brings it, and where it comes from.

    Raises:
        StoreError: as ``Datasets.bring``; what was taken in by then stays.
    """
    bringing = _Bringing(store, wanted, by, admission)
    take = bringing.take_clean if wanted.redact and not wanted.dry_run else bringing.take
    return bring_all(read(source, gate_of(store, admission.admit, redact=wanted.redact)), take)


@dataclass(frozen=True, slots=True)
class _Bringing:
    """Takes in some cases after others; the rest as in ``bring_file``."""

    store: Store
    wanted: Wanted
    by: Reviewer
    admission: Admission

    def take(self, cases: Sequence[Case]) -> Sequence[Fate]:
        """Take these in as they are."""
        return self._brought(cases, dry_run=self.wanted.dry_run)

    def take_clean(self, cases: Sequence[Case], attempts: int = ATTEMPTS) -> Sequence[Fate]:
        """Take these in, and at one with that replace in those that change what must not be written of the past.

        A case that somebody changes meanwhile is looked at again.
        """
        would = self._brought(cases, dry_run=True)
        changing = [case.id for case, fate in zip(cases, would, strict=True) if fate is Fate.CHANGED]
        seen = {case_id: past for case_id in changing if (past := self.admission.seen(case_id)) is not None}
        fates = dict(zip((case.id for case in cases), self._brought(cases, seen=seen), strict=True))
        late = [case for case in cases if fates[case.id] is Fate.CONFLICT]
        if late and attempts > 1:
            fates |= zip((case.id for case in late), self.take_clean(late, attempts - 1), strict=True)
        return [fates[case.id] for case in cases]

    def _brought(
        self, cases: Sequence[Case], *, dry_run: bool = False, seen: Mapping[str, Seen] | None = None
    ) -> Sequence[Fate]:
        wanted, by, now_ns = self.wanted, self.by, self.admission.now()
        how = {"replace": wanted.replace, "dry_run": dry_run}
        return self.store.datasets.bring(cases, wanted.status, by.who, by.why, now_ns, **how, seen=seen)


def gate_of(store: Store, admit: AdmitCases | None, *, redact: bool) -> Gate:
    """What each case has to pass: what it demands can be met, and ``admit`` lets it in, where there is one.

    With ``redact``, what must not get in is replaced. What is in the dataset as it comes has passed already.
    """

    def gate(case: Case) -> Case:
        stored = store.case(case.id)
        kept = read_line(line(stored.case)) if stored else None
        if stored is not None and stored.status is CaseStatus.PROMOTED and kept == case:
            return case
        vet(case.expectation, kept.expectation if kept else NOTHING)
        return admitted(admit, Asked(case, kept, redact)) if admit is not None else case

    return gate


Take = Callable[[Sequence[Case]], Sequence[Fate]]
"""Takes some cases in and says what became of each."""


@dataclass(slots=True)
class Brought:
    """What became of the lines of a file. ``problems`` holds the first ``KEPT``."""

    counted: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Lines that were not taken in."""
        return self.counted[REFUSED]

    @property
    def figures(self) -> dict[str, int]:
        """How many were added, changed, found unchanged, kept and refused."""
        return {name: self.counted[name] for name in ("added", "changed", "unchanged", "kept", REFUSED)}

    def shown(self) -> dict[str, Any]:
        """As JSON-able data."""
        problems = [{"line": one.line, "key": one.key, "rule": one.rule} for one in self.problems]
        return {**self.figures, "problems": problems}

    def refuse(self, problem: Problem) -> None:
        """Count a line that was not taken in."""
        self.counted[REFUSED] += 1
        if len(self.problems) < KEPT:
            self.problems.append(problem)


def bring_all(lines: Iterable[Line | Problem], take: Take) -> Brought:
    """Take in all cases that can be; a line that cannot costs none of the others anything."""
    brought = Brought()
    waiting: list[Line] = []
    size = 0
    for one in lines:
        if isinstance(one, Problem):
            brought.refuse(one)
            continue
        waiting.append(one)
        size += one.size
        if len(waiting) >= BATCH or size >= BATCH_CHARACTERS:
            _take(waiting, take, brought)
            waiting, size = [], 0
    _take(waiting, take, brought)
    brought.problems.sort(key=lambda problem: problem.line)
    return brought


def _take(lines: Sequence[Line], take: Take, brought: Brought) -> None:
    if not lines:
        return
    for one, fate in zip(lines, take([one.case for one in lines]), strict=True):
        if fate in _RULES:
            brought.refuse(Problem(one.number, *_RULES[fate]))
        else:
            brought.counted[fate.value] += 1
