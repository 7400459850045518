"""libphonenumber's own search, for the runs of which more than the digits decides: extensions, letters, rare signs.

It takes a run apart in each region anew and parses each piece, in 50 microseconds. Here a piece is parsed once in a
region, and not at all where it can be no number. Knows what rules a piece out, and no plans.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING

from checks.builtin.pii.phone_parts import LONGEST, SHORTEST, VALID
from checks.builtin.pii.phone_runs import Run
from checks.builtin.pii.sieve import Stretch

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch, PhoneNumberMatcher

TRIES = 32
"""How many wrong starts may be made in one run, for one region."""
_DIGITS = re.compile("[0-9]+")
_PLAIN = re.compile(r"[0-9 ()\[\]./+-]+")
_LONE_X = "(?<![xX])[xX](?![xX])"
_TWO_X = re.compile(rf"(?s){_LONE_X}[^0-9]*[0-9].*{_LONE_X}.")
"""Behind a single x there is an extension and nothing else, so behind two of them there are not two."""

CouldBe = Callable[[str, bool], Collection[str]]
"""Takes digits and whether there is a plus, returns at least the regions in which they are a valid number."""
Parse = Callable[[str, int], "PhoneNumberMatch | None"]
"""Takes a piece of a text and its place there."""


class Search:
    """What was asked in one scan."""

    def __init__(self, leniency: int, regions: Collection[str], could_be: CouldBe) -> None:
        """Ask with this leniency, in these regions. ``could_be`` counts where numbers have to be valid."""
        self.leniency = leniency
        self._regions = regions
        self._could_be = could_be
        self._possible: dict[str, Collection[str]] = {}
        self._parsed: dict[object, PhoneNumberMatch | None] = {}
        self._is_open: bool | None = None
        """Whether a piece of the run may be a number in some region, once one was looked at."""

    def numbers(self, run: Run) -> list[Stretch]:
        """All numbers in a run, from its start, be there extensions or letters in it."""
        found: list[Stretch] = []
        for region in self._regions:
            self._is_open = None
            for number in self._matches(run, region):
                if number[0] <= 0 and number[1] >= len(run.value):
                    return [number]  # what others could find lies in this one
                found.append(number)
            if self._is_open is False:
                break  # all pieces are ruled out, and in the other regions they are the same
        return found

    def parsed(self, matcher: "PhoneNumberMatcher", piece: str, offset: int, parse: Parse) -> "PhoneNumberMatch | None":
        """What libphonenumber makes of a piece of the matcher's text. It looks at one character on each side."""
        if self.leniency < VALID:
            return parse(piece, offset)
        if piece not in self._possible:
            self._possible[piece] = self._regions_of(piece)
        regions, region = self._possible[piece], matcher.preferred_region
        self._is_open = self._is_open or bool(regions)
        if region not in regions:
            return None
        end = offset + len(piece)
        seen = region, piece, matcher.text[max(0, offset - 1) : offset], matcher.text[end : end + 1]
        if seen not in self._parsed:
            self._parsed[seen] = parse(piece, offset)
        return self._parsed[seen]

    def _regions_of(self, piece: str) -> Collection[str]:
        """Where a piece may be a number."""
        digits = "".join(_DIGITS.findall(piece))
        if len(digits) < SHORTEST or _TWO_X.search(piece):
            return ()
        if not _PLAIN.fullmatch(piece):
            return self._regions
        return self._could_be(digits, "+" in piece) if len(digits) <= LONGEST else ()

    def _matches(self, run: Run, region: str) -> Iterator[Stretch]:
        start, end = run.window
        for match in _matcher_class()(run.text[start:end], region, self):
            if start + match.start >= run.end:
                return
            yield start + match.start - run.start, start + match.end - run.start


@cache
def _matcher_class() -> "Callable[[str, str, Search], PhoneNumberMatcher]":
    from phonenumbers import PhoneNumberMatch, PhoneNumberMatcher

    class Matcher(PhoneNumberMatcher):
        """Leaves to a search what is parsed.

        The method is not of libphonenumber's public interface: where it has another name, all is parsed as ever.
        """

        def __init__(self, text: str, region: str, search: Search) -> None:
            super().__init__(text, region, leniency=search.leniency, max_tries=TRIES)
            self._search = search

        def _parse_and_verify(self, candidate: str, offset: int) -> PhoneNumberMatch | None:
            found = self._search.parsed(self, candidate, offset, super()._parse_and_verify)
            return found and PhoneNumberMatch(offset, found.raw_string, found.number)

    return Matcher
