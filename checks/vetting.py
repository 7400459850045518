"""Findings as a check gave them are not to be trusted yet: a wrong one is a bug of the check, not a bad answer.

Vetting makes plain findings of them, or says what is wrong without quoting them: a check that goes wrong may well have
captured text in its hands.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import GeneratorType

from checks.check import CheckInfo
from checks.finding import Evidence, Finding, Severity
from checks.interaction import Interaction

MOST_FINDINGS = 1000
"""More findings than a person can look at; a check that never stops yielding is stopped here."""
MOST_EVIDENCE = 1000
LONGEST_MESSAGE = 500
"""Characters. A message is a sentence of the check's own, longer ones are cut."""

_USUAL = (GeneratorType, tuple, list)
"""What checks mostly return: to ask for ``Iterable`` takes much longer."""
_END = object()
_NOTHING: tuple[tuple[Finding, ...], bool] = ((), False)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")  # becomes a label on /metrics


class InvalidFindingError(Exception):
    """A check yielded what is no finding of its own. The text names the rule and the place, never the value."""


def vet(found: Iterable[object], info: CheckInfo, interaction: Interaction) -> tuple[tuple[Finding, ...], bool]:
    """Take findings from a check.

    Args:
        found: What ``inspect`` returned. It is drawn from, at most ``MOST_FINDINGS`` times and once more, and closed.
        info: The check's, for its closed set of codes; a check that declares none may use any well-formed code.
        interaction: What was inspected; offsets must lie inside its texts.

    Returns:
        The findings, and whether more came than are kept.

    Raises:
        InvalidFindingError: Something that was yielded cannot be.
        Exception: Whatever the check raises.
    """
    if not isinstance(found, _USUAL) and not isinstance(found, Iterable):
        raise InvalidFindingError(f"inspect returned {type(found).__name__}, not an iterable of findings")
    drawn = iter(found)
    try:
        first = next(drawn, _END)
        return _NOTHING if first is _END else _kept(chain((first,), drawn), info, interaction)
    finally:
        # Here and not when it is collected: a generator's own clean-up belongs inside the check's deadline.
        close = getattr(drawn, "close", None)
        if close is not None:
            close()


def _kept(drawn: Iterator[object], info: CheckInfo, interaction: Interaction) -> tuple[tuple[Finding, ...], bool]:
    kept: list[Finding] = []
    lengths = _Lengths(interaction)
    for number, item in enumerate(drawn, 1):
        if number > MOST_FINDINGS:
            return tuple(kept), True
        kept.append(_finding(item, f"finding {number}", info, lengths))
    return tuple(kept), False


class _Lengths:
    """The lengths of the interaction's texts by path, measured when first asked for."""

    def __init__(self, interaction: Interaction) -> None:
        self._interaction = interaction
        self._known: Mapping[str, int] | None = None

    def of(self, path: str) -> int | None:
        if self._known is None:
            self._known = {name: len(text) for name, _, text in self._interaction.texts()}
        return self._known.get(path)


def _finding(item: object, place: str, info: CheckInfo, lengths: _Lengths) -> Finding:
    if not isinstance(item, Finding):
        raise InvalidFindingError(f"{place} is a {type(item).__name__}, not a Finding")
    if not isinstance(item.evidence, Sequence) or isinstance(item.evidence, str | bytes):
        raise InvalidFindingError(f"the evidence of {place} is a {type(item.evidence).__name__}, not a tuple")
    evidence = tuple(_evidence(e, place, lengths) for e in item.evidence[:MOST_EVIDENCE])
    return Finding(_code(item.code, place, info), _message(item.message, place), _severity(item, place), evidence)


def _code(code: object, place: str, info: CheckInfo) -> str:
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise InvalidFindingError(f"{place} has a code that is no word of letters, digits and _, 64 at most")
    if info.codes and code not in info.codes:
        raise InvalidFindingError(f"{place} has a code that info.codes does not list")
    return code


def _message(message: object, place: str) -> str:
    if not isinstance(message, str):
        raise InvalidFindingError(f"the message of {place} is a {type(message).__name__}, not a string")
    # Half a surrogate pair can be stored nowhere.
    return message[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()


def _severity(item: Finding, place: str) -> Severity:
    try:
        return Severity(item.severity)
    except ValueError:
        raise InvalidFindingError(f"the severity of {place} is none of {', '.join(Severity)}") from None


def _evidence(item: object, place: str, lengths: _Lengths) -> Evidence:
    if not isinstance(item, Evidence):
        raise InvalidFindingError(f"the evidence of {place} holds a {type(item).__name__}, not only Evidence")
    for part in (item.span_id, item.path):
        if part is not None and not isinstance(part, str):
            raise InvalidFindingError(
                f"span_id or path in the evidence of {place} is a {type(part).__name__}, not a string"
            )
    if item.start is not None or item.end is not None:
        _vet_offsets(item, place, lengths)
    return Evidence(item.span_id, item.path, item.start, item.end)


def _vet_offsets(item: Evidence, place: str, lengths: _Lengths) -> None:
    start, end = item.start, item.end
    if type(start) is not int or type(end) is not int:  # not isinstance: True is an int, and no offset
        raise InvalidFindingError(f"the offsets in the evidence of {place} are not both integers or both None")
    length = None if item.path is None else lengths.of(item.path)
    if length is None:
        raise InvalidFindingError(f"the evidence of {place} has offsets into a text that the interaction does not have")
    if not 0 <= start <= end <= length:
        raise InvalidFindingError(f"the offsets in the evidence of {place} do not lie inside the text")
