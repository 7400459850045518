"""Finding personal data: what it costs beside stock Presidio, and how good both are on labelled texts.

Stock is Presidio's ``AnalyzerEngine`` on its ``NoOpNlpEngine`` with the recognisers of the same entities, and without
the policy that decides here what counts. Alone: ``python -m tests.bench.pii`` from the root of the repository.
"""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # as in pytest

from bench.alternate import Variant, alternate
from bench.workload import text as prose
from pii_scores import corpus, scores

from checks.builtin.pii.engine import DEFAULT_ENTITIES, PiiEngine, PiiMatch
from checks.builtin.pii.recognizers import Find, recogniser, stock_finder

SIZES = (200, 2_000, 20_000)
MIXES: Mapping[str, float] = {"no PII": 0.0, "5 % with PII": 0.05, "all with PII": 1.0}
PERSONAL = (
    "Write to jana.kovac@mail-central.org.",
    "Call +49 30 901820 before noon.",
    "Her card is 4539 1488 0343 6467.",
    "The SSN on file is 446-22-9503.",
    "Refund to DE81447123838602543450.",
    "The request came from 93.184.216.34.",
)
FIGURES = (
    "It was released on 2024-03-12 at 14:05.",
    "The team plan costs $49.99 a month, or 1,200 for 3 years [1].",
    "Upgrade to version 2.14.3 or later.",
    "See https://docs.acme-cloud.net/plans/17?tab=2 for more (ticket #48213).",
    "1. Open the settings. 2. Choose *Billing*: the limit is 25 seats.",
    "About 37 % of 1648 members did so in 2023.",
)
HOSTILE = (
    *("7", "@", "[", "1 2 3 4 ", "a@", "a.", ":", "12-34.56/78(90 ", "call 1234567 "),
    *("1.", "ab12", "ab@cd.", "7" * 25 + " ", "1x2", "x1"),
)
STOCK_THRESHOLD = 0.4
"""Presidio's own score for a phone number; above it there would be none."""
_TEXTS = {200: 200, 2_000: 40, 20_000: 20}


def rows(rounds: int = 5) -> list[dict[str, Any]]:
    """A row for each size and mix: ``name``, ``stock_us`` and ``ours_us`` a text, and their ``ratio``."""
    cases = {f"{size} characters, {mix}": texts(size, share) for size in SIZES for mix, share in MIXES.items()}
    cases["answers of models"] = [item.text for item in corpus("llm_outputs_dev")]
    return [_row(name, case, rounds) for name, case in cases.items()]


def hostile(size: int = 20_000, rounds: int = 15) -> list[dict[str, Any]]:
    """A row for each hostile text, as a check scans it: ``ours_us``, and ``normal``: by a text of prose of its size.

    The rounds are many: each takes a millisecond a text.
    """
    find = PiiEngine(max_chars=32_768, max_phones=64).load().find
    given = {"normal": "".join(texts(size, 0.0)[:1]), **{repr(unit): unit * (size // len(unit)) for unit in HOSTILE}}
    times = alternate({name: _over(find, [text]) for name, text in given.items()}, rounds)
    return [{"name": name, "ours_us": times.us(name), "normal": times.ratio(name, "normal")} for name in given]


def accuracy() -> list[dict[str, Any]]:
    """Two rows for each labelled corpus, ours and stock's: ``precision``, ``recall``, ``clean`` texts left alone."""
    finders: Mapping[str, Callable[[str], Sequence[PiiMatch]]] = {
        "ours": PiiEngine().load().find,
        "stock": lambda text: [match for match in _stock()(text) if match.score >= STOCK_THRESHOLD],
    }
    return [
        _scored(name, who, find) for name in ("llm_outputs_dev", "presidio_research") for who, find in finders.items()
    ]


def texts(size: int, share: float) -> list[str]:
    """Answers of about this many characters with figures in them; ``share`` of them also holds personal data."""
    rng = random.Random(size)
    count = _TEXTS[size]
    return [_text(rng, size, n < round(share * count)) for n in range(count)]


def _text(rng: random.Random, size: int, is_personal: bool) -> str:
    sentences = [rng.choice(FIGURES) if rng.random() < 0.25 else prose(rng, 80) for _ in range(max(2, size // 70))]
    if is_personal:
        for _ in range(max(1, size // 2_000)):
            sentences[rng.randrange(len(sentences) // 2)] = rng.choice(PERSONAL)
    return " ".join(sentences)[:size]


def _row(name: str, given: Sequence[str], rounds: int) -> dict[str, Any]:
    ours = PiiEngine().load().find
    times = alternate({"stock": _over(_stock(), given), "ours": _over(ours, given, times=5)}, rounds)
    return {
        "name": name,
        "stock_us": times.us("stock"),
        "ours_us": times.us("ours"),
        "ratio": times.ratio("stock", "ours"),
    }


def _over(find: Callable[[str], object], given: Sequence[str], times: int = 1) -> Variant:
    def work(_: object) -> None:
        for _time in range(times):
            for text in given:
                find(text)

    return Variant(work, units=times * len(given))


def _scored(name: str, who: str, find: Callable[[str], Sequence[PiiMatch]]) -> dict[str, Any]:
    made = scores(find, corpus(name))
    whole, clean = made["ALL"], made["CLEAN_TEXTS"]
    return {"name": name, "who": who, "precision": whole.precision, "recall": whole.recall, "clean": clean.precision}


@cache
def _stock() -> Find:
    return stock_finder(recogniser(entity) for entity in DEFAULT_ENTITIES)


def lines() -> Iterator[str]:
    """All of it to read."""
    yield f"{'PII':32}{'stock us':>12}{'ours us':>10}{'ratio':>8}"
    for row in rows():
        yield f"{row['name']:32}{row['stock_us']:12.0f}{row['ours_us']:10.1f}{row['ratio']:8.0f}"
    yield f"{'hostile text of 20,000':32}{'':12}{'ours us':>10}{'x normal':>9}"
    for row in hostile():
        yield f"{row['name']:32}{'':12}{row['ours_us']:10.0f}{row['normal']:9.1f}"
    yield f"{'labelled texts':32}{'precision':>12}{'recall':>10}{'clean':>8}"
    for row in accuracy():
        yield f"{row['name'] + ', ' + row['who']:32}{row['precision']:12.3f}{row['recall']:10.3f}{row['clean']:8.3f}"


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
