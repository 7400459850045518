"""``citations``: an answer from retrieved documents cites them, and cites nothing else.

Numbers count from 1; where the answer cites ``[0]``, it counts from 0. A link to an address that was not retrieved is
an ordinary link, no citation. An answer that the provider marked as refused has nothing to cite.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from checks.builtin.citations.forms import FORMS, Mark, find_marks
from checks.builtin.citations.sentences import statements
from checks.builtin.citations.sources import Sources, addresses
from checks.builtin.citations.text import Prose, read_prose
from checks.check import CheckInfo, OptionError
from checks.finding import Evidence, Finding
from checks.interaction import Interaction

_SHOWN = 10
"""Places that are pointed at, and unresolvable citations that are told one by one; the rest is counted."""
_JUDGED = 500
"""Citations of one answer that are resolved; an answer with more is a run-away."""


@dataclass(frozen=True, slots=True)
class Citations:
    """The answer cites the documents that were retrieved for it.

    ``always``: judge answers without retrieved documents too. ``forms``: the forms that count (keys of ``FORMS``), all
    by default. ``min_citations``: how many citations an answer needs. ``require_resolvable``: whether each must name a
    document that was retrieved. ``max_uncited_share``: the share of sentences (0 to 1) that may cite nothing; null is
    off.
    """

    always: bool = False
    forms: tuple[str, ...] = tuple(FORMS)
    min_citations: int = 1
    require_resolvable: bool = True
    max_uncited_share: float | None = None

    info: ClassVar[CheckInfo] = CheckInfo(
        "citations",
        "1",
        "An answer from retrieved documents cites them.",
        codes={
            "missing": "The answer cites nothing, or too little.",
            "unresolvable": "A citation names something that was not retrieved.",
            "uncited_sentences": "Too many sentences cite nothing.",
        },
    )

    def __post_init__(self) -> None:
        """Refuse options that cannot be.

        Raises:
            OptionError: If an option has the wrong type, or a value that it can't have.
        """
        for option in ("always", "require_resolvable"):
            if not isinstance(getattr(self, option), bool):
                raise OptionError(option, "it must be true or false")
        if isinstance(self.forms, str) or not isinstance(self.forms, Iterable):
            raise OptionError("forms", f"it must be a list of forms: {', '.join(FORMS)}")
        object.__setattr__(self, "forms", tuple(self.forms))
        if not self.forms or not all(isinstance(form, str) and form in FORMS for form in self.forms):
            raise OptionError("forms", f"it must list one or more of: {', '.join(FORMS)}")
        if not _is_number(self.min_citations, int) or self.min_citations < 0:
            raise OptionError("min_citations", "it must be a whole number, 0 or more")
        share = self.max_uncited_share
        if share is not None and not (_is_number(share, (int, float)) and 0 <= share <= 1):
            raise OptionError("max_uncited_share", "it must be a number from 0 to 1, or null to switch it off")

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether there is an answer that should cite: documents were retrieved, or ``always`` is set."""
        if interaction.final_output is None or interaction.refusal:
            return False
        return self.always or bool(interaction.documents)

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:
        """Yield what is wrong with the answer's citations."""
        text = interaction.final_output
        if text is None:
            return
        prose, sources = read_prose(text), Sources.of(interaction)
        marks = find_marks(prose, sources, frozenset(self.forms))
        span_id = interaction.output_span
        yield from self._missing(marks, len(text), span_id)
        # Without a recorded document nothing tells what there was to cite.
        if self.require_resolvable and sources.count:
            yield from _unresolvable(marks[:_JUDGED], prose, sources, span_id)
        if self.max_uncited_share is not None:
            yield from _uncited(prose, marks, self.max_uncited_share, span_id)

    def _missing(self, marks: list[Mark], length: int, span_id: str | None) -> Iterator[Finding]:
        cited = sum(max(1, len(mark.numbers) + len(mark.names)) for mark in marks)
        if cited < self.min_citations:
            message = f"the answer holds {cited} citations and needs {self.min_citations}"
            yield Finding("missing", message, evidence=(Evidence(span_id, "output", 0, length),))


def _is_number(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _unresolvable(marks: list[Mark], prose: Prose, sources: Sources, span_id: str | None) -> Iterator[Finding]:
    first = 0 if any(0 in mark.numbers for mark in marks) else 1
    valid = range(first, first + sources.count)
    bad = [mark for mark in marks if not _is_retrieved(mark, prose, sources, valid)]
    for mark in bad[:_SHOWN]:
        what = (
            f"a number that is not from {first} to {valid[-1]}" if mark.numbers else "a source that was not retrieved"
        )
        place = Evidence(span_id, "output", mark.start, mark.end)
        yield Finding("unresolvable", f"a citation names {what}", evidence=(place,))
    if len(bad) > _SHOWN:
        yield Finding("unresolvable", f"{len(bad) - _SHOWN} more citations name what was not retrieved")


def _is_retrieved(mark: Mark, prose: Prose, sources: Sources, valid: range) -> bool:
    said = prose.definitions.get((mark.footnote or "").casefold())
    if said:
        if sources.mentions(said):
            return True
        if sources.have_addresses and next(addresses(said), None):
            return False
    if not all(number in valid or sources.knows(str(number)) for number in mark.numbers):
        return False
    return _are_known(mark, sources)


def _are_known(mark: Mark, sources: Sources) -> bool:
    """Whether the names that a mark cites were retrieved; names are taken where documents lack them."""
    known = [name for name in mark.names if sources.mentions(name)]
    if any(sources.looks_like_name(name) for name in mark.names if name not in known):
        return False
    if known or mark.numbers:
        return True
    return bool(mark.names) and not sources.are_named


def _uncited(prose: Prose, marks: list[Mark], allowed: float, span_id: str | None) -> Iterator[Finding]:
    marked = bytearray(len(prose.text))
    for mark in marks:
        marked[mark.start : mark.end] = b"\x01" * (mark.end - mark.start)
    sentences = statements(prose.text, marked)
    uncited = [place for place in sentences if marked.find(1, *place) < 0]
    if sentences and len(uncited) / len(sentences) > allowed:
        message = f"{len(uncited)} of {len(sentences)} sentences cite nothing; at most {allowed:.0%} may"
        evidence = tuple(Evidence(span_id, "output", start, end) for start, end in uncited[:_SHOWN])
        yield Finding("uncited_sentences", message, evidence=evidence)
