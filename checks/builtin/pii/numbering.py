"""Whether digits could be a phone number at all: a superset of what libphonenumber takes for a valid one.

Its parser takes 50 microseconds for each region that is asked; a regular expression made of its own metadata takes two,
and most digits in a text are no phone number anywhere. Knows plans of numbers, and no text.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata

_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    "voicemail",
)
"""What the metadata describes one by one; a valid number is of one of these kinds."""
_LONGEST_CALLING_CODE = 3


class NumberingPlan:
    """The numbers that can be dialled from one region: its own, and those of all regions of its calling code."""

    def __init__(self, region: str) -> None:
        """Make the plan of a region (ISO 3166) that libphonenumber knows."""
        from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

        metadata = _metadata(region)
        regions = COUNTRY_CODE_TO_REGION_CODE[int(metadata.country_code or 0)]
        # A number that is written with its calling code is read by the rules of the first region that has this code.
        prefixes = {_prefix(metadata), _prefix(_metadata(regions[0]))} - {""}
        if None in prefixes:
            self._readable = None
            return
        prefix = f"(?:{'|'.join(map(str, prefixes))}){{0,2}}" if prefixes else ""
        abroad = f"|(?:{metadata.international_prefix}).*" if metadata.international_prefix else ""
        self._readable = re.compile(f"(?:{metadata.country_code})?{prefix}(?:{_valid(tuple(regions))}){abroad}")

    def could_read(self, digits: str) -> bool:
        """Whether libphonenumber could take these digits, written without a plus, for a valid number."""
        return self._readable is None or self._readable.fullmatch(digits) is not None


def could_be_international(digits: str) -> bool:
    """Whether libphonenumber could take these digits, written behind a plus, for a valid number of any country."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    for length in range(1, _LONGEST_CALLING_CODE + 1):
        code = digits[:length]
        if int(code) in COUNTRY_CODE_TO_REGION_CODE:  # no code is the beginning of another
            return _is_of_the_world(int(code)) or _plan_of(int(code)).could_read(digits)
    return False


@cache
def _plan_of(calling_code: int) -> NumberingPlan:
    """The plan of the countries of a calling code; there are some 200."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return NumberingPlan(COUNTRY_CODE_TO_REGION_CODE[calling_code][0])


def _is_of_the_world(calling_code: int) -> bool:
    """Whether the code is of no region, as those of satellites and of free numbers are."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, REGION_CODE_FOR_NON_GEO_ENTITY

    return bool(COUNTRY_CODE_TO_REGION_CODE[calling_code][0] == REGION_CODE_FOR_NON_GEO_ENTITY)


def _prefix(metadata: "PhoneMetadata") -> str | None:
    """What may stand before a national number and is not a part of it; ``None`` where it becomes other digits."""
    prefix, rule = metadata.national_prefix_for_parsing, metadata.national_prefix_transform_rule
    if not prefix or not rule:
        return prefix or ""
    # The rule keeps one group of the prefix, which is the end of the digits: what is before it can be anything.
    return "[0-9]*?" if re.fullmatch(r"\\[0-9]", rule) else None


@cache
def _valid(regions: tuple[str, ...]) -> str:
    kinds = (getattr(_metadata(region), kind) for region in regions for kind in _KINDS)
    patterns = dict.fromkeys(kind.national_number_pattern for kind in kinds if kind is not None)
    return "|".join(f"(?:{pattern})" for pattern in patterns if pattern)


def _metadata(region: str) -> "PhoneMetadata":
    from phonenumbers import PhoneMetadata

    found = PhoneMetadata.metadata_for_region(region)
    if found is None:
        raise LookupError(f"libphonenumber knows no region {region}")
    return found
