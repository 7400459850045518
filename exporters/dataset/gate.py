"""The last look at a case before it is in the dataset: what it holds by then may come from a person, or from a file.

Owns the rule that no case gets in with personal data or secrets in it, and how a refusal names the places. It changes
no text: ``Redactor`` does, where that is wanted.

Scanned is what redaction replaces, and those options of checks that the case did not have from sidecheck itself. Not
scanned are ids, names of checks, the configuration's own options and the name of who took the case: they were not
captured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exporters.dataset import captured, placeholders
from exporters.dataset.captured import Text
from exporters.dataset.case import Case
from exporters.dataset.redact import RedactionFailed
from exporters.dataset.scan import Finder, Found, Scanner
from exporters.dataset.shape import to_json

MOST_PLACES = 10
"""So many places are named in a refusal."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A case that is to stand in the dataset, ``trusted`` as in ``admit``; ``redact``: replace what would be found."""

    case: Case
    trusted: Case | None
    redact: bool


Answer = Case | RedactionFailed
"""A case as it may stand in the dataset, or why it must not."""
AdmitCases = Callable[[Sequence[Asked]], Sequence[Answer]]
"""Looks at cases; answers in their order. May raise ``RedactionUnavailable``: then nothing is known of any of them."""


def one_by_one(admit_one: Callable[[Case, Case | None, bool], Case]) -> AdmitCases:
    """Looks at cases by what looks at one: with its trusted form, and whether to redact it."""

    def answer(asked: Asked) -> Answer:
        try:
            return admit_one(asked.case, asked.trusted, asked.redact)
        except RedactionFailed as error:
            return error

    return lambda several: [answer(asked) for asked in several]


def admitted(admit_cases: AdmitCases, asked: Asked) -> Case:
    """One case as it may stand in the dataset. Raises ``RedactionFailed``, ``RedactionUnavailable``."""
    (answer,) = admit_cases([asked])
    if isinstance(answer, RedactionFailed):
        raise answer
    return answer


def admit(case: Case, find: Finder, trusted: Case | None = None) -> Case:
    """``case`` if a scan of what will be written of it finds nothing; its ``redacted`` is then never ``None``.

    Args:
        case: as it would stand in the dataset.
        find: tells where personal data is: in the product, ``PiiEngine().find``.
        trusted: the case as sidecheck made it, or as it was admitted before: its options of checks are configuration.

    Raises:
        RedactionFailed: something was found. The text names kinds and places (keys of an app's own are ``*``).
    """
    shape = to_json(case)
    scanner = Scanner(find, partial(placeholders.masked, entities=case.redacted or ()))
    parts = [*captured.captured(shape), own := _own_checks(case, trusted)]
    found = scanner.scan(parts, captured.texts(parts))
    if found:
        texts = [*captured.placed(shape), *captured.placed_in(own, ("expected", "checks"))]
        raise RedactionFailed(f"the case holds {_listed(dict.fromkeys(_places(texts, found, scanner)))}")
    return case if case.redacted is not None else replace(case, redacted=())


def _own_checks(case: Case, trusted: Case | None) -> dict[str, Any]:
    """The checks that are not as they were in the trusted case, as JSON."""
    known: Mapping[str, Any] = trusted.expectation.checks if trusted is not None else {}
    checks: dict[str, Any] = to_json(case)["expected"]["checks"]
    return {
        name: entry
        for name, entry in checks.items()
        if name not in known or case.expectation.checks[name] != known[name]
    }


def _places(texts: list[Text], found: list[Found], scanner: Scanner) -> Iterator[str]:
    """``KIND in place`` for each text in which something is found; else for those that hold what the line gave away."""
    named = False
    for text in texts:
        for entity, _ in () if text.text in scanner.quiet else scanner.in_text(text.text):
            named = True
            yield f"{entity} in {captured.safe_path(text.path)}"
    if not named:
        yield from (
            f"{entity} in {captured.safe_path(text.path)}"
            for entity, value in found
            for text in texts
            if value in text.text
        )


def _listed(places: Mapping[str, None]) -> str:
    named = [*places][:MOST_PLACES]
    more = len(places) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
