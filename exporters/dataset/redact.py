"""Personal data and secrets out of a case: every value becomes a placeholder, the same one wherever the case has it.

Values are *learned* from what a scan reports anywhere in the case, then replaced *everywhere*: a number that is
recognised beside the word "phone" is gone from the tool call that holds it without a word, too. Rounds of this go on
until a scan of the whole case, field by field and as one written line, finds nothing; if that does not come about,
there is no case.

presidio-anonymizer is not used here. It replaces by offsets within one text and from the end backwards; a case needs
the contrary: one numbering across many texts in reading order, replacement where the analyzer itself saw nothing, and
respect for the tokens of JSON texts. Its operators take one value at a time and know of no other text, so that fakes
and numbers would have to be made here all the same, and handed to its `custom` operator. What would be left of it is
slicing a string: 370 us where `str.replace` takes 4 (2 KB, 40 values), 27 us for two values in a line, 40 ms and a
cryptography library at start.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from exporters.dataset import captured, placeholders
from exporters.dataset.case import Case
from exporters.dataset.fakes import Fakes
from exporters.dataset.plain import plain
from exporters.dataset.scan import Finder, Scanner
from exporters.dataset.shape import from_json, to_json
from exporters.dataset.vault import ValueLimitError, Vault

ROUNDS = 5
"""A second round is normal (a value learned from its neighbourhood), a third rare; more mean that it will not end."""


class RedactionFailed(Exception):
    """Personal data could not be removed for certain, so there must be no case. The text names types, never values."""


class RedactionUnavailable(Exception):
    """A case could not be looked at now: of what it holds nothing is known. The text says why; try again later."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces personal data and secrets in cases.

    ``find`` tells where personal data is: in the product, ``PiiEngine().find``. With ``fakes``, values out of reserved
    ranges stand for those kinds that have one, else tags such as ``<EMAIL_ADDRESS_1>``.
    """

    find: Finder
    fakes: bool = False
    _usual: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, case: Case, known: Iterable[tuple[str, str]] = ()) -> Case:
        """``case`` with every value replaced, its ``redacted`` naming the kinds, also those replaced before.

        Args:
            case: as it was captured, or redacted before and edited since.
            known: ``(entity, value)`` of personal data already found, replaced even where ``find`` misses it.

        Raises:
            RedactionFailed: something is still found after the last round, or there is too much to be an example.
        """
        shape = to_json(case)
        before = captured.captured(shape)
        redaction = self._redaction(before, case.id, case.redacted or ())
        after = redaction.clean(list(known))
        if after is before:
            return case if case.redacted is not None else replace(case, redacted=())
        made = captured.with_captured(shape, after)
        made["metadata"]["redacted"] = sorted({*(case.redacted or ()), *redaction.vault.entities})
        return from_json(made)

    def texts(
        self, asked: str | None, service: str, case_id: str, known: Iterable[tuple[str, str]] = ()
    ) -> tuple[str | None, str]:
        """A case's input and service alone: as in the case of this id, but for what only its other texts give away.

        ``known`` and errors are those of ``__call__``.
        """
        before = plain([asked, service])
        after = self._redaction(before, case_id).clean(list(known))
        return (asked, service) if after is before else (after[0], after[1])

    def _redaction(self, parts: list[Any], case_id: str, earlier: Iterable[str] = ()) -> "_Redaction":
        return _Redaction(parts, self.find, self._usual, earlier, Fakes(case_id) if self.fakes else None)


class _Redaction:
    """The redaction of the captured ``parts`` of one case, in which values of the kinds ``earlier`` were replaced."""

    def __init__(
        self, parts: list[Any], find: Finder, usual: dict[str, None], earlier: Iterable[str], fakes: Fakes | None
    ) -> None:
        self._parts = parts
        self._texts = captured.texts(parts)
        self._earlier = frozenset(earlier)
        self._scan = Scanner(find, self._masked, usual).scan
        self.vault = Vault(self._texts, fakes)
        self._last = self.vault.disguise if fakes else self.vault.replace

    def clean(self, known: list[tuple[str, str]]) -> list[Any]:
        """The parts with everything replaced that is known or that a scan finds, until a scan finds nothing."""
        values = {value for _, value in known}  # a text that is all known need not be looked at
        parts, change = self._parts, self.vault.replace
        found: list[tuple[str, str]] = list(self._scan(parts, [text for text in self._texts if text not in values]))
        found += known
        for _ in range(ROUNDS):
            if found:
                self._learn(found)
            elif parts is self._parts or change == self._last:
                return parts
            else:  # fakes come last: that what they stand for is gone was seen by tags, which look like nothing else
                change = self._last
            parts = captured.mapped(self._parts, change)
            found = list(self._scan(parts, captured.texts(parts)))
        if found or change != self._last:
            entities = ", ".join(sorted({entity for entity, _ in found}))
            raise RedactionFailed(f"after {ROUNDS} rounds the case still holds {entities or 'what has no fake yet'}")
        return parts

    def _learn(self, found: Iterable[tuple[str, str]]) -> None:
        try:
            self.vault.learn(found)
        except ValueLimitError as error:
            raise RedactionFailed(str(error)) from None

    def _masked(self, text: str) -> str:
        text = self.vault.masked(text)
        return placeholders.masked(text, self._earlier) if self._earlier else text
