"""Runs each recogniser on those stretches of a text alone in which it could find something.

Owns which stretches of ``sieve`` are whose. A gate may open in vain; where it stays shut, its recogniser would find
nothing that the policy accepts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from checks.builtin.pii.checksums import may_be_card
from checks.builtin.pii.numbers import Form, by_form, find_numbers, find_repeated
from checks.builtin.pii.policy import DOTTED_IP, MANY, OPT_IN_WORDS, PiiMatch
from checks.builtin.pii.recognizers import FindIn, find_each, finder, ip_recognisers, recogniser
from checks.builtin.pii.sieve import Sieved, Stretch

_BESIDE = 1
_BEYOND = 2
"""Characters before and behind a stretch that patterns look at, to see that a value is all of it."""

_HEX = "[0-9A-Fa-f]{1,4}"
_IPV6 = re.compile(rf"{_HEX}:{_HEX}::|::{_HEX}:{_HEX}|(?:{_HEX}:){{6}}|::(?:{_HEX}:)*[0-9]{{1,3}}\.[0-9]")
"""The policy wants three groups: beside a double colon are two on one side, or an IPv4 address, or it has none."""


_WORDS = re.compile(r"[\w:]+")
_LONGEST_IPV6 = 49
"""Nine groups and a double colon, as the patterns let stand before an IPv4 address, and its first number."""
_HEX_DIGIT = re.compile("[0-9A-Fa-f]")
_BITCOIN = re.compile("(?s)bc1.*|[13][1-9A-HJ-NP-Za-km-z]*")
_PLAUSIBLE: Mapping[str, Callable[[str], object]] = {"CRYPTO": _BITCOIN.fullmatch, "CREDIT_CARD": may_be_card}
"""Other values never pass the check, and cost most: random letters and digits are common (base64), so are long ids."""


def _addresses(sieved: Sieved) -> list[Stretch]:
    text, found = sieved.text, sieved.addresses()
    return [s for s in found if _HEX_DIGIT.search(text, *s) and _IPV6.search(text, *s) and _may_end(text, *s)]


def _may_end(text: str, start: int, end: int) -> bool:
    """Whether somewhere few enough letters, digits and colons stand side by side: an address is all of them."""
    return end - start <= _LONGEST_IPV6 or any(len(word) <= _LONGEST_IPV6 for word in _WORDS.findall(text, start, end))


_Stretches = Callable[[Sieved], list[Stretch]]
_STRETCHES: Mapping[str, _Stretches] = {
    "EMAIL_ADDRESS": Sieved.mails,
    "IBAN_CODE": Sieved.codes,
    "CRYPTO": Sieved.words,
    "IPV6": _addresses,
}


@dataclass(frozen=True, slots=True)
class Gates:
    """The recognisers of some entities, each behind the gate that opens it.

    ``numbers`` look at stretches of digits, ``stretches`` at stretches of their own, ``named`` at all of a text that
    holds a word for what they find.
    """

    numbers: tuple[tuple[Form, FindIn], ...]
    stretches: tuple[tuple[_Stretches, FindIn], ...]
    named: tuple[tuple[re.Pattern[str], FindIn], ...]

    @classmethod
    def of(cls, entities: Iterable[str]) -> Self:
        """Make the recognisers of these entities: all in ``policy.RULES`` but phone numbers and those of a model."""
        finders = dict(_finders(entities))
        return cls(
            by_form(finders),
            tuple((_STRETCHES[name], find) for name, find in finders.items() if name in _STRETCHES),
            tuple((_named(name), find) for name, find in finders.items() if name in OPT_IN_WORDS),
        )

    def find(self, sieved: Sieved) -> list[PiiMatch]:
        """What the first two find, before the policy."""
        many = len(sieved.numbers) > MANY
        found = find_repeated(self.numbers, sieved) if many else find_numbers(self.numbers, sieved, sieved.numbers)
        for stretches, find in self.stretches:
            opened = stretches(sieved)
            if opened:
                found += find_each(find, sieved.text, [(start, end + _BEYOND) for start, end in opened], _BESIDE, 0)
        return found

    def find_named(self, text: str) -> list[PiiMatch]:
        """What those find in a normalised text that need a word for it: most of what they take needs no digits."""
        return [match for word, find in self.named if word.search(text) for match in find(text, 0, len(text))]


def _finders(entities: Iterable[str]) -> Iterator[tuple[str, FindIn]]:
    for entity in entities:
        if entity == "IP_ADDRESS":
            for part, made in ip_recognisers().items():
                yield part, finder(made, unquestioned=DOTTED_IP)
        else:
            yield entity, finder(recogniser(entity), _PLAUSIBLE.get(entity))


def _named(entity: str) -> re.Pattern[str]:
    return re.compile(f"(?i){'|'.join(OPT_IN_WORDS[entity])}")
