"""Presidio's own recogniser objects, made quiet and kept offline. With the phone parser the only use of Presidio.

Importing this module is cheap; the first recogniser is not (Presidio imports spaCy: about 1.5 s and 100 MB).
"""

import importlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from checks.builtin.pii.policy import MANY, PiiMatch

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer, PatternRecognizer, RecognizerResult

LANGUAGE = "en"
"""What recognisers are registered under. Their patterns do not depend on it."""

Find = Callable[[str], list[PiiMatch]]
"""Takes a text, returns raw findings."""

FindIn = Callable[[str, int, int], list[PiiMatch]]
"""As ``Find``, between two offsets. Patterns look at what stands before the first, but not beyond the second."""

_CLASSES = {
    "PHONE_NUMBER": "PhoneRecognizer",
    "CREDIT_CARD": "CreditCardRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "US_ITIN": "UsItinRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "CRYPTO": "CryptoRecognizer",
    "US_PASSPORT": "UsPassportRecognizer",
    "US_DRIVER_LICENSE": "UsLicenseRecognizer",
    "US_BANK_NUMBER": "UsBankRecognizer",
    "UK_NHS": "NhsRecognizer",
    "MEDICAL_LICENSE": "MedicalLicenseRecognizer",
}


_SAME: Mapping[tuple[str, int], re.Pattern[str]] = {
    (r"(bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}", re.DOTALL | re.MULTILINE | re.IGNORECASE): re.compile(
        "(?:[bB][cC]1|[13])[0-9A-Za-z\u0130\u017f\u212a]{25,59}"  # with I and O, which i and o let in
    )
}
"""For a pattern of Presidio's, with its flags, one that matches the same in a quarter of the time: ``regex`` takes
longest to look at characters whatever their case, and an image in base64 is one long word."""


def recogniser(entity: str, **options: Any) -> "EntityRecognizer":
    """Make Presidio's recogniser of this entity.

    Args:
        entity: one with a rule in ``policy``, but no NER entity.
        options: for the recogniser's constructor.
    """
    _silence("presidio-analyzer", "tldextract")
    made: EntityRecognizer
    if entity == "EMAIL_ADDRESS":
        made = _offline_email_class()(**options)
    else:
        made = getattr(importlib.import_module("presidio_analyzer.predefined_recognizers"), _CLASSES[entity])(**options)
    if entity == "IBAN_CODE":
        made.global_regex_flags = _registry_flags()  # type: ignore[attr-defined]  # it is a PatternRecognizer
    return made


def ip_recognisers() -> "dict[str, EntityRecognizer]":
    """Presidio's IP recogniser in two, by gate: the pattern of plain IPv4, and the slow ones of IPv6."""
    from presidio_analyzer.predefined_recognizers import IpRecognizer

    patterns = IpRecognizer.PATTERNS
    plain = [pattern for pattern in patterns if pattern.name == "IPv4"]
    rest = [pattern for pattern in patterns if pattern.name != "IPv4"]
    return {gate: recogniser("IP_ADDRESS", patterns=some) for gate, some in (("IPV4", plain), ("IPV6", rest)) if some}


def finder(
    made: "EntityRecognizer",
    plausible: Callable[[str], object] | None = None,
    unquestioned: re.Pattern[str] | None = None,
) -> FindIn:
    """Run one recogniser alone: its patterns and checks, without engine, context, language model or explanations.

    Args:
        made: the recogniser.
        plausible: holds for every value that its checks could prove; another need not be checked.
        unquestioned: matches values that its checks leave at the pattern's score; they need not be checked either.
    """
    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import IbanRecognizer

    if not isinstance(made, PatternRecognizer):
        return _analysed(made)
    if type(made).analyze is IbanRecognizer.analyze:
        return _shortening(made)
    if type(made).analyze is not PatternRecognizer.analyze:
        return _analysed(made)  # it has a way of its own
    compiled, entity = _compiled(made), made.supported_entities[0]

    def find(text: str, start: int, end: int) -> list[PiiMatch]:
        found = []
        known: dict[str, float | None] = {"": 0.0}  # patterns of one recogniser often match the same
        for regex, score in compiled:
            for match in regex.finditer(text, start, end):
                value = match.group()
                if value not in known:
                    if plausible is not None and not plausible(value):
                        known[value] = 0.0
                    else:
                        known[value] = None if unquestioned and unquestioned.fullmatch(value) else _proven(made, value)
                proven = known[value]
                if proven != 0:
                    found.append(PiiMatch(match.start(), match.end(), entity, score if proven is None else proven))
        return found

    return find


def find_each(
    find: FindIn, text: str, stretches: Sequence[tuple[int, int]], before: int, behind: int
) -> list[PiiMatch]:
    """What is found in each of the stretches. Where there are ``MANY``, those that read alike are read once.

    Args:
        find: takes the text and the ends of a stretch.
        text: the text.
        stretches: where to look.
        before: how many characters before a stretch decide what is found in it.
        behind: how many behind it do.
    """
    if len(stretches) <= MANY:
        return [match for start, end in stretches for match in find(text, start, end)]
    found: list[PiiMatch] = []
    known: dict[tuple[str, int, int], tuple[int, list[PiiMatch]]] = {}
    for start, end in stretches:
        first = max(0, start - before)
        seen = text[first : end + behind], start - first, end - start
        if seen not in known:
            known[seen] = start, find(text, start, end)
        origin, matches = known[seen]
        if matches:
            by = start - origin
            found += [PiiMatch(m.start + by, m.end + by, m.entity, m.score) for m in matches]
    return found


def _compiled(made: "PatternRecognizer") -> list[tuple[Any, float]]:
    """Its patterns and their scores. They are of the package ``regex``, or match the same."""
    from presidio_analyzer import PatternRecognizer

    PatternRecognizer.analyze(made, "", made.supported_entities)  # compiles them
    flags = made.global_regex_flags or 0
    return [(_SAME.get((p.regex, flags), p.compiled_regex), p.score) for p in getattr(made, "patterns", ())]


def _shortening(made: "PatternRecognizer") -> FindIn:
    """As ``IbanRecognizer.analyze``: of what a pattern matches, the longest of its groups' ends that the checks prove.

    A sentence goes on behind an account number, and short words look like the end of it.
    """
    compiled, entity = _compiled(made), made.supported_entities[0]

    def find(text: str, start: int, end: int) -> list[PiiMatch]:
        found = []
        known: dict[str, bool | None] = {"": False}
        refused: set[str] = set()
        for regex, score in compiled:
            for match in regex.finditer(text, start, end):
                if match.group() in refused:
                    continue
                ends = (match.end(group) for group in range(regex.groups, 0, -1))
                for stop in dict.fromkeys(at if at > 0 else match.end() for at in ends):
                    value = text[match.start() : stop]
                    if value not in known:
                        known[value] = made.validate_result(value)
                    is_valid = known[value]
                    proven = score if is_valid is None else float(bool(is_valid))
                    if proven > 0:
                        found.append(PiiMatch(match.start(), stop, entity, proven))
                        break
                else:
                    refused.add(match.group())
        return found

    return find


def _proven(made: "PatternRecognizer", value: str) -> float | None:
    """The score that its checks give a value, as in ``PatternRecognizer.analyze``; ``None`` where they leave it be."""
    is_valid = made.validate_result(value)
    if made.invalidate_result(value):
        return 0.0
    return None if is_valid is None else float(bool(is_valid))


def _analysed(made: "EntityRecognizer") -> FindIn:
    nothing: Any = None  # pattern recognisers take no notice of what an NLP engine found

    def find(text: str, start: int, end: int) -> list[PiiMatch]:
        before = max(0, start - 1)  # a pattern may look at the character beside it
        found = as_matches(made.analyze(text[before:end], made.supported_entities, nothing))
        return [m._replace(start=m.start + before, end=m.end + before) for m in found]

    return find


def stock_finder(recognisers: Iterable["EntityRecognizer"]) -> Find:
    """Run recognisers in Presidio's AnalyzerEngine on an NLP engine that does nothing: the reference, and slow."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    held = list(recognisers)
    if not held:
        return lambda _: []
    engine = AnalyzerEngine(
        registry=RecognizerRegistry(held, supported_languages=[LANGUAGE]),
        nlp_engine=NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": ""}]),
        supported_languages=[LANGUAGE],
    )
    entities = [entity for made in held for entity in made.supported_entities]
    return lambda text: as_matches(engine.analyze(text, LANGUAGE, entities=entities))


def ner_finder(model: str, entities: Sequence[str]) -> Find:
    """Run an installed spaCy model for these of ``NER_ENTITIES``. Nothing is ever downloaded.

    Raises:
        ModuleNotFoundError: the model is not installed.
    """
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    _silence("presidio-analyzer")
    try:
        metadata.distribution(model)  # Presidio asks the same, and downloads what is not there
    except metadata.PackageNotFoundError:
        raise ModuleNotFoundError(f"the spaCy model {model!r} is not installed", name=model) from None
    engine = SpacyNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": model}])
    engine.load()
    wanted = list(entities)
    made = SpacyRecognizer(supported_entities=wanted)
    return lambda text: as_matches(made.analyze(text, wanted, engine.process_text(text, LANGUAGE)))


def as_matches(results: Iterable["RecognizerResult"]) -> list[PiiMatch]:
    """Presidio's results as plain tuples."""
    return [PiiMatch(found.start, found.end, found.entity_type, float(found.score)) for found in results]


@cache
def _offline_email_class() -> "type[EntityRecognizer]":
    """Presidio's e-mail recogniser with the suffix list that tldextract ships: its default downloads a newer one."""
    from presidio_analyzer.predefined_recognizers import EmailRecognizer
    from tldextract import TLDExtract

    extract = TLDExtract(cache_dir=None, suffix_list_urls=())

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return extract(pattern_text).fqdn != ""

    return OfflineEmailRecognizer


def _registry_flags() -> int:
    """The flags that Presidio's registry sets on every recogniser: with them IBANs in lower case are found too."""
    from presidio_analyzer import RecognizerRegistry

    return RecognizerRegistry().global_regex_flags or 0


def _silence(*loggers: str) -> None:
    """Drop all that these loggers say: Presidio logs at every construction, and texts that it could not validate."""
    for name in loggers:
        logging.getLogger(name).addFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False
