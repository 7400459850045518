"""Judges whether a text holds personal data. How it is found is ``engine``'s work; secrets are another check's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal, NamedTuple, get_args

from checks.builtin.pii import options
from checks.builtin.pii.engine import Mode, PiiEngine, PiiMatch, Scan
from checks.builtin.pii.places import MOST_STRINGS, NAMES, PLACES, Place, PlacedText, texts_in, was_recorded
from checks.builtin.pii.policy import DEFAULT_ENTITIES, RULES
from checks.builtin.pii.values import is_allowed, is_said, typed_by_user
from checks.check import CheckInfo
from checks.finding import Evidence, Finding, Severity
from checks.interaction import Interaction

Echoed = Literal["fail", "warn", "allow"]

LABELS = {
    "EMAIL_ADDRESS": "e-mail address",
    "PHONE_NUMBER": "phone number",
    "CREDIT_CARD": "payment card number",
    "US_SSN": "US social security number",
    "US_ITIN": "US taxpayer number",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "public IP address",
    "CRYPTO": "Bitcoin address",
    "US_PASSPORT": "US passport number",
    "US_DRIVER_LICENSE": "US driver's licence number",
    "US_BANK_NUMBER": "US bank account number",
    "UK_NHS": "NHS number",
    "MEDICAL_LICENSE": "US medical licence number",
    "PERSON": "personal name",
    "LOCATION": "place name",
}
NOT_FULLY_SCANNED = "not_fully_scanned"
_MOST_EVIDENCE = 100


class _Hit(NamedTuple):
    """Personal data in one of the texts."""

    placed: PlacedText
    match: PiiMatch

    @property
    def value(self) -> str:
        return self.placed.text[self.match.start : self.match.end]

    @property
    def evidence(self) -> Evidence:
        return self.placed.evidence(self.match.start, self.match.end)


@dataclass(frozen=True, slots=True)
class Pii:
    """The answer gives away no personal data.

    Attributes:
        entities: What to look for, by Presidio's names. The default needs no word around it; ``US_PASSPORT``,
            ``US_DRIVER_LICENSE``, ``US_BANK_NUMBER``, ``UK_NHS`` and ``MEDICAL_LICENSE`` count only behind a word that
            names them, ``PERSON`` and ``LOCATION`` need ``ner_model``.
        where: Which texts to look at: ``output``, ``input``, ``system``, ``documents``, ``tool_arguments``,
            ``tool_results``.
        echoed: What becomes of data in the output that the user typed first. ``warn`` shows it without failing the
            check: the person it belongs to knows it already, but it is in one more place now.
        allow: Values that are no finding (in any case and punctuation), and domains whose addresses are none.
        engine: ``gated``, or ``presidio``: the same findings by Presidio's own engine, 10 to 200 times as slow.
        max_chars: How many characters of one text to look at. A longer one gets a warning.
        max_phones: About how many possible phone numbers of one text to parse. A text with more gets a warning.
        phone_regions: Whose national phone numbers to read (ISO 3166 codes); international ones are always read.
        ner_model: An installed spaCy model, for names of persons and places.
    """

    entities: tuple[str, ...] = DEFAULT_ENTITIES
    where: tuple[Place, ...] = ("output",)
    echoed: Echoed = "warn"
    allow: tuple[str, ...] = ()
    engine: Mode = "gated"
    max_chars: int = 32_768
    max_phones: int = 64
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")
    ner_model: str | None = None

    info: ClassVar[CheckInfo] = CheckInfo(
        name="pii",
        version="1",
        summary="The answer gives away no personal data.",
        codes={
            **{entity.lower(): f"A text holds personal data: {label}." for entity, label in LABELS.items()},
            NOT_FULLY_SCANNED: "The text is longer than what is looked at; a warning.",
        },
    )

    def __post_init__(self) -> None:
        for name in ("entities", "where", "allow", "phone_regions"):
            object.__setattr__(self, name, options.strings(name, getattr(self, name)))
        object.__setattr__(self, "entities", tuple(entity.upper() for entity in self.entities))
        object.__setattr__(self, "phone_regions", tuple(region.upper() for region in self.phone_regions))
        options.one_of("entities", self.entities, tuple(RULES))
        options.one_of("where", self.where, PLACES)
        options.one_of("echoed", (self.echoed,), get_args(Echoed))
        options.one_of("engine", (self.engine,), get_args(Mode))
        options.at_least("max_chars", self.max_chars, 1)
        options.at_least("max_phones", self.max_phones, 0)
        options.not_blank("allow", self.allow)
        options.regions("phone_regions", self.phone_regions)
        options.model("ner_model", self.ner_model)
        options.something_to_do(self.entities, self.where, self.ner_model)

    def load(self) -> None:
        """Do now what the first inspection would wait for: import Presidio (1.5 s), compile, load a language model."""
        self._engine().load()

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether any text that is looked at was recorded."""
        return was_recorded(interaction, self.where)

    def inspect(self, interaction: Interaction) -> Iterator[Finding]:
        """Yield one finding for each kind of data in each kind of place, and a warning for each text that was cut."""
        engine = self._engine()
        hits: list[_Hit] = []
        for placed in texts_in(interaction, self.where):
            scan = engine.scan(placed.text)
            if scan.matches:
                found = (_Hit(placed, match) for match in scan.matches)
                hits += [hit for hit in found if not is_allowed(hit.match.entity, hit.value, self.allow)]
            if scan.is_cut or placed.is_last:
                yield from _cuts(placed, scan)
        if hits:
            yield from self._findings(hits, typed_by_user(interaction))

    def _findings(self, hits: Iterable[_Hit], typed: Sequence[str]) -> Iterator[Finding]:
        groups: dict[tuple[Place, str, bool], list[Evidence]] = {}
        for hit in hits:
            echoed = hit.placed.place == "output" and is_said(hit.match.entity, hit.value, typed)
            groups.setdefault((hit.placed.place, hit.match.entity, echoed), []).append(hit.evidence)
        for (place, entity, echoed), evidence in groups.items():
            what, shown = f"{len(evidence)} {_plural(entity, len(evidence))}", tuple(evidence[:_MOST_EVIDENCE])
            if not echoed:
                yield Finding(entity.lower(), f"{NAMES[place]} holds {what}", Severity.ERROR, shown)
            elif self.echoed != "allow":
                severity = Severity.ERROR if self.echoed == "fail" else Severity.WARNING
                yield Finding(entity.lower(), f"{NAMES[place]} repeats {what} that the user typed", severity, shown)

    def _engine(self) -> PiiEngine:
        return _made(self.entities, self.engine, self.max_chars, self.max_phones, self.phone_regions, self.ner_model)


@cache
def _made(
    entities: tuple[str, ...],
    mode: Mode,
    max_chars: int,
    max_phones: int,
    phone_regions: tuple[str, ...],
    ner_model: str | None,
) -> PiiEngine:
    """One engine for each set of options: making one takes time, and it keeps no state of a text."""
    return PiiEngine(
        entities,
        mode,
        max_chars=max_chars,
        max_phones=max_phones,
        phone_regions=phone_regions,
        ner_model=ner_model,
    )


def _cuts(placed: PlacedText, scan: Scan) -> Iterator[Finding]:
    name, end = NAMES[placed.place], len(placed.text)
    if scan.cut_at is not None:
        message = f"only the first {scan.cut_at} of {end} characters of {name} were looked at (max_chars)"
        yield Finding(NOT_FULLY_SCANNED, message, Severity.WARNING, (placed.evidence(scan.cut_at, end),))
    if scan.phones_cut_at is not None:
        message = f"{name} holds too many possible phone numbers to look at all of them (max_phones)"
        yield Finding(NOT_FULLY_SCANNED, message, Severity.WARNING, (placed.evidence(scan.phones_cut_at, end),))
    if placed.is_last:
        message = f"only {MOST_STRINGS} strings in {name} were looked at"
        yield Finding(NOT_FULLY_SCANNED, message, Severity.WARNING, (placed.evidence(0, end),))


def _plural(entity: str, number: int) -> str:
    label = LABELS[entity]
    return label if number == 1 else label + ("es" if label.endswith("s") else "s")
