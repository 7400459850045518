"""The engine behind the PII check: text folding, gates, quiet and offline recognisers, hostile texts."""

import logging
import socket
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.builtin.pii import engine as pii_engine
from checks.builtin.pii import sieve as pii_sieve
from checks.builtin.pii.engine import DEFAULT_ENTITIES, PiiEngine, PiiMatch
from checks.builtin.pii.gates import Gates
from checks.builtin.pii.policy import OPT_IN_ENTITIES
from checks.builtin.pii.sieve import Sieved, sieve
from checks.builtin.pii.text import normalise

EVERYTHING = DEFAULT_ENTITIES + OPT_IN_ENTITIES


@pytest.fixture(scope="module")
def engine() -> PiiEngine:
    return PiiEngine().load()


def found(engine: PiiEngine, text: str) -> list[tuple[str, str]]:
    return [(match.entity, text[match.start : match.end]) for match in engine.find(text)]


def test_matches_are_tuples_in_order_of_place(engine):
    assert engine.find("x@y.com +49 30 901820") == [
        PiiMatch(0, 7, "EMAIL_ADDRESS", 1.0),
        PiiMatch(8, 21, "PHONE_NUMBER", 0.4),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@contoso.com", "EMAIL_ADDRESS"),
        ("(415) 382-2035", "PHONE_NUMBER"),
        ("4351702343703011", "CREDIT_CARD"),
        ("446-22-9503", "US_SSN"),
        ("SSN 446229503", "US_SSN"),
        ("987-65-4329", "US_ITIN"),
        ("taxpayer 987654329", "US_ITIN"),
        ("DE81447123838602543450", "IBAN_CODE"),
        ("de81447123838602543450", "IBAN_CODE"),
        ("93.184.216.34", "IP_ADDRESS"),
        ("2a00:1450:4009:81f::200e", "IP_ADDRESS"),
        ("::ffff:93.184.216.34", "IP_ADDRESS"),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "CRYPTO"),
    ],
)
def test_it_finds_one_of_each_default_entity(engine, text, expected):
    assert [match.entity for match in engine.find(f"It is {text}, ok")] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, a@mail.example.org, b@host.test, root@localhost, c@x.invalid",
        "4111 1111 1111 1111",
        "4242424242424242",
        "0.4351702343703011",
        "1234567",
        "order 6178673780",
        "2024-06-10 14:03:51",
        "ISBN-10: 0-306-40615-2",
        "Chrome 124.0.6367.201",
        "987-65-4321 is not this 900-12-3456",
        "400308399",
        "192.168.1.1 10.0.0.1 172.16.0.9 127.0.0.1 169.254.1.1 224.0.0.1 100.64.0.1 fe80::1:2:3",
        "93.184.216.0/24",
        "version 93.184.216.34, section 4.2.1.3, OID 1.3.6.1.4.1.311",
        "a::b x[1::2] std::vector<int>::iterator",
        "node@20.12.7",
    ],
)
def test_it_leaves_alone_what_is_nobodys(engine, text):
    assert [m for m in found(engine, text) if m[0] != "US_ITIN"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call me on 6178673780", [("PHONE_NUMBER", "6178673780")]),
        ("pay card 4351702343703011 now", [("CREDIT_CARD", "4351702343703011")]),
        ("SSN 446 22 9503", [("US_SSN", "446 22 9503")]),
    ],
)
def test_of_overlapping_findings_the_surer_kind_stays(engine, text, expected):
    assert found(engine, text) == expected


class TestNormalise:
    """Look-alike characters are folded one to one."""

    @given(st.text())
    def test_the_length_never_changes(self, text):
        assert len(normalise(text)) == len(text)

    @given(st.text(st.characters(exclude_categories=())))
    def test_the_result_can_always_be_encoded(self, text):
        normalise(text).encode()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Phone (415) 234\u20112671", ("PHONE_NUMBER", "(415) 234\u20112671")),
            ("\u30e1\u30fc\u30eb\u306ftanaka@outlook.com\u3067\u3059", ("EMAIL_ADDRESS", "tanaka@outlook.com")),
            ("\u5361\u53f74351702343703011\u3002", ("CREDIT_CARD", "4351702343703011")),
            (
                "\u0660\u0663\u0660 +\u0664\u0669 \u0663\u0660 901820",
                ("PHONE_NUMBER", "+\u0664\u0669 \u0663\u0660 901820"),
            ),
            ("ann\uff20contoso\uff0ecom", ("EMAIL_ADDRESS", "ann\uff20contoso\uff0ecom")),
            ("ann@contoso.com\u2014or call", ("EMAIL_ADDRESS", "ann@contoso.com")),
        ],
    )
    def test_other_scripts_and_signs_are_read_at_their_own_offsets(self, engine, text, expected):
        assert expected in found(engine, text)


class TestSieve:
    """The first look: it may see too much, never too little."""

    @pytest.mark.parametrize(
        "text",
        [
            "Photosynthesis converts light energy.",
            "On 12 March 2024, 37 % of 1,648 members paid $49.99 [1] (v2.14.3).",
            "std:vector 12:30:45, sha256, [0-9]+ { } ###, 1. 2. 3.",
        ],
    )
    def test_in_most_texts_there_is_no_stretch_to_be_read(self, text):
        assert sieve(text) is None

    @pytest.mark.parametrize(
        ("text", "stretches", "expected"),
        [
            ("call (212) 555-0147, ok", lambda seen: [n[:2] for n in seen.numbers], ["212) 555-0147"]),
            ("at 8.8.8.8 now", lambda seen: [n[:2] for n in seen.numbers], ["8.8.8.8"]),
            ("to DE89 3704 0044 0532 now.", Sieved.codes, ["DE89 3704 0044 0532 now"]),
            ("see 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2.", Sieved.words, ["e 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"]),
            ("(a@b.co) c@d.com/e@f.org", Sieved.mails, ["a@b.co", "c@d.com/e@f.org"]),
            ("x 2a00:1450::1, 1:2:3:4:5:6:7:8", Sieved.addresses, ["2a00:1450::1", "1:2:3:4:5:6:7:8"]),
        ],
    )
    def test_each_kind_of_stretch_reaches_as_far_as_a_value_can(self, text, stretches, expected):
        assert [text[start:end] for start, end in stretches(sieve(text))] == expected

    @settings(max_examples=500)
    @given(st.text(st.sampled_from("0123456789   --..()xa,"), max_size=80))
    def test_a_stretch_of_digits_ends_where_there_is_a_gap(self, text):
        exact = pii_sieve._NUMBER_TO_GAP.finditer(text.encode().translate(pii_sieve._CLASSES))
        numbers = [(*number.span(), number.lastindex == 1) for number in exact if number.lastindex != 2]
        seen = sieve(text)
        assert (seen.numbers if seen else []) == numbers

    @given(st.text(st.sampled_from("0123456789 -.:@+()xXaAbcDeEfzZ#/\u017f\u212a\u3002\n"), max_size=60))
    def test_stretches_come_in_order_and_apart(self, text):
        seen = sieve(text)
        for stretches in (Sieved.codes, Sieved.words, Sieved.mails, Sieved.addresses) if seen else ():
            ends = [end for stretch in stretches(seen) for end in stretch]
            assert ends == sorted(ends)


class TestHostileTexts:
    """Neither the length nor the shape of a text makes the engine slow beyond measure."""

    size = 20_000

    @pytest.mark.parametrize(
        "unit",
        [
            *("7", "@", "[", "(", "a@", "a-", "a.", ":", ":: ", "ab:", "1x", "(+", "1 2 3 4 ", "12-34.56/78(90 "),
            *("call 1234567 ", "978-0-13-468599-1, ", "212-555-0147 ", "DE44 5001 0517 5407 3249 31 "),
            *("8.8.8.8 ", "a.b@c.com/"),
        ],
    )
    def test_twenty_kilobytes_of_anything_take_seconds_at_most(self, unit):
        text = unit * (self.size // len(unit)) + "a-b@c.com"
        started = time.process_time()
        PiiEngine(EVERYTHING, max_phones=64).find(text)
        assert time.process_time() - started < 4  # the slowest takes 0.4 s of CPU on the machine it was written on

    def test_a_long_line_of_phone_numbers_is_read_to_its_end(self, engine):
        line = " ".join(f"212-555-{n:04}" for n in range(100, 150))
        assert len(engine.find(line)) == 50

    def test_a_scan_that_ran_out_of_phone_numbers_says_where(self):
        text = "\n".join(["+49 30 901820"] * 10)
        scan = PiiEngine(max_phones=4).scan(text)
        assert (len(scan.matches), scan.phones_cut_at) == (4, 4 * 14)

    def test_a_scan_of_a_longer_text_says_where_it_was_cut(self):
        scan = PiiEngine(max_chars=10).scan("0123456789 a@contoso.com")
        assert (scan.matches, scan.cut_at) == ((), 10)

    def test_by_default_nothing_is_cut(self, engine):
        text = " " * 100_000 + "ann@contoso.com" + "\n+49 30 901820" * 100
        assert len(engine.find(text)) == 101


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"entities": ("EMAIL",)}, "unknown entities EMAIL: known are EMAIL_ADDRESS"),
        ({"mode": "fast"}, "unknown mode 'fast': known are gated, presidio"),
        ({"entities": ("PERSON",)}, "PERSON cannot be found without a language model"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        PiiEngine(**options)


def test_importing_the_check_does_not_import_presidio_or_spacy():
    code = (
        "import sys, checks.builtin.pii as m; m.Pii(); sys.exit(bool({'presidio_analyzer', 'spacy'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_recogniser_opens_a_connection(monkeypatch):
    """A fresh engine, so that tldextract reads its suffix list here."""

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert found(PiiEngine(), "ann@contoso.co.uk") == [("EMAIL_ADDRESS", "ann@contoso.co.uk")]


@pytest.mark.parametrize("mode", ["gated", "presidio"])
def test_nothing_is_logged_not_even_what_presidio_could_not_validate(mode, caplog):
    caplog.set_level(logging.DEBUG)
    PiiEngine(EVERYTHING, mode).find("DE\u00df1 4471 2383 8602 \u0130IBAN DE81\u212a47123838602543450 ann@contoso.com")
    assert [record.name for record in caplog.records] == []


def test_loading_runs_every_recogniser_that_runs_by_default():
    warmed = sieve(normalise(pii_engine._WARM_UP))
    found = Gates.of(DEFAULT_ENTITIES[:1] + DEFAULT_ENTITIES[2:]).find(warmed)
    assert {match.entity for match in found} == {*DEFAULT_ENTITIES} - {"PHONE_NUMBER"}
    assert PiiEngine(("PHONE_NUMBER",)).find(pii_engine._WARM_UP)
