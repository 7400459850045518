"""Values that look like personal data and belong to nobody, for cases that shall read like the real thing.

Owns one range for each kind of data, out of those that are reserved for examples, tests and fiction or were never given
out, and the form of what is made of them. A fake depends on the case's id, its kind and its number, never on the value
that it stands for. Made-up values of a library such as Faker would be somebody's number or address now and then.

There is no fake of a secret: one that looks real sets off every scanner of every repository that the case goes to.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from checks.builtin.pii.policy import TEST_CARDS
from exporters.dataset.spelling import BETWEEN

_DIGIT = re.compile("[0-9]")
_FORM = frozenset("0123456789 +./()-\u00a0\u2010\u2011\u2012\u2013\u2014\u2015")


@dataclass(frozen=True, slots=True)
class Fake:
    """One made-up value: as it is usually written, and the digits that may fill the form of what it stands for."""

    usual: str
    digits: tuple[str, ...] = ()
    """The international form last."""

    def like(self, value: str) -> str:
        """The fake, written as ``value`` is where that has a form for as many digits."""
        count = len(_DIGIT.findall(value))
        forms = self.digits[-1:] if "+" in value else self.digits
        fitting = next((form for form in forms if len(form) == count), None)
        if fitting is None or not _FORM.issuperset(value):
            return self.usual
        left = iter(fitting)
        return _DIGIT.sub(lambda _: next(left), value)


@dataclass(frozen=True, slots=True)
class Fakes:
    """The fakes of one case; ``seed`` is its id."""

    seed: str

    def make(self, entity: str, number: int, value: str) -> Fake | None:
        """The ``number``-th fake (from 1) of a kind, in a form for ``value``; ``None``: there is none, or none left."""
        kind = KINDS.get(entity)
        if kind is None or number > MOST:
            return None
        digest = hashlib.sha256(f"{self.seed}/{entity}".encode()).digest()
        return kind.make(number - 1 + int.from_bytes(digest[:2]), value)


MOST = 700
"""Fakes of one kind in a case; the smallest range has 762. What comes after gets a placeholder."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fake: how the n-th of its range is made for a value, and what all of them look like."""

    make: Callable[[int, str], Fake | None]
    pattern: str


_GIVEN = (
    *("alex", "andrea", "chris", "dana", "jamie", "jordan", "kim", "lee"),
    *("morgan", "noel", "pat", "robin", "sam", "sasha", "taylor", "toni"),
)
_FAMILY = (
    *("baker", "brook", "field", "grove", "hale", "hill", "lake", "marsh"),
    *("moor", "north", "park", "reed", "stone", "vale", "wells", "wood"),
)


def _email(n: int, _: str) -> Fake:
    """RFC 2606, section 3: example.com, example.net and example.org."""
    given, family = _GIVEN[n % 16], _FAMILY[n // 16 % 16]
    return Fake(f"{given}.{family}{n % 1000}@example.{('com', 'net', 'org')[n % 3]}")


_AREAS = ("202", "206", "212", "303", "312", "404", "415", "512", "617", "713")
_ABROAD = re.compile(r"\s*(?:\+|00)\s*44|\s*0(?!0)(?=(?:\D*\d){10}\D*$)")
"""A British number, or as long as one in its national form."""


def _phone(n: int, value: str) -> Fake:
    """North America: 555-0100 to 555-0199 of every area code are for fiction (ATIS-0300115, 555 NXX guidelines).

    London: 020 7946 0000 to 0999 (Ofcom, "Telephone numbers for use in TV and radio drama programmes").
    """
    if _ABROAD.match(value):
        last = f"{n % 1000:03}"
        return Fake(f"+44 20 7946 0{last}", (f"02079460{last}", f"2079460{last}", f"442079460{last}"))
    area, last = _AREAS[n // 100 % 10], f"{n % 100:02}"
    return Fake(f"+1 {area}-555-01{last}", (f"{area}55501{last}", f"1{area}55501{last}"))


def _card(n: int, value: str) -> Fake | None:
    """Numbers that card schemes and payment providers publish for testing; they are few."""
    count = len(_DIGIT.findall(value))
    cards = _CARDS.get(count, _CARDS[16])
    number = cards[n % len(cards)]
    return Fake(number, (number,))


_CARDS = {length: sorted(card for card in TEST_CARDS if len(card) == length) for length in (14, 15, 16)}


def _ssn(n: int, _: str) -> Fake:
    """Area 666 is never assigned (SSA, POMS RM 10201.035; also in the randomised assignment since 2011)."""
    group, serial = 10 + n // 9000 % 90, 1000 + n % 9000
    return Fake(f"666-{group}-{serial}", (f"666{group}{serial}",))


def _itin(n: int, _: str) -> Fake:
    """Groups 50-65, 70-88, 90-92 and 94-99 are in use (IRS, Internal Revenue Manual 3.21.263): 89 is not."""
    area, serial = 900 + n // 9000 % 100, 1000 + n % 9000
    return Fake(f"{area}-89-{serial}", (f"{area}89{serial}",))


def _iban(n: int, value: str) -> Fake:
    """Germany, bank code 0000 0000: the first digit of a bank code is its clearing area, 1 to 8 (Bundesbank)."""
    account = f"00000000{n:010}"
    check = 98 - int(f"{account}131400") % 97  # ISO 13616: D is 13, E is 14
    written = f"DE{check:02}{account}"
    return Fake(" ".join(written[i : i + 4] for i in range(0, 22, 4)) if " " in value.strip() else written)


_NETS = ("192.0.2", "198.51.100", "203.0.113")


def _ip(n: int, value: str) -> Fake:
    """RFC 5737: three networks for documentation; RFC 3849: 2001:db8::/32."""
    return Fake(f"2001:db8::{1 + n % 0xFFF:x}" if ":" in value else f"{_NETS[n // 254 % 3]}.{1 + n % 254}")


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _crypto(n: int, _: str) -> Fake:
    """Addresses of Bitcoin's test network (Base58Check, version 0x6f) of hashes near zero: nobody has their keys."""
    payload = b"\x6f" + n.to_bytes(20)
    checksum = hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    left, written = int.from_bytes(payload + checksum), ""
    while left:
        left, digit = divmod(left, 58)
        written = _BASE58[digit] + written
    return Fake(written)


def _spread(digits: str) -> str:
    """A pattern of single digits, with what may stand between them."""
    return BETWEEN.join(re.findall(r"\[[^]]*\]|.", digits))


KINDS: Mapping[str, Kind] = {
    "EMAIL_ADDRESS": Kind(
        _email, rf"(?:{'|'.join(_GIVEN)})\.(?:{'|'.join(_FAMILY)})[0-9]{{1,3}}@example\.(?:com|net|org)"
    ),
    "PHONE_NUMBER": Kind(
        _phone,
        rf"(?:\+?1{BETWEEN})?\(?{_spread('[2-9][0-9][0-9]55501[0-9][0-9]')}"
        rf"|(?:\+?44{BETWEEN}|0{BETWEEN})?{_spread('2079460[0-9][0-9][0-9]')}",
    ),
    "CREDIT_CARD": Kind(_card, "|".join(_spread(card) for cards in _CARDS.values() for card in cards)),
    "US_SSN": Kind(_ssn, _spread("666[0-9][0-9][0-9][0-9][0-9][0-9]")),
    "US_ITIN": Kind(_itin, _spread("9[0-9][0-9]89[0-9][0-9][0-9][0-9]")),
    "IBAN_CODE": Kind(_iban, "DE[0-9]{2} ?0000 ?0000 ?[0-9]{4} ?[0-9]{4} ?[0-9]{2}"),
    "IP_ADDRESS": Kind(_ip, r"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]{1,3}|2001:db8::[0-9a-f]{1,3}"),
    "CRYPTO": Kind(_crypto, "mfWxJ45yp2SFn7UciZ[1-9A-HJ-NP-Za-km-z]{13,17}"),
}  # fmt: skip -- one line a kind where it fits
"""What there are fakes of. Others (secrets, names) keep their placeholders."""
