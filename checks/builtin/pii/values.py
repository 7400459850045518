"""When two spellings are the same piece of personal data: for what a user typed first, and for what is allowed."""

import re
from collections.abc import Iterable, Iterator

from checks.builtin.pii.text import normalise
from checks.digits import digits_of, places, runs
from checks.interaction import Interaction

_BY_DIGITS = frozenset({"PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "US_ITIN", "UK_NHS", "US_BANK_NUMBER"})
_LONGEST_CALLING_CODE = 3
_SHORTEST_PHONE = 7
_RUNS = runs(r"[^0-9\n]{0,3}")
_DIGIT = re.compile("[0-9]")


def typed_by_user(interaction: Interaction) -> tuple[str, ...]:
    """What the user wrote, normalised: the input and the earlier user messages.

    A message into which the app pasted a retrieved document is left out: what it holds, the user did not type.
    """
    messages = (m.content for call in interaction.model_calls for m in call.input or () if m.role == "user")
    texts = dict.fromkeys(text for text in (interaction.user_input, *messages) if text)
    pasted = [d.content for d in interaction.documents if d.content and d.content.strip()]
    return tuple(normalise(text) for text in texts if not any(content in text for content in pasted))


def is_said(entity: str, value: str, texts: Iterable[str]) -> bool:
    """Whether one of the normalised texts holds the value, however it is spaced, punctuated or capitalised there."""
    value = normalise(value)
    likely = [text for text in texts if _may_hold(text, entity, value)]
    if not likely:
        return False  # as mostly; making a pattern takes longer than all the rest
    if entity in _BY_DIGITS:
        return any(_holds_number(text, entity, digits_of(value)) for text in likely)
    pattern = _spelling(entity, value)
    return any(pattern.search(text) for text in likely)


def is_allowed(entity: str, value: str, allow: Iterable[str]) -> bool:
    """Whether the value is one of ``allow``, or an e-mail address at one of its domains."""
    folded = normalise(value).casefold()
    domain = folded.rpartition("@")[2] if entity == "EMAIL_ADDRESS" else None
    return any(_allows(normalise(item).casefold().strip(), entity, folded, domain) for item in allow)


def _allows(item: str, entity: str, value: str, domain: str | None) -> bool:
    if item == value:
        return True
    if domain is not None:
        return domain == item.removeprefix("@") or domain.endswith("." + item.removeprefix("@"))
    return entity in _BY_DIGITS and digits_of(item) == digits_of(value)


def _may_hold(text: str, entity: str, value: str) -> bool:
    """Whether the text could hold the value in some spelling: a superset of ``_spelling``, and cheap."""
    if entity in _BY_DIGITS:
        digits = digits_of(value)
        return (_core(digits) if entity == "PHONE_NUMBER" else digits) in digits_of(text)
    if entity == "IBAN_CODE":
        return _bare(value) in _bare(text)
    return value.casefold() in text.casefold()


def _core(digits: str) -> str:
    """The digits of a phone number that it has with and without its calling code."""
    digits = digits.lstrip("0")
    return digits[-max(_SHORTEST_PHONE, len(digits) - _LONGEST_CALLING_CODE) :]


def _holds_number(text: str, entity: str, digits: str) -> bool:
    """A phone number is the same with and without its calling code."""
    is_phone = entity == "PHONE_NUMBER"
    for start, end in places(text, _RUNS, _core(digits) if is_phone else digits):
        if not _DIGIT.match(text, end) and (is_phone or start == 0 or not _DIGIT.match(text, start - 1)):
            return True
    return False


def _spelling(entity: str, value: str) -> re.Pattern[str]:
    """Matches the value in other spellings, where it is not known by its digits."""
    if entity == "IBAN_CODE":
        return re.compile("[ -]?".join(_escaped(_spaceless(value))), re.IGNORECASE)
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)


def _escaped(text: str) -> Iterator[str]:
    return map(re.escape, text)


def _spaceless(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _bare(text: str) -> str:
    return _spaceless(text).casefold()
