"""Which of a recogniser's findings count as personal data. Owns the accept rules and which of two overlapping wins.

Scores are Presidio's raw ones. A rule sees the normalised text and looks a few characters around the finding: a
pattern alone cannot tell a phone number from an ISBN, nor a public address from a version number.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from checks.builtin.pii.context import CONTEXT_CHARS, follows, words
from checks.builtin.pii.phone_signs import is_phone


class PiiMatch(NamedTuple):
    """One piece of personal data: ``text[start:end]``, in code points. ``score`` is Presidio's own, 0 to 1."""

    start: int
    end: int
    entity: str
    score: float


_BEFORE = CONTEXT_CHARS + 1
_AFTER = 4
"""Characters before and behind a finding that a rule may look at."""
MANY = 16
"""Of more findings or stretches than that it is worth while to ask whether one reads as another before it."""
_NO_DIGIT = re.compile("[^0-9]")


class Found(NamedTuple):
    """A raw finding beside the text around it, for a rule to look at."""

    text: str
    match: PiiMatch

    @property
    def value(self) -> str:
        """The matched text."""
        return self.text[self.match.start : self.match.end]

    @property
    def after(self) -> str:
        """The next few characters."""
        return self.text[self.match.end : self.match.end + _AFTER]

    @property
    def digits(self) -> str:
        """The digits of the value."""
        return _NO_DIGIT.sub("", self.value)

    def follows(self, pattern: re.Pattern[str], within: int = CONTEXT_CHARS) -> bool:
        """Whether the pattern matches in so many characters before it."""
        return follows(pattern, self.text, self.match.start, within)


Rule = Callable[[Found], bool]


# RFC 2606 and RFC 6761: names that belong to nobody.
_RESERVED_DOMAIN = re.compile(r"(?i)(?:^|\.)(?:example(?:\.[a-z]{2,3}){1,2}|example|test|invalid|localhost)$")


def accept_email(found: Found) -> bool:
    """An address of a domain that somebody can own."""
    return found.match.score >= 0.5 and not _RESERVED_DOMAIN.search(found.value.rpartition("@")[2])


def accept_phone(found: Found) -> bool:
    """What looks like a phone number to a reader too, not only to libphonenumber."""
    return is_phone(found.text, found.match.start, found.match.end)


# The numbers that the card schemes and payment providers publish for testing.
TEST_CARDS = frozenset(
    re.findall(
        "[0-9]+",
        """4111111111111111 4242424242424242 4012888888881881 4222222222222 4000056655665556 4000000000000002
        4000000000009995 4000000000003220 4000002500003155 4000000000000077 4917610000000000 4005519200000004
        4009348888881881 4012000033330026 4012000077777777 4217651111111119 4500600000000061 5555555555554444
        5105105105105100 5200828282828210 5454545454545454 5424000000000015 378282246310005 371449635398431
        378734493671000 370000000000002 6011111111111117 6011000990139424 6011000000000004 30569309025904
        38520000023237 36227206271667 3530111333300000 3566002020360505 6304000000000000 6759649826438453""",
    )
)
_DECIMAL_POINT = re.compile(r"[0-9][.,]$")
_DECIMALS = re.compile("[.,][0-9]")
_CARD_WORD = words("cards?", "credit", "debit", "visa", "mastercard", "amex", "pan", "cc", "uatp")


def accept_card(found: Found) -> bool:
    """A number that passes Luhn's check, is not published for tests and is not part of a decimal fraction."""
    digits = found.digits
    if digits in TEST_CARDS or len(set(digits)) <= 2:
        return False
    if found.follows(_DECIMAL_POINT, 3) or _DECIMALS.match(found.after):
        return False
    return digits[0] != "1" or found.follows(_CARD_WORD)  # Only UATP cards begin with 1, ids often do.


_SSN_WORD = words("ssns?", "social(?: security)?")
_ITIN_WORD = words("itins?", "tax ?payers?")
_STEMS = {"US_SSN": re.compile("ssn|soc"), "US_ITIN": re.compile("[i\u0131]\u0307?t[i\u0131]\u0307?n|tax")}
"""Match in whatever the words do once it is folded."""


def may_be_named(entity: str, text: str, start: int, end: int) -> bool:
    """Whether a word that names a US number may stand before some place in ``text[start:end]``: a cheap superset."""
    return _STEMS[entity].search(text[max(0, start - CONTEXT_CHARS) : end].casefold()) is not None


def accept_ssn(found: Found) -> bool:
    """Written with separators or named as one; areas from 900 were never issued."""
    return found.digits[0] != "9" and (found.match.score >= 0.5 or found.follows(_SSN_WORD))


def accept_itin(found: Found) -> bool:
    """Written with separators or named as one."""
    return found.match.score >= 0.5 or found.follows(_ITIN_WORD)


def accept_scored(found: Found) -> bool:
    """Presidio itself is at least half sure: what it gives where a checksum holds."""
    return found.match.score >= 0.5


_NOBODYS = tuple(
    (network.version, int(network.network_address), int(network.broadcast_address))
    for network in map(
        ipaddress.ip_network,
        [
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
        ],
    )
)
"""Networks of no single owner: version, and the first and last address as numbers, which compare fast."""
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
DOTTED_IP = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")
"""An IPv4 address as it is always written."""
_DOT = re.compile(r"\.$")
_MORE = re.compile("[./][0-9]")
_VERSION_WORD = re.compile(
    r"(?i)(?:v(?:ersion|er)?|rel(?:ease)?|build|firmware|driver|chapter|section|clause|oid|chrom(?:e|ium)|edge)"
    r"[ :=/#]{0,2}$"
)


def accept_ip(found: Found) -> bool:
    """A public address of one host: no private range, no network (CIDR), no version or section number."""
    value = found.value.partition("%")[0]
    if found.match.score < 0.5 or "/" in value or _MORE.match(found.after):
        return False
    if found.follows(_DOT, 2) or found.follows(_VERSION_WORD, 12):
        return False
    version, number = _address(value)
    return version > 0 and not any(first <= number <= last and of == version for of, first, last in _NOBODYS)


def _address(value: str) -> tuple[int, int]:
    """The version of an address and the address as a number. Version 0 if it is none, or looks more like code."""
    if DOTTED_IP.fullmatch(value):  # most are; ``ipaddress`` takes five times as long
        first, second, third, fourth = map(int, value.split("."))
        return 4, (first << 24) + (second << 16) + (third << 8) + fourth
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return 0, 0
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif sum(map(bool, value.split(":"))) < 3:
            return 0, 0  # `a::b` and `x[1::2]` are code.
    return address.version, int(address)


def named(*alternatives: str) -> Rule:
    """A rule that holds only where one of the words stands before the value."""
    pattern = words(*alternatives)
    return lambda found: found.follows(pattern)


OPT_IN_WORDS: Mapping[str, tuple[str, ...]] = {
    "US_PASSPORT": ("passports?(?: (?:no|number))?",),
    "US_DRIVER_LICENSE": ("driv(?:er|ing)['\u2019]?s?", "licen[cs]e", "permit", "dln?"),
    "US_BANK_NUMBER": ("accounts?", "acct", "bank"),
    "UK_NHS": ("nhs", "national health(?: service)?"),
    "MEDICAL_LICENSE": ("dea", "medical(?: licen[cs]e| certificate)?"),
}
"""Entities whose pattern says next to nothing: looked for only on demand, and only behind one of these words."""

DEFAULT_ENTITIES = (
    *("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "US_ITIN", "IBAN_CODE", "IP_ADDRESS", "CRYPTO"),
)
OPT_IN_ENTITIES = tuple(OPT_IN_WORDS)
NER_ENTITIES = ("PERSON", "LOCATION")
"""Entities that only a language model can find."""

RULES: Mapping[str, Rule] = {
    "EMAIL_ADDRESS": accept_email,
    "PHONE_NUMBER": accept_phone,
    "CREDIT_CARD": accept_card,
    "US_SSN": accept_ssn,
    "US_ITIN": accept_itin,
    "IBAN_CODE": accept_scored,
    "IP_ADDRESS": accept_ip,
    "CRYPTO": accept_scored,
    **{entity: named(*names) for entity, names in OPT_IN_WORDS.items()},
    **dict.fromkeys(NER_ENTITIES, accept_scored),
}

_RANKS = {"EMAIL_ADDRESS": 0, "CREDIT_CARD": 0, "IBAN_CODE": 0, "CRYPTO": 0, "US_ITIN": 1, "IP_ADDRESS": 1}
_RANKS |= {"US_SSN": 3, **dict.fromkeys(OPT_IN_ENTITIES, 4), "PHONE_NUMBER": 5, **dict.fromkeys(NER_ENTITIES, 6)}


def apply(text: str, raw: Iterable[PiiMatch]) -> list[PiiMatch]:
    """The findings that are personal data, in order of place, no two overlapping.

    Args:
        text: the normalised text.
        raw: what the recognisers found in it; the order and repetitions make no difference.
    """
    found = sorted(set(raw))
    if all(match.end <= following.start for match, following in pairwise(found)):
        return _accepted(text, found)
    kept = _accepted(text, drop_contained(found))
    return _without_overlaps(text, kept) if len(kept) > 1 else kept


def _accepted(text: str, found: Sequence[PiiMatch]) -> list[PiiMatch]:
    """Those that the rules accept. Where there are many, those that read alike are judged once."""
    if len(found) <= MANY:
        return [match for match in found if RULES[match.entity](Found(text, match))]
    kept, known = [], dict[object, bool]()
    for match in found:
        start, end, entity, score = match
        first = start - _BEFORE if start > _BEFORE else 0
        seen = text[first : end + _AFTER], start - first, end - start, entity, score
        is_accepted = known.get(seen)
        if is_accepted is None:
            is_accepted = known[seen] = RULES[entity](Found(text, match))
        if is_accepted:
            kept.append(match)
    return kept


def drop_contained(raw: Iterable[PiiMatch]) -> list[PiiMatch]:
    """Leave out a finding that lies in another of the same entity with the same score or more, as Presidio does."""
    distinct = set(raw)
    if len(distinct) < 2:
        return list(distinct)
    kept: list[PiiMatch] = []
    active: list[PiiMatch] = []
    for match in sorted(distinct, key=lambda m: (m.entity, m.start, -m.end, -m.score)):
        active = [m for m in active if m.end >= match.start and m.entity == match.entity]
        if not any(match.end <= m.end and match.score <= m.score for m in active):
            active.append(match)
            kept.append(match)
    return kept


def _without_overlaps(text: str, matches: Iterable[PiiMatch]) -> list[PiiMatch]:
    """Of two that overlap keep the surer kind: validated, then address or ITIN, ``+`` phone, SSN, the rest."""

    def rank(match: PiiMatch) -> tuple[float, ...]:
        international = match.entity == "PHONE_NUMBER" and "+" in text[match.start : match.end]
        return 2 if international else _RANKS[match.entity], match.start - match.end, -match.score, match.start

    kept: list[PiiMatch] = []
    taken = bytearray(len(text))
    for match in sorted(matches, key=rank):
        if not any(taken[match.start : match.end]):
            taken[match.start : match.end] = b"\1" * (match.end - match.start)
            kept.append(match)
    return sorted(kept)
