"""Finds personal data in a text with Presidio's recognisers, without a language model unless one is asked for.

Owns the two ways to run them. ``gated`` looks first, in a few cheap passes, where each recogniser could find something,
and runs it only there. ``presidio`` runs all of them on all of the text in Presidio's own engine: it finds the same,
takes 20 to 200 times as long, and is there to compare with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

from checks.builtin.pii import policy
from checks.builtin.pii.gates import Gates
from checks.builtin.pii.phone import PhoneScanner
from checks.builtin.pii.policy import DEFAULT_ENTITIES, NER_ENTITIES, RULES, PiiMatch
from checks.builtin.pii.recognizers import Find, ner_finder, recogniser, stock_finder
from checks.builtin.pii.sieve import sieve
from checks.builtin.pii.text import normalise

__all__ = ["DEFAULT_ENTITIES", "Mode", "PiiEngine", "PiiMatch", "Scan"]

Mode = Literal["gated", "presidio"]

_WARM_UP = (
    "someone@example.com, +49 30 901820, 4111 1111 1111 1111, 536-90-4399, 900-70-0000, DE89370400440532013000, "
    "8.8.8.8, 2001:4860:4860::8888, bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
)
"""Opens the gate of every usual recogniser; its e-mail address makes tldextract read its list of suffixes (0.1 s)."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in one text, in order of place, and where looking stopped early (``None``: it did not)."""

    matches: tuple[PiiMatch, ...]
    cut_at: int | None = None
    phones_cut_at: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether some of the text was not looked at, or not for phone numbers."""
        return self.cut_at is not None or self.phones_cut_at is not None


_NOTHING = Scan(())
_Search = Callable[[str], tuple[list[PiiMatch], int | None]]
"""Takes a normalised text, returns what the policy accepts, and where the search for phone numbers stopped early."""


class PiiEngine:
    """Finds personal data of the given kinds. Cheap to make: Presidio is imported by the first ``find`` or ``load``."""

    def __init__(
        self,
        entities: Sequence[str] = DEFAULT_ENTITIES,
        mode: Mode = "gated",
        *,
        max_chars: int | None = None,
        max_phones: int | None = None,
        phone_regions: Sequence[str] | None = None,
        ner_model: str | None = None,
    ) -> None:
        """Choose what to look for, and how much to spend on it.

        Args:
            entities: Presidio's names, out of ``policy.RULES``.
            mode: ``gated``, or ``presidio`` (the slow reference; it keeps no ``max_phones``).
            max_chars: how many characters of a text to look at; ``None`` for all.
            max_phones: how many possible phone numbers of one text to parse; ``None`` for all.
            phone_regions: whose national numbers to read (ISO 3166); ``None`` for Presidio's eight.
            ner_model: an installed spaCy model, for ``PERSON`` and ``LOCATION`` (both, if ``entities`` has neither).

        Raises:
            ValueError: an unknown entity or mode, or an entity that needs a model where none is given.
        """
        unknown = sorted(set(entities) - set(RULES))
        if unknown:
            raise ValueError(f"unknown entities {', '.join(unknown)}: known are {', '.join(RULES)}")
        if mode not in get_args(Mode):
            raise ValueError(f"unknown mode {mode!r}: known are {', '.join(get_args(Mode))}")
        self._by_pattern = tuple(name for name in RULES if name in entities and name not in NER_ENTITIES)
        self._by_model = tuple(name for name in NER_ENTITIES if name in entities)
        if self._by_model and ner_model is None:
            raise ValueError(f"{', '.join(self._by_model)} cannot be found without a language model: give ner_model")
        self._mode = mode
        self._max_chars = max_chars
        self._max_phones = max_phones
        self._phone_options = {} if phone_regions is None else {"supported_regions": tuple(phone_regions)}
        self._ner_model = ner_model

    def find(self, text: str) -> list[PiiMatch]:
        """The personal data in a text, in order of place, not overlapping; offsets in code points of ``text``."""
        scan = self.scan(text)
        return list(scan.matches) if scan is not _NOTHING else []

    def scan(self, text: str) -> Scan:
        """As ``find``, and says where it stopped looking."""
        cut_at = self._max_chars if self._max_chars is not None and len(text) > self._max_chars else None
        if cut_at is not None:
            text = text[:cut_at]
        plain = text if text.isascii() else normalise(text)
        found, phones_cut_at = self._search(plain)
        if self._names is not None:  # they give way to all others, so these can be judged before
            found = policy.apply(plain, found + self._names(text))
        if not found and cut_at is None and phones_cut_at is None:
            return _NOTHING
        return Scan(tuple(found), cut_at, phones_cut_at)

    def load(self) -> Self:
        """Import Presidio, make the recognisers and run each once, so that the first text does not wait for it."""
        self.scan(_WARM_UP)
        return self

    @cached_property
    def _search(self) -> _Search:
        if self._mode == "presidio":
            find = stock_finder(self._recogniser(name) for name in self._by_pattern)
            return lambda text: (policy.apply(text, find(text)), None)
        return self._gated()

    @cached_property
    def _names(self) -> Find | None:
        if self._ner_model is None:
            return None
        return ner_finder(self._ner_model, self._by_model or NER_ENTITIES)

    def _recogniser(self, name: str) -> Any:
        return recogniser(name, **(self._phone_options if name == "PHONE_NUMBER" else {}))

    def _gated(self) -> _Search:
        gates = Gates.of(name for name in self._by_pattern if name != "PHONE_NUMBER")
        phones = PhoneScanner(self._recogniser("PHONE_NUMBER")) if "PHONE_NUMBER" in self._by_pattern else None

        def search(text: str) -> tuple[list[PiiMatch], int | None]:
            raw = gates.find_named(text) if gates.named else []
            sieved = sieve(text)
            if sieved is None:
                return policy.apply(text, raw) if raw else raw, None
            raw += gates.find(sieved)
            accepted = policy.apply(text, raw) if raw else raw
            if phones is None or not sieved.numbers:
                return accepted, None
            numbers, cut_at = phones.scan(sieved, self._max_phones, accepted)
            return policy.apply(text, raw + numbers) if numbers else accepted, cut_at

        return search
