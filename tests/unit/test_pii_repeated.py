"""Texts that go round in circles: what they say again and again is read once, and found wherever it is said."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.builtin.pii import gates, numbers, policy, recognizers
from checks.builtin.pii.checksums import may_be_card
from checks.builtin.pii.engine import PiiEngine, PiiMatch
from checks.builtin.pii.recognizers import find_each
from checks.builtin.pii.sieve import Sieved, sieve


@pytest.fixture(scope="module")
def engine() -> PiiEngine:
    return PiiEngine().load()


def found(engine: PiiEngine, text: str) -> list[tuple[str, str]]:
    return [(match.entity, text[match.start : match.end]) for match in engine.find(text)]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("my ssn is 446229503, and ", ("US_SSN", "446229503")),
        ("from 93.184.216.34 to ", ("IP_ADDRESS", "93.184.216.34")),
        ("a@b.co cd@mail-central.org, ", ("EMAIL_ADDRESS", "cd@mail-central.org")),
        ("to DE89370400440532013000, ", ("IBAN_CODE", "DE89370400440532013000")),
    ],
)
def test_each_is_found_at_its_own_place(engine, unit, expected):
    places = [m.start for m in engine.find(unit * 40) if m.entity == expected[0]]
    assert set(range(unit.index(expected[1]), 40 * len(unit), len(unit))) <= set(places)


def test_the_words_before_a_number_are_a_part_of_what_is_read(engine):
    text = "see 446229503 there. " * 20 + "Her ssn: 446229503 here" + " and so on" * 9 + ". See 446229503 there." * 20
    (match,) = engine.find(text)
    assert (match.entity, text[match.start - 9 : match.start]) == ("US_SSN", "Her ssn: ")


def test_a_finder_reads_alike_stretches_once_and_others_each(monkeypatch):
    monkeypatch.setattr(recognizers, "MANY", 0)
    asked = []

    def find(_text: str, start: int, end: int) -> list[PiiMatch]:
        asked.append(start)
        return [PiiMatch(start + 1, end, "US_SSN", 0.5)]

    stretches = [(0, 2), (3, 5), (6, 8), (9, 11)]
    assert find_each(find, "ab ab ab-ab", stretches, 1, 1) == [PiiMatch(s + 1, e, "US_SSN", 0.5) for s, e in stretches]
    assert asked == [0, 3, 6, 9]
    asked.clear()
    assert find_each(find, "ab ab ab-ab", stretches, 0, 0) == [PiiMatch(s + 1, e, "US_SSN", 0.5) for s, e in stretches]
    assert asked == [0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1." * 99 + " 8.8.8.8 " + "1." * 99, [("IP_ADDRESS", "8.8.8.8")]),
        ("FE80:" * 99 + " 2a00:1450:4001::1 " + "FE80:" * 99, [("IP_ADDRESS", "2a00:1450:4001::1")]),
        ("::1 " * 99 + "2a00:1450:4001::1" + " ::1" * 99, [("IP_ADDRESS", "2a00:1450:4001::1")]),
        ("::1/" * 99 + "2a00:1450:4001::1", [("IP_ADDRESS", "2a00:1450:4001::1")]),
        ("ab12" * 99 + " DE89370400440532013000 ", [("IBAN_CODE", "DE89370400440532013000")]),
    ],
)
def test_long_rows_of_what_is_nothing_hide_nothing_beside_them(engine, text, expected):
    assert found(engine, text) == expected


@pytest.mark.parametrize(
    ("text", "stretches"),
    [("::1 " * 99, Sieved.addresses), ("ab12" * 99, Sieved.codes), ("FE80:" * 99, gates._addresses)],
)
def test_nor_are_they_read(text, stretches):
    assert stretches(sieve(text)) == []


def test_stretches_whose_shape_no_recogniser_wants_are_not_looked_at(monkeypatch):
    looked_at = []
    monkeypatch.setattr(numbers, "find_each", lambda _find, _text, stretches, *_: looked_at.extend(stretches) or [])
    finders = gates.Gates.of(["CREDIT_CARD", "US_SSN"]).numbers
    numbers.find_repeated(finders, sieve("DE89 3704 0044 " * 40 + "and 446-22-9503"))
    assert looked_at == [(604, 615)]


def test_findings_that_read_alike_are_judged_once(monkeypatch):
    judged = []
    monkeypatch.setitem(policy.RULES, "US_SSN", lambda found: judged.append(found.match.start) or True)
    unit = "see the number 446-22-9503, which is written as that of someone, "
    found = [PiiMatch(at, at + 11, "US_SSN", 0.5) for at in range(15, 40 * len(unit), len(unit))]
    assert policy.apply(unit * 40, found) == found
    assert judged == [15, 15 + len(unit)]  # before the first there is less


CARDS = recognizers.recogniser("CREDIT_CARD")


@example("4539 1488 0343 6467")
@given(st.from_regex(r"[0-9]{4}[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}[- ]?[0-9]{3,5}", fullmatch=True))
def test_the_fast_check_of_cards_is_that_of_presidio(value):
    assert may_be_card(value) == CARDS.validate_result(value)


def test_a_card_number_in_other_digits_is_left_to_presidio():
    assert may_be_card("4539 1488 0343 646\u0967")
