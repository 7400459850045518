"""Phone numbers, found as Presidio's PhoneRecognizer finds them but without parsing every digit of a text.

libphonenumber's parser is written in Python and takes about 0.05 ms a try; Presidio tries every run of digits in eight
regions. Here a run is tried only where the policy could accept what is in it, and the parser is asked only for what
the plans of numbers do not tell.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from checks.builtin.pii.numbering import Answer, NumberingPlan, reads_international, split_code
from checks.builtin.pii.phone_parts import VALID, Part, Shapes, candidate, parts, seen_around, whole
from checks.builtin.pii.phone_runs import Run, runs
from checks.builtin.pii.phone_search import TRIES, Search
from checks.builtin.pii.policy import PiiMatch
from checks.builtin.pii.sieve import Sieved, Stretch

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

_NUMBER_CHARS = 16
"""A longer run counts as so many numbers: it may hold a whole list of them."""
_NUMBER_PARTS = 8
"""So does one that has to be taken apart into many pieces: a number has about four."""

_Answers = dict[tuple[str, bool], dict[str, Answer]]
"""What was asked in one scan: the digits and whether there is a plus, and the regions in which they could be valid."""


_Parts = tuple[int, list[tuple[Part, dict[str, Answer]]]]
"""How many parts of a candidate are tried, and of those, in order, the ones that could be numbers."""


class _Numbers(NamedTuple):
    """Where there are numbers in a run, from its start, and how many parts of it were looked at for that."""

    stretches: Sequence[Stretch]
    parts: int


class _Known:
    """What a scan has found out by now. In a text that goes round in circles most of it is the same again.

    ``answers``, the ``shapes`` of parts, promising runs by what stands ``around`` them, ``runs`` by what is seen in
    them, and ``candidates`` by the same: with the start of the first of those that read alike, as their parts differ in
    nothing but the place. ``search`` is what libphonenumber itself was asked.
    """

    def __init__(self) -> None:
        self.search: Search | None = None
        self.answers: _Answers = {}
        self.shapes: Shapes = {}
        self.around: dict[object, _Numbers] = {}
        self.runs: dict[object, _Numbers] = {}
        self.candidates: dict[object, tuple[int, _Parts]] = {}


class _Candidate(NamedTuple):
    """What is read at once: how many parts of it are tried, and those, in order, that could be numbers in a region."""

    start: int
    end: int
    tries: int
    could_be: Sequence[tuple[Part, dict[str, Answer]]]
    by: int
    """What to add to the places of the parts, which are those of the first candidate that reads alike."""


class _Reading:
    """What has been looked at in one run: its candidates, which begin anywhere, and the places of their parts."""

    def __init__(self, run: Run) -> None:
        self.text = run.text
        self.start, self.end = run.read
        self.tried: set[Stretch] = set()
        self.candidates: dict[int, _Candidate | None] = {}
        """The next one from a place: most regions go the same way through a run."""


class PhoneScanner:
    """Finds phone numbers with the regions, leniency and score of a ``PhoneRecognizer``."""

    def __init__(self, recognizer: "PhoneRecognizer") -> None:
        _keep_patterns()
        self._leniency = VALID if recognizer.leniency is None else recognizer.leniency
        self._score = recognizer.SCORE
        self._plans = {region: NumberingPlan(region) for region in _one_per_calling_code(recognizer.supported_regions)}

    def scan(
        self, sieved: Sieved, limit: int | None, sure: Sequence[PiiMatch] = ()
    ) -> tuple[list[PiiMatch], int | None]:
        """Find the numbers of a normalised text.

        Args:
            sieved: the normalised text.
            limit: how many numbers to parse at most, about; ``None`` for all.
            sure: accepted findings of other kinds, in order: a phone number without a plus gives way to each.

        Returns:
            the raw findings, and where the scan stopped early (``None`` where it did not).
        """
        found: list[PiiMatch] = []
        known, tried = None, 0
        for run in runs(sieved, sure):
            if limit is not None and tried >= limit:
                return found, run.start
            known = known or _Known()
            around = run.around
            if around not in known.around:
                known.around[around] = self._numbers(run, known)
            numbers, parts_tried = known.around[around]
            for start, end in numbers:
                found.append(PiiMatch(run.start + start, run.start + end, "PHONE_NUMBER", self._score))
            tried += max(1 + len(run.value) // _NUMBER_CHARS, parts_tried // _NUMBER_PARTS)
        return found, None

    def _numbers(self, run: Run, known: _Known) -> _Numbers:
        plain = run.seen if self._leniency == VALID else None
        seen = plain or run.seen_around
        if seen not in known.runs:
            known.runs[seen] = self._read(run, known) if plain else self._searched(run, known)
        return known.runs[seen]

    def _searched(self, run: Run, known: _Known) -> _Numbers:
        if known.search is None:
            known.search = Search(self._leniency, self._plans, partial(self._could_be, known.answers))
        return _Numbers(known.search.numbers(run), 0)

    def _read(self, run: Run, known: _Known) -> _Numbers:
        """All numbers in a plain run. Most are one number in some region: that is asked first, and is cheap.

        What the policy would not accept counts here: a number that holds one which it would accept hides it.
        """
        text, start, end = run.text, run.start, run.end
        if not run.is_piece and candidate(text, start, end) == (start, end):
            part = whole(text, start, end)
            if part is not None and self._is_number_anywhere(part, text, known.answers):
                return _Numbers([(0, end - start)], 0)
            if run.value.isdigit():
                return _Numbers([], 0)
        reading = _Reading(run)
        found = {found for region in self._plans for found in self._of_region(region, reading, run.end, known)}
        return _Numbers([(first - start, last - start) for first, last in found], len(reading.tried))

    def _is_number_anywhere(self, part: Part, text: str, known: _Answers) -> bool:
        """Whether a part is a valid number of any region. The first certain answer is enough; mostly there is one."""
        key = part.digits, part.has_plus
        if key not in known:
            possible: dict[str, Answer] = {}
            for region, answer in self._asked(*key):
                if answer and part.is_sure:
                    return True
                if answer is not False:
                    possible[region] = answer
            known[key] = possible
        return any(_is_number(part, text, region, known[key]) for region in [*known[key]])

    def _of_region(self, region: str, reading: _Reading, end: int, known: _Known) -> Iterator[Stretch]:
        """What libphonenumber reads before ``end`` for one region. It goes on behind each number that it finds."""
        text, position, tries = reading.text, reading.start, TRIES
        while tries > 0:
            if position not in reading.candidates:
                reading.candidates[position] = self._candidate(position, reading, known)
            read = reading.candidates[position]
            if read is None or read.start >= end:
                return
            position, tries, by = read.end, tries - read.tries, read.by
            for part, in_regions in read.could_be:
                if region in in_regions and _is_number(part, text, region, in_regions):
                    position, tries = part.end + by, tries + read.tries
                    yield part.start + by, position
                    break

    def _candidate(self, position: int, reading: _Reading, known: _Known) -> _Candidate | None:
        span = candidate(reading.text, position, reading.end)
        if span is None:
            return None
        seen = seen_around(reading.text, *span)
        if seen not in known.candidates:
            tried = parts(reading.text, *span, reading.tried, known.shapes)
            known.candidates[seen] = span[0], self._take_apart(tried, known.answers)
        first, (tries, could_be) = known.candidates[seen]
        return _Candidate(*span, tries, could_be, span[0] - first)

    def _take_apart(self, tried: Sequence[Part], known: _Answers) -> _Parts:
        answered = ((part, self._could_be(known, part.digits, part.has_plus)) for part in tried)
        return 1 + len(tried), [(part, in_regions) for part, in_regions in answered if in_regions]

    def _could_be(self, known: _Answers, digits: str, has_plus: bool) -> dict[str, Answer]:
        key = digits, has_plus
        if key not in known:
            known[key] = {region: answer for region, answer in self._asked(*key) if answer is not False}
        return known[key]

    def _asked(self, digits: str, has_plus: bool) -> Iterator[tuple[str, Answer]]:
        code, national = split_code(digits) if has_plus else (0, digits)
        if code:
            answer = reads_international(code, national)
            yield from ((region, answer) for region in self._plans)
            return
        for region, plan in self._plans.items():
            answer = plan.reads(digits)
            yield region, None if answer and has_plus else answer


def _is_number(part: Part, text: str, region: str, in_regions: dict[str, Answer]) -> bool:
    """Whether a part is a valid number of a region. libphonenumber is asked where the answer is not certain."""
    answer = in_regions[region]
    if answer is not None and part.is_sure:
        return answer
    from phonenumbers import PhoneNumberMatcher

    found = next(iter(PhoneNumberMatcher(part.shown(text), region, leniency=VALID, max_tries=1)), None)
    is_number = found is not None and _is_whole(part, found.raw_string)
    if part.is_sure:
        in_regions[region] = is_number
    return is_number


def _is_whole(part: Part, found: str) -> bool:
    """Whether what libphonenumber found is all of the part: it may leave out a plus before what is no calling code."""
    return sum(map(str.isdigit, found)) == len(part.digits) and ("+" in found) == part.has_plus


def _one_per_calling_code(regions: Iterable[str]) -> Iterator[str]:
    """Leave out a region that shares its calling code with an earlier one (CA is read as US)."""
    from phonenumbers import country_code_for_region

    seen: set[int] = set()
    for region in regions:
        code = country_code_for_region(region)
        if code not in seen:
            seen.add(code)
            yield region


def _keep_patterns() -> None:
    """Let libphonenumber keep its compiled patterns: there are more than ``re`` itself keeps."""
    import phonenumbers

    keep = getattr(phonenumbers, "enable_pattern_cache", None)  # older releases have none
    if keep is not None:
        keep()
