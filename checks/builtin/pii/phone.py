"""Phone numbers, found as Presidio's PhoneRecognizer finds them but without parsing every digit of a text.

libphonenumber's parser is written in Python and takes about 0.1 ms a try; Presidio tries every run of digits in eight
regions. Here a run is tried only where the policy could accept what is in it, and no region twice.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.builtin.pii.policy import (
    CONTEXT_CHARS,
    DOTTED_QUAD,
    PHONE_BRACKET,
    PHONE_DIGITS,
    PHONE_PUNCTUATION,
    PHONE_WORD,
    PiiMatch,
    is_date,
)

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

_LEAD = re.compile(rf"(?:[(\[\uff08\uff3b+][{PHONE_PUNCTUATION}]{{0,4}}){{1,2}}\Z")
_LEAD_CHARS = 10
_EXTENSION_CHARS = 40
# What libphonenumber takes for the sign of an extension: digits behind it belong to the number before it.
_EXTENSION = re.compile(
    r"(?i)[0-9]#?(?:;ext=|[ \t,]*(?:e?xt(?:ensi(?:\u00f3?|o\u0301))?n?|\uff45?\uff58\uff54\uff4e?|\u0434\u043e\u0431"
    r"|anexo|[x\uff58#\uff03~\uff5e]|int|\uff49\uff4e\uff54)[:.]?[ \t,-]*)\Z"
)
_NUMBER_PART = re.compile(rf"[0-9{PHONE_PUNCTUATION}+]")
_RUN_CHARS = 250
"""The longest candidate in one line that libphonenumber reads has 21 blocks; longer runs are cut at a space."""
_NUMBER_CHARS = 32
"""A longer run counts as so many numbers: it may hold a whole list of them."""
_MOST_EXTENSIONS = 3
_TRIES = 32
"""How many wrong starts libphonenumber may make in one run, for one region."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of digits and punctuation that may hold phone numbers: ``text[start:end]``."""

    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """The stretch itself."""
        return self.text[self.start : self.end]

    def is_promising(self) -> bool:
        """Whether the policy could accept a number in it (a superset of ``accept_phone``, and much cheaper)."""
        value = self.value
        if "+" in value or PHONE_BRACKET.search(value):
            return True
        if PHONE_WORD.search(self.text, max(0, self.start - CONTEXT_CHARS), self.start):
            return True
        return len(re.findall(r"[0-9]+", value)) >= 3 and not is_date(value) and not DOTTED_QUAD.fullmatch(value)

    def gives_way_to(self, sure: Sequence[PiiMatch]) -> bool:
        """Whether the run lies inside a finding that no number in it could win against; ``sure`` is in order."""
        nearest = bisect_right(sure, self.start, key=lambda match: match.start) - 1
        return nearest >= 0 and self.end <= sure[nearest].end and "+" not in self.value


def runs(text: str) -> Iterator[Run]:
    """Every run of seven digits or more, with the plus or bracket it begins with."""
    for digits in PHONE_DIGITS.finditer(text):
        start, end = _start(text, digits.start()), digits.end()
        while end - start > _RUN_CHARS:
            space = text.rfind(" ", start + 1, start + _RUN_CHARS)
            cut = space if space > 0 else start + _RUN_CHARS
            yield Run(text, start, cut)
            start = cut
        yield Run(text, start, end)


def _start(text: str, start: int) -> int:
    """Where to begin reading so as to read these digits as the whole text's reader does."""
    for _ in range(_MOST_EXTENSIONS):
        before = _EXTENSION.search(text, max(0, start - _EXTENSION_CHARS), start)
        if before is None:
            break
        start = before.start()
        while start > 0 and _NUMBER_PART.match(text, start - 1) and before.start() - start < _RUN_CHARS:
            start -= 1
    lead = _LEAD.search(text, max(0, start - _LEAD_CHARS), start)
    return lead.start() if lead else start


class PhoneScanner:
    """Finds phone numbers with the regions, leniency and score of a ``PhoneRecognizer``."""

    def __init__(self, recognizer: "PhoneRecognizer") -> None:
        self._leniency = 1 if recognizer.leniency is None else recognizer.leniency
        self._score = recognizer.SCORE
        self._regions = tuple(_one_per_calling_code(recognizer.supported_regions))

    def scan(self, text: str, limit: int | None, sure: Sequence[PiiMatch] = ()) -> tuple[list[PiiMatch], int | None]:
        """Find the numbers of a normalised text.

        Args:
            text: the normalised text.
            limit: how many numbers to parse at most, about; ``None`` for all.
            sure: accepted findings of other kinds, in order: a phone number without a plus gives way to each.

        Returns:
            the raw findings, and where the scan stopped early (``None`` where it did not).
        """
        found: list[PiiMatch] = []
        tried = 0
        for run in runs(text):
            if not run.is_promising() or run.gives_way_to(sure):
                continue
            if limit is not None and tried >= limit:
                return found, run.start
            tried += 1 + len(run.value) // _NUMBER_CHARS
            found += self._parse(run)
        return found, None

    def _parse(self, run: Run) -> list[PiiMatch]:
        """All numbers in a run. Most runs are one number in some region: that is asked first, and is cheap."""
        for region in self._regions:
            whole = next((m for m in self._matches(run, region, 1) if m.start <= run.start and m.end >= run.end), None)
            if whole is not None:
                return [whole]  # all that another region could find lies in this one
        return [match for region in self._regions for match in self._matches(run, region, _TRIES)]

    def _matches(self, run: Run, region: str, tries: int) -> Iterator[PiiMatch]:
        from phonenumbers import PhoneNumberMatcher

        offset = max(0, run.start - 1)  # with its neighbours: a letter or a currency sign beside it rules it out
        window = run.text[offset : _window_end(run)]
        for match in PhoneNumberMatcher(window, region, leniency=self._leniency, max_tries=tries):
            if offset + match.start >= run.end:
                return
            yield PiiMatch(offset + match.start, offset + match.end, "PHONE_NUMBER", self._score)


def _one_per_calling_code(regions: Iterable[str]) -> Iterator[str]:
    """Leave out a region that shares its calling code with an earlier one (CA is read as US)."""
    from phonenumbers import country_code_for_region

    seen: set[int] = set()
    for region in regions:
        code = country_code_for_region(region)
        if code not in seen:
            seen.add(code)
            yield region


def _window_end(run: Run) -> int:
    """The end of the run and of an extension behind it ("ext. 12"), not in the middle of a number."""
    end = min(len(run.text), run.end + _EXTENSION_CHARS)
    while end > run.end and end < len(run.text) and run.text[end - 1].isdigit() and run.text[end].isdigit():
        end -= 1
    return end
