"""What tells whether two traces failed in the same way: the checks and codes, and how alike what was asked is.

Owns how a failure is compared: exactly by its fingerprint, nearly by a MinHash signature. Which traces are put together
by it is the store's business. Pure, and the same on every machine: seeds are fixed, hashes are those of the text.
"""

import hashlib
import json
import re
import struct
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from checks.report import Verdict
from exporters.dataset.case import Case
from exporters.dataset.expectations import error_codes

SHORT, SIMILAR_SHORT = 25, 0.58
LONG, SIMILAR_LONG = 55, 0.45
"""Estimated Jaccard similarity from which two inputs are one, by their number of shingles; between the two in a line.

Tried on pairs: questions of six words that differ by a name or small words have 0.6 and more, such that ask for
something else up to 0.53. Requests of twenty words that differ in greeting, name and manners have 0.48 and more. Texts
that have nothing in common have 0.05 where they are of 300 characters and 0.16 of 4,000; one pair in a hundred has 0.3.
"""
GRAM = 4
"""Characters in a shingle. Shingles stay within words, so that long words, which say what is asked, count for more."""
MOST_CHARACTERS = 4096
"""How much of an input is compared."""
PREVIEW = 200
"""Characters of an input that a list shows."""
VALUES = 128
"""MinHash values of an input: the estimate is off by 0.03 (standard deviation, measured)."""
BANDS = 32
ROWS = 3
"""Of two inputs with a similarity of 0.5, 99 % share a band; of two with 0.1, 3 % (1 - (1 - s**ROWS)**BANDS)."""
SEED = 1

_FROM_DIGIT = re.compile(r"\d[\w-]*+")
"""The rest of a word from its first digit on."""
_WORD = re.compile(r"[^\W_]+|#")
_ENDS = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) != "#"}
"""What is of no word in ASCII, to be split at: a quarter of the time that the pattern takes."""
_USUAL, _MOST_WORDS = 20, 4096
"""Characters of words whose shingles are kept, and of how many words: in each language a few are most of a text."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a trace is compared by.

    ``failures`` are the failed checks, each with its codes; none for a trace that passed. Only traces of one
    ``family`` (service and failures) are compared. ``signature`` is ``VALUES`` bytes of MinHash, empty where there is
    no text; traces that share one of ``bands`` are worth comparing, and alike from the similarity ``similar`` on.
    ``preview`` is the beginning of the input. ``fingerprint`` is the same for exact repetitions.
    """

    service: str
    failures: Mapping[str, tuple[str, ...]]
    family: str
    signature: bytes = b""
    bands: tuple[int, ...] = ()
    similar: float = 1.0
    preview: str | None = None
    fingerprint: str = ""


def load() -> None:
    """Import the library, so that the first failing trace does not wait for it; it takes a millisecond.

    Its allocator sets aside 32 MiB of address space, which a worker's limit on memory should find there already.
    """
    import rensa  # noqa: F401 -- to have it imported


def likeness(case: Case, failed: Iterable[Verdict]) -> Likeness:
    """What the trace of ``case`` is compared by, given the failures that made the case."""
    return compared(case.source.service, failed, case.input, case.fingerprint)


def compared(service: str, failed: Iterable[Verdict], text: str | None, exactly: str) -> Likeness:
    """What a trace of this service is compared by, given its failures, its input and its fingerprint."""
    failures = {v.check: error_codes(v) for v in failed}
    family = _digest(service, failures.items())
    shingles = _shingles(normalised((text or "")[:MOST_CHARACTERS]))
    signature = _signature(shingles)
    return Likeness(
        service=service,
        failures=failures,
        family=family,
        signature=signature,
        bands=bands_of(family, signature),
        similar=_similar(len(shingles)),
        preview=None if text is None else text[:PREVIEW],
        fingerprint=exactly,
    )


def family_of(service: str, failed: Iterable[Verdict]) -> str:
    """The ``family`` of the traces of this service with these failures."""
    return _digest(service, {v.check: error_codes(v) for v in failed}.items())


def similarity(one: bytes, other: bytes) -> float:
    """The estimated Jaccard similarity of two inputs, 0 to 1, by their signatures."""
    if not one or len(one) != len(other):
        return 0.0
    differing = int.from_bytes(one) ^ int.from_bytes(other)
    return differing.to_bytes(len(one)).count(0) / len(one)


def bands_of(family: str, signature: bytes) -> tuple[int, ...]:
    """A positive 61-bit number for each band: 32 bits of the family, 5 of its place, 24 of the signature.

    Families that agree in these bits only look at each other in vain.
    """
    if not signature:
        return ()
    packed = bytearray(4 * BANDS)
    packed[::4] = range(BANDS)
    for row in range(ROWS):
        packed[row + 1 :: 4] = signature[row : BANDS * ROWS : ROWS]
    prefix = int(family[:8], 16) << 29
    return tuple(map(prefix.__or__, struct.unpack(f">{BANDS}I", packed)))


def fingerprint(service: str, failed: Iterable[Verdict], text: str | None) -> str:
    """The same 32 hex digits for repetitions of one failure: same service, checks and codes, and the same input."""
    return _digest(service, [(v.check, error_codes(v)) for v in failed], normalised(text or ""))


@lru_cache(1)  # of a short input both the fingerprint and the likeness are made, one after the other
def normalised(text: str) -> str:
    """``text`` without what differs between repetitions: case, numbers, ids, placeholders, width and whitespace."""
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    bare = _without_numbers(folded)
    is_even = bare.isascii() and bare.isprintable() and "  " not in bare  # as prose is: then nothing is to be split
    return bare.strip(" ") if is_even else " ".join(bare.split())


def _without_numbers(text: str) -> str:
    """``text`` with ``#`` for each word that holds a digit: a number, an id, a placeholder."""
    if text.isascii() and not any(digit in text for digit in "0123456789"):
        return text
    parts, done = [], 0
    for found in _FROM_DIGIT.finditer(text):
        start = found.start()
        while start > done and (text[start - 1].isalnum() or text[start - 1] in "_-"):
            start -= 1
        parts += [text[done:start], "#"]
        done = found.end()
    return "".join([*parts, text[done:]])


def _similar(shingles: int) -> float:
    share = min(max((shingles - SHORT) / (LONG - SHORT), 0.0), 1.0)
    return SIMILAR_SHORT + share * (SIMILAR_LONG - SIMILAR_SHORT)


def _signature(shingles: set[str]) -> bytes:
    if not shingles:
        return b""
    from rensa import RMinHash  # only workers need it

    sketch = RMinHash(num_perm=VALUES, seed=SEED)
    sketch.update(list(shingles))
    # The lowest byte of each value is enough: one in 256 agrees by chance.
    return struct.pack(f"<{VALUES}I", *sketch.digest())[::4]


def _shingles(text: str) -> set[str]:
    """The parts of ``GRAM`` characters of each word, with a space at its ends; shorter ones whole."""
    words = text.translate(_ENDS).replace("#", " # ").split() if text.isascii() else _WORD.findall(text)
    return set().union(*[_kept_parts(word) if len(word) <= _USUAL else _parts(word) for word in set(words)])


def _parts(word: str) -> Sequence[str]:
    padded = f" {word} "
    return [padded[n : n + GRAM] for n in range(max(1, len(padded) - GRAM + 1))]


_kept_parts = lru_cache(_MOST_WORDS)(_parts)


def _digest(service: str, failures: Iterable[tuple[str, tuple[str, ...]]], *further: str) -> str:
    # As one list `json` would take twice as long: of all that is here, it is quick with a string alone.
    parts = [json.dumps(service), json.dumps(sorted(failures)), *map(json.dumps, further)]
    return hashlib.sha256(f"[{', '.join(parts)}]".encode()).hexdigest()[:32]
