"""What the review page shows of one case: its texts with marks, what it demands, what is like it, what became of it.

Owns the gathering, as plain data. Knows no HTML, no HTTP and changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from checks.report import Outcome, Verdict
from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.shape import to_json
from exporters.review import changes, originals
from exporters.review.fields import write_json
from exporters.review.marks import Piece, evidence, pieces, placeholders
from exporters.review.trial import Demand, Trial
from exporters.store import CaseQuery, Store, StoredCase, StoredTrace

SIMILAR = 5
"""Similar cases of each kind on the page."""
LATEST = 20
"""Changes on the page; all are in ``GET /api/cases/{id}``."""

LABELS: Mapping[str, str] = {
    "answer": "Reference answer",
    "rubric": "Rubric",
    "value": "JSON value",
    "jsonSchema": "JSON Schema",
    "relevantDocuments": "Cites one of",
    "maxLatencyMs": "Takes at most",
    "mustMention": "Mentions",
    "mustNotMention": "Does not mention",
    "expectedToolCalls": "Calls",
    "forbiddenToolCalls": "Does not call",
}
"""A demand for people, by its key in the public shape; its value comes after."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a case, in marked pieces. ``is_recorded`` is false where the app recorded none.

    ``captured`` is the same before anything was replaced; there only when it was asked for and is another text.
    """

    title: str
    pieces: tuple[Piece, ...] = ()
    is_recorded: bool = True
    captured: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One demand: its label and value for people, and how it did."""

    label: str
    value: str
    demand: Demand


@dataclass(frozen=True, slots=True)
class Similar:
    """Other cases: of the same cluster, and those that failed the same checks otherwise."""

    cluster: tuple[StoredCase, ...] = ()
    check: str | None = None
    checked: tuple[StoredCase, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A case as it is shown. ``verdicts`` are the failed ones, none where its trace is no longer stored.

    ``view_problem`` is why nothing of what was captured is shown, where that should be.
    """

    stored: StoredCase
    is_traced: bool
    verdicts: tuple[Verdict, ...]
    output: Text
    input: Text
    context: tuple[Text, ...]
    edits: tuple[changes.Edit, ...]
    similar: Similar
    view_problem: str | None = None

    @property
    def case(self) -> Case:
        """The case itself."""
        return self.stored.case

    @property
    def is_waiting(self) -> bool:
        """Whether nobody decided on it yet."""
        return self.stored.status is CaseStatus.CANDIDATE


def gathered(store: Store, stored: StoredCase, trace: StoredTrace | None, *, with_original: bool = False) -> Candidate:
    """All of that. ``stored`` comes with its history. ``with_original`` shows what was captured beside what is kept."""
    texts = _Texts(stored.case, trace, with_original=with_original)
    case = stored.case
    return Candidate(
        stored=stored,
        is_traced=trace is not None,
        verdicts=tuple(v for v in trace.verdicts if v.outcome is Outcome.FAILED) if trace else (),
        output=texts.of("Answer", case.observed_output, "output"),
        input=texts.of("User", case.input, "input"),
        context=tuple(_context(texts, case)),
        edits=tuple(islice(changes.edits(stored), LATEST)),
        similar=similar(store, stored),
        view_problem=trace.view_problem if trace else None,
    )


def similar(store: Store, stored: StoredCase) -> Similar:
    """The latest other cases of its cluster, and of its first failed check."""
    case = stored.case
    cluster = _others(store, CaseQuery(fingerprint=case.fingerprint, limit=SIMILAR + 1), {case.id})
    if not case.source.failed_checks:
        return Similar(cluster)
    check = case.source.failed_checks[0]
    known = {case.id, *(other.case.id for other in cluster)}
    return Similar(cluster, check, _others(store, CaseQuery(check=check, limit=SIMILAR + len(known)), known))


def rows(case: Case, trial: Trial) -> tuple[Row, ...]:
    """What the case demands, for people, and how each demand did."""
    shape = to_json(case)
    return tuple(Row(LABELS[one.key], _value(shape, one), one) for one in trial.demands)


def _others(store: Store, query: CaseQuery, known: set[str]) -> tuple[StoredCase, ...]:
    return tuple(other for other in store.cases(query).items if other.case.id not in known)[:SIMILAR]


def _value(shape: Mapping[str, Any], demand: Demand) -> str:
    value = shape[demand.key] if demand.key in shape else shape["expected"][demand.key]
    if demand.key in ("mustMention", "mustNotMention", "forbiddenToolCalls"):
        return str(value[demand.item])
    if demand.key == "expectedToolCalls":
        call = value[demand.item]
        return f"{call.get('name')} {write_json(call.get('arguments'))}".strip()
    if demand.key == "relevantDocuments":
        return ", ".join(value)
    if demand.key == "maxLatencyMs":
        return f"{value} ms"
    return value if isinstance(value, str) else write_json(value)


def _context(texts: "_Texts", case: Case) -> Iterator[Text]:
    context = case.context
    if context.system is not None:
        yield texts.of("System prompt", context.system, "system")
    for message in context.messages:
        yield texts.of(_role(message), _said(message), None)
    for number, document in enumerate(context.documents, 1):
        yield texts.of(_titled(number, document), document.get("content"), f"documents[{number - 1}].content")


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role") or "message")
    return f"{role} {message['name']}" if message.get("name") else role


def _said(message: Mapping[str, Any]) -> str | None:
    """The words, and the calls of tools as JSON."""
    parts = [message.get("content"), message.get("refusal"), message.get("toolCalls")]
    said = [part if isinstance(part, str) else write_json(part) for part in parts if part is not None]
    return "\n".join(said) if said else None


def _titled(number: int, document: Mapping[str, Any]) -> str:
    names = dict.fromkeys(str(document[key]) for key in ("id", "title", "source") if document.get(key))
    return f"Document {number}: {', '.join(names)}" if names else f"Document {number}"


class _Texts:
    """Makes the texts of one case, each with the evidence that points into it and with what was replaced."""

    def __init__(self, case: Case, trace: StoredTrace | None, *, with_original: bool) -> None:
        self._entities = frozenset(case.redacted or ())
        self._evidence = evidence(trace.verdicts) if trace else {}
        self._view = (trace.view if trace else None) or {}
        self._with_original = with_original

    def of(self, title: str, text: Any, path: str | None) -> Text:
        """A text of the case; ``path`` is that of the captured one it was made of, as evidence names it."""
        if text is None:
            return Text(title, is_recorded=False)
        shown = text if isinstance(text, str) else write_json(text)
        captured = self._captured(path) if path else None
        swaps = originals.aligned(captured, shown, self._entities) if captured is not None else None
        marks = [*placeholders(shown, self._entities)]
        # Offsets count in what was captured; what was edited or cut since cannot be marked.
        marks += originals.moved(self._evidence.get(path or "", []), swaps) if swaps is not None else []
        return Text(title, tuple(pieces(shown, marks)), captured=self._original(captured, shown, swaps))

    def _original(self, captured: str | None, shown: str, swaps: Sequence[originals.Swap] | None) -> tuple[Piece, ...]:
        if not self._with_original or captured is None or captured == shown:
            return ()
        return tuple(pieces(captured, originals.captured_marks(swaps or ())))

    def _captured(self, path: str) -> str | None:
        value: Any = self._view.get(path)
        if path.startswith("documents["):
            number = int(path.removeprefix("documents[").partition("]")[0])
            documents = self._view.get("documents") or []
            value = documents[number].get("content") if number < len(documents) else None
        return value if isinstance(value, str) else None
