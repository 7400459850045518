"""The values found in one case and the placeholders that stand for them. One vault serves one case and is forgotten."""

import re
from collections import Counter
from collections.abc import Iterable

MAX_VALUES = 1000
"""Different values in one case. More is a data dump and no example, and replacing takes text times values."""

SHORT = 6
"""Values of fewer characters are replaced as whole words only: they could be part of anything."""

_PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9]+>")
_NAME = re.compile(r"[^A-Z0-9_]")


class ValueLimitError(Exception):
    """The case holds more different values than one example can."""


class Vault:
    """Gives each value its placeholder ``<ENTITY_N>``, N counting from 1 in the order in which values are learned.

    ``texts`` are all of the case's: a placeholder that the app itself wrote there is not given out again.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._taken = {placeholder for text in texts if "<" in text for placeholder in _PLACEHOLDER.findall(text)}
        self._issued: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._by_value: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._longest_first: list[str] = []

    @property
    def entities(self) -> frozenset[str]:
        """The entity types that got a placeholder."""
        return frozenset(self._issued.values())

    def learn(self, found: Iterable[tuple[str, str]]) -> None:
        """Take in ``(entity, value)`` pairs. Two ways to write one value share their placeholder.

        Raises:
            ValueLimitError: there are more than ``MAX_VALUES`` of them.
        """
        for entity, value in found:
            key = _key(entity, value)
            if key not in self._by_value:
                self._by_value[key] = self._issue(_NAME.sub("_", entity.upper()) or "PII")
            self._written[value] = self._by_value[key]
            if len(self._written) > MAX_VALUES:
                raise ValueLimitError(f"more than {MAX_VALUES} different values of personal data in one case")
        self._longest_first = sorted(self._written, key=len, reverse=True)

    def replace(self, text: str) -> str:
        """``text`` with every learned value replaced; longer values first, so that none is cut by another."""
        for value in self._longest_first:
            if value[:1] not in text or value not in text:  # the first rules out most, and takes no time
                continue
            if len(value) >= SHORT:
                text = text.replace(value, self._written[value])
            else:
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", self._written[value], text)
        return text

    def masked(self, text: str) -> str:
        """``text`` of the same length with the vault's own placeholders blanked: they are no find."""
        if not self._issued or "<" not in text:
            return text
        return _PLACEHOLDER.sub(lambda m: " " * len(m[0]) if m[0] in self._issued else m[0], text)

    def _issue(self, entity: str) -> str:
        while True:
            self._counts[entity] += 1
            placeholder = f"<{entity}_{self._counts[entity]}>"
            if placeholder not in self._taken:
                self._issued[placeholder] = entity
                return placeholder


def _key(entity: str, value: str) -> str:
    """What is the same for two ways to write one value: letter case, spaces and, in numbers, all punctuation."""
    if entity != "IP_ADDRESS" and not any(c.isalpha() for c in value):
        return "".join(c for c in value if c.isdigit()) or value
    return "".join(value.casefold().split())
