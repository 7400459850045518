"""Phone numbers, found as Presidio's PhoneRecognizer finds them but without parsing every digit of a text.

libphonenumber's parser is written in Python and takes about 0.05 ms a try; Presidio tries every run of digits in eight
regions. Here a run is tried only where the policy could accept what is in it, and only in regions where a number could
look so.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from checks.builtin.pii.numbering import NumberingPlan, could_be_international
from checks.builtin.pii.phone_runs import Part, Run, runs
from checks.builtin.pii.policy import PiiMatch
from checks.builtin.pii.sieve import Sieved

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

_NUMBER_CHARS = 32
"""A longer run counts as so many numbers: it may hold a whole list of them."""
_TRIES = 32
"""How many wrong starts libphonenumber may make in one run, for one region."""
_VALID = 1
"""The leniency of libphonenumber from which on a number must be a valid one, not only as long as one."""


class PhoneScanner:
    """Finds phone numbers with the regions, leniency and score of a ``PhoneRecognizer``."""

    def __init__(self, recognizer: "PhoneRecognizer") -> None:
        _keep_patterns()
        self._leniency = _VALID if recognizer.leniency is None else recognizer.leniency
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
        tried = 0
        for run in runs(sieved):
            if run.gives_way_to(sure) or not run.is_promising():
                continue
            if limit is not None and tried >= limit:
                return found, run.start
            tried += 1 + len(run.value) // _NUMBER_CHARS
            found += self._parse(run, sure)
        return found, None

    def _parse(self, run: Run, sure: Sequence[PiiMatch]) -> list[PiiMatch]:
        """All numbers in a run. Most runs are one number in some region: that is asked first, and is cheap."""
        if self._leniency < _VALID or not run.is_plain():
            return self._whole(run, self._plans) or self._all(run, self._plans)
        near = [match for match in sure if match.start < run.end and run.start < match.end]
        if near and not self._could_hold_one(run, near):
            return []
        whole = self._whole(run, self._regions(run, [run.whole]))
        if whole or not self._could_hold_one(run, near):
            return whole
        # What the policy would not accept counts here: a number that holds one which it would accept hides it.
        return self._all(run, self._regions(run, [*run.parts()]))

    def _could_hold_one(self, run: Run, sure: Sequence[PiiMatch]) -> bool:
        """Whether some part of the run could be a number that the policy accepts beside what is sure."""
        return any(self._regions(run, [part]) and run.accepts(part, sure) for part in run.parts())

    def _regions(self, run: Run, parts: Sequence[Part]) -> Iterable[str]:
        """The regions in which one of the parts could be a valid number."""
        for part in parts if run.is_international else ():
            if part.start == run.start and could_be_international(part.digits):
                return self._plans
        return [region for region, plan in self._plans.items() if any(plan.could_read(part.digits) for part in parts)]

    def _whole(self, run: Run, regions: Iterable[str]) -> list[PiiMatch]:
        """The run as one number of the first region where it is one: what others could find lies in this one."""
        for region in regions:
            for match in self._matches(run, region, 1):
                if match.start <= run.start and match.end >= run.end:
                    return [match]
        return []

    def _all(self, run: Run, regions: Iterable[str]) -> list[PiiMatch]:
        return [match for region in regions for match in self._matches(run, region, _TRIES)]

    def _matches(self, run: Run, region: str, tries: int) -> Iterator[PiiMatch]:
        from phonenumbers import PhoneNumberMatcher

        start, end = run.window
        for match in PhoneNumberMatcher(run.text[start:end], region, leniency=self._leniency, max_tries=tries):
            if start + match.start >= run.end:
                return
            yield PiiMatch(start + match.start, start + match.end, "PHONE_NUMBER", self._score)


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
