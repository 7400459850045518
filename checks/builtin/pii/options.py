"""Refuses options of the PII check that cannot be, with the rule. Each raises ``OptionError`` naming the option."""

import re
from collections.abc import Iterable, Sequence
from importlib import metadata

from checks.builtin.pii.policy import NER_ENTITIES
from checks.check import OptionError

_MODEL_NAME = re.compile(r"[a-z]{2,3}_\w+")


def strings(option: str, value: object) -> tuple[str, ...]:
    """A list or tuple of strings as a tuple; a single string is not taken for a list of letters."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise OptionError(option, "must be a list of strings")
    return tuple(value)


def one_of(option: str, values: Iterable[object], known: Sequence[str]) -> None:
    """Every value is a known one."""
    for value in values:
        if value not in known:
            raise OptionError(option, f"{value!r} is unknown; known are {', '.join(known)}")


def at_least(option: str, value: object, least: int) -> None:
    """A whole number that is large enough."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(option, f"{value!r} is no whole number from {least} up")


def not_blank(option: str, values: Iterable[str]) -> None:
    """No entry is empty or a pattern."""
    for value in values:
        if not value.strip() or "*" in value:
            raise OptionError(option, f"{value!r} is no value and no domain; patterns are not possible")


def regions(option: str, values: Sequence[str]) -> None:
    """Every region is known to libphonenumber."""
    from phonenumbers import SUPPORTED_REGIONS

    for value in values:
        if value not in SUPPORTED_REGIONS:
            raise OptionError(option, f"{value!r} is no region code of ISO 3166 with phone numbers, such as US or DE")


def model(option: str, name: object) -> None:
    """A spaCy model that is installed: Presidio would download one that is not."""
    if name is None:
        return
    if not isinstance(name, str) or not _MODEL_NAME.fullmatch(name):
        raise OptionError(option, f"{name!r} is no name of a spaCy model package, such as en_core_web_sm")
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        rule = f"the spaCy model {name!r} is not installed; install it with: python -m spacy download {name}"
        raise OptionError(option, rule) from None


def something_to_do(entities: Sequence[str], where: Sequence[str], ner_model: str | None) -> None:
    """There is something to look for, a place to look at, and a model for what needs one."""
    if not where:
        raise OptionError("where", "is empty, so nothing would be looked at")
    if not entities and ner_model is None:
        raise OptionError("entities", "is empty, so nothing would be looked for")
    named = [entity for entity in entities if entity in NER_ENTITIES]
    if named and ner_model is None:
        raise OptionError("entities", f"{named[0]} needs a language model: set ner_model to an installed spaCy model")
