"""A cheap first look at a text: which recognisers could find something in it at all.

A gate is a regular expression that matches wherever its recogniser could (it may match more often). With google-re2
installed all gates are one automaton and one pass; without, they are searched one after the other with ``re``.
"""

import re
from collections.abc import Callable, Mapping

from checks.builtin.pii.policy import OPT_IN_WORDS, PHONE_PUNCTUATION

GateSet = Callable[[str], frozenset[str]]
"""Takes a normalised text, returns the names of the gates that match."""

# The policy wants three groups: beside the double colon there are two on one side, or an IPv4 address, or it has none.
_HEX = "[0-9A-Fa-f]{1,4}"

GATES: Mapping[str, str] = {
    "EMAIL_ADDRESS": "@",
    "PHONE_NUMBER": rf"[0-9](?:[{PHONE_PUNCTUATION}]{{0,4}}[0-9]){{6}}",
    "CREDIT_CARD": r"[13456][0-9]{3}[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}[- ]?[0-9]{3}",
    "US_SSN": r"[0-9]{3}[- .]?[0-9]{2}[- .]?[0-9]{4}",
    "US_ITIN": r"9[0-9]{2}[- ]?[5-9][0-9][- ]?[0-9]{4}",
    "IBAN_CODE": r"(?i)[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2}",
    "CRYPTO": r"(?i)(?:bc1|[13])[A-Z0-9]{25}",
    "IPV4": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
    "IPV6": rf"{_HEX}:{_HEX}::|::{_HEX}:{_HEX}|(?:{_HEX}:){{6}}|::(?:{_HEX}:)*[0-9]{{1,3}}\.[0-9]",
    **{entity: f"(?i){'|'.join(words)}" for entity, words in OPT_IN_WORDS.items()},
}


def compile_gates(names: frozenset[str]) -> GateSet:
    """One gate set of these names, on google-re2 where it is installed."""
    try:
        return with_re2(names)
    except ImportError:
        return with_re(names)


def with_re(names: frozenset[str]) -> GateSet:
    """The gates by the standard library."""
    compiled = tuple((name, re.compile(GATES[name])) for name in sorted(names))

    def hits(text: str) -> frozenset[str]:
        return frozenset(name for name, gate in compiled if gate.search(text))

    return hits


def with_re2(names: frozenset[str]) -> GateSet:
    """The gates as one RE2 set.

    Raises:
        ImportError: google-re2 is not installed.
    """
    import re2

    order = sorted(names)
    gates = re2.Set.SearchSet()
    for name in order:
        gates.Add(GATES[name])
    gates.Compile()

    def hits(text: str) -> frozenset[str]:
        return frozenset(order[index] for index in gates.Match(text) or ())

    return hits
