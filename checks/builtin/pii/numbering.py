"""Whether digits are a phone number, as far as libphonenumber's metadata says it in a few regular expressions.

Its parser takes 50 microseconds for each region that is asked, a plan two, and most digits in a text are no phone
number anywhere. A plan answers yes or no only where the parser would for certain answer the same, and else leaves it to
the parser. Knows plans of numbers, and no text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import NumberFormat, PhoneMetadata, PhoneNumberDesc

_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    "voicemail",
)
"""What the metadata describes one by one; a valid number is of one of these kinds."""
_LONGEST_CALLING_CODE = 3
_SHORTEST_ABROAD = 3
_NEVER = "(?!)"
_FIRST_GROUP = re.compile(r"\(?\\1\)?")
"""A rule for the prefix that prints none: the first group of digits, perhaps in brackets."""

Answer = bool | None
"""Whether digits are a valid number; ``None`` where only libphonenumber can tell."""


class NumberingPlan:
    """The numbers that can be dialled from one region: its own, and those of all regions of its calling code."""

    def __init__(self, region: str) -> None:
        """Make the plan of a region (ISO 3166) that libphonenumber knows."""
        self._own = own = _metadata(region)
        self._regions = regions = tuple(_regions_by_code()[int(own.country_code or 0)])
        self._main = main = _metadata(regions[0])  # by its rules a number is read that is written with the calling code
        self._code = str(own.country_code)
        self._abroad = re.compile(own.international_prefix or _NEVER)
        prefixes = dict.fromkeys((own.national_prefix_for_parsing, main.national_prefix_for_parsing))
        self._prefixes = [re.compile(prefix) for prefix in prefixes if prefix]
        self._removes_prefix = own is main and not own.national_prefix_transform_rule
        self._valid = re.compile(_valid(regions))
        self._shortest = 0 if _adds_digits(own) or _adds_digits(main) else min(map(_shortest, regions))

    def reads(self, digits: str) -> Answer:
        """Whether libphonenumber takes these digits, written without a plus, for a valid number.

        It wants the national prefix before numbers that are always written with it ("0" in most of Europe).
        """
        abroad = self._abroad.match(digits)
        if abroad is not None and not digits.startswith("0", abroad.end()):
            return _reads_abroad(digits[abroad.end() :])
        if len(digits) < self._shortest:
            return False
        if digits.startswith(self._code):
            if self._removes_code(digits):
                return True
            return None if self._possible.fullmatch(digits) else False
        prefix = self._prefix_of(digits)
        if prefix is None:
            if not self._valid.fullmatch(digits) or self._wants_prefix(digits):
                return False
            return True if self._sure.fullmatch(digits) else None
        if self._removes_prefix and self._sure.fullmatch(digits, prefix.end()):
            return True
        return None if self._possible.fullmatch(digits) else False

    def reads_behind_code(self, national: str) -> Answer:
        """Whether libphonenumber takes these digits, written behind a plus and the calling code, for a valid number."""
        if len(national) < self._shortest:
            return False
        if self._prefix_of(national) is not None:
            return None if self._possible_behind_code.fullmatch(national) else False
        if not self._valid.fullmatch(national):
            return False
        return True if self._sure.fullmatch(national) else None

    def _removes_code(self, digits: str) -> bool:
        """Whether these digits certainly are the calling code and a valid number."""
        national = digits[len(self._code) :]
        is_clear = self._own is self._main and self._prefix_of(national) is None and not self._general.fullmatch(digits)
        return is_clear and self._sure.fullmatch(national) is not None

    def _prefix_of(self, digits: str) -> re.Match[str] | None:
        for prefix in self._prefixes:
            found = prefix.match(digits)
            if found is not None:
                return found
        return None

    def _wants_prefix(self, national: str) -> bool:
        form = self._forms.fullmatch(national)
        return form is not None and str(form.lastgroup).startswith("prefixed")

    @cached_property
    def _forms(self) -> re.Pattern[str]:
        return re.compile(_forms(self._main.number_format))

    @cached_property
    def _general(self) -> re.Pattern[str]:
        general = self._own.general_desc
        return re.compile((general and general.national_number_pattern) or _NEVER)

    @cached_property
    def _sure(self) -> re.Pattern[str]:
        """What is valid in the main region, where the search among the regions of the calling code ends there."""
        is_found_first = self._main.leading_digits is None or len(self._regions) == 1
        return re.compile(_described_in(self._main) if is_found_first else _NEVER)

    @cached_property
    def _possible(self) -> re.Pattern[str]:
        return re.compile(f"(?:{self._code})?{self._possible_behind_code.pattern}")

    @cached_property
    def _possible_behind_code(self) -> re.Pattern[str]:
        prefixes = {_prefix(self._own), _prefix(self._main)} - {""}
        if None in prefixes:
            return re.compile("[0-9]*")
        prefix = f"(?:{'|'.join(map(str, prefixes))}){{0,2}}" if prefixes else ""
        return re.compile(f"{prefix}(?:{_valid(self._regions)})")


def split_code(digits: str) -> tuple[int, str]:
    """The calling code that digits behind a plus begin with, and the rest. 0 where there is none."""
    known = _regions_by_code()
    for length in range(1, _LONGEST_CALLING_CODE + 1) if not digits.startswith("0") else ():
        code = int(digits[:length])
        if code in known:  # no code is the beginning of another
            return code, digits[length:]
    return 0, digits


def reads_international(code: int, national: str) -> Answer:
    """Whether libphonenumber takes a plus, a calling code (see ``split_code``) and these digits for a valid number."""
    plan = _plan_of(code)
    return None if plan is None else plan.reads_behind_code(national)


def _reads_abroad(digits: str) -> Answer:
    """As ``reads_international``, of digits behind a prefix for calls abroad, which begin with a calling code."""
    if len(digits) < _SHORTEST_ABROAD:
        return False
    code, national = split_code(digits)
    return reads_international(code, national) if code else False


@cache
def _regions_by_code() -> Mapping[int, Sequence[str]]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    regions: Mapping[int, Sequence[str]] = COUNTRY_CODE_TO_REGION_CODE
    return regions


@cache
def _plan_of(calling_code: int) -> NumberingPlan | None:
    """The plan of the countries of a calling code, of some 200; ``None`` if it is of no country, as of satellites."""
    from phonenumbers import REGION_CODE_FOR_NON_GEO_ENTITY

    region = _regions_by_code()[calling_code][0]
    return None if region == REGION_CODE_FOR_NON_GEO_ENTITY else NumberingPlan(region)


def _prefix(metadata: "PhoneMetadata") -> str | None:
    """What may stand before a national number and is not a part of it; ``None`` where it becomes other digits."""
    prefix, rule = metadata.national_prefix_for_parsing, metadata.national_prefix_transform_rule
    if not prefix or not rule:
        return prefix or ""
    # The rule keeps one group of the prefix, which is the end of the digits: what is before it can be anything.
    return None if _adds_digits(metadata) else "[0-9]*?"


def _adds_digits(metadata: "PhoneMetadata") -> bool:
    """Whether what is dialled may become a longer number: its rule does more than keep one group of the digits."""
    rule = metadata.national_prefix_transform_rule
    return rule is not None and rule != "" and re.fullmatch(r"\\[0-9]", rule) is None


def _shortest(region: str) -> int:
    """How many digits a valid number of a region has at least."""
    general = _metadata(region).general_desc
    return min(general.possible_length, default=0) if general else 0


@cache
def _valid(regions: tuple[str, ...]) -> str:
    """Matches what is of any kind in any of the regions."""
    found = (kind for region in regions for kind in _kinds(_metadata(region)))
    return "|".join(f"(?:{pattern})" for pattern in dict.fromkeys(kind.national_number_pattern for kind in found))


def _described_in(metadata: "PhoneMetadata") -> str:
    """Matches what is valid in this very region: as it describes all of its numbers, and as one kind of them."""
    kinds = "|".join(map(_described, _kinds(metadata)))
    return f"(?={_described(metadata.general_desc)}\\Z)(?:{kinds or _NEVER})" if metadata.general_desc else _NEVER


def _described(kind: "PhoneNumberDesc") -> str:
    lengths = "|".join(f"[0-9]{{{length}}}" for length in kind.possible_length)
    is_long_enough = f"(?=(?:{lengths})\\Z)" if lengths else ""
    return f"{is_long_enough}(?:{kind.national_number_pattern})"


def _kinds(metadata: "PhoneMetadata") -> "list[PhoneNumberDesc]":
    kinds = (getattr(metadata, kind) for kind in _KINDS)
    return [kind for kind in kinds if kind is not None and kind.national_number_pattern]


def _forms(forms: "Iterable[NumberFormat]") -> str:
    """Matches a national number in the first of the forms that it has, in a group named ``bare...`` or ``prefixed...``.

    The second are those that are always printed with the national prefix.
    """
    groups = groupby(forms, lambda form: "bare" if _is_bare(form) else "prefixed")
    parts = (f"(?P<{name}{n}>{'|'.join(map(_form, some))})" for n, (name, some) in enumerate(groups))
    return "|".join(parts) or _NEVER


def _form(form: "NumberFormat") -> str:
    start = f"(?={form.leading_digits_pattern[-1]})" if form.leading_digits_pattern else ""
    return f"{start}(?:{form.pattern})"


def _is_bare(form: "NumberFormat") -> bool:
    rule = form.national_prefix_formatting_rule
    return not rule or form.national_prefix_optional_when_formatting or _FIRST_GROUP.fullmatch(rule) is not None


def _metadata(region: str) -> "PhoneMetadata":
    from phonenumbers import PhoneMetadata

    found = PhoneMetadata.metadata_for_region(region)
    if found is None:
        raise LookupError(f"libphonenumber knows no region {region}")
    return found
