"""Phone numbers: what the plans of numbers answer, how runs are taken apart, and that libphonenumber says the same."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.builtin.pii import policy
from checks.builtin.pii.context import CONTEXT_CHARS
from checks.builtin.pii.numbering import NumberingPlan, reads_international, split_code
from checks.builtin.pii.phone import PhoneScanner
from checks.builtin.pii.phone_parts import VALID, parts
from checks.builtin.pii.phone_runs import Run, runs
from checks.builtin.pii.phone_search import Search
from checks.builtin.pii.phone_signs import PHONE_WORD, is_named_phone
from checks.builtin.pii.policy import PiiMatch
from checks.builtin.pii.recognizers import as_matches, recogniser
from checks.builtin.pii.sieve import sieve

REGIONS = ["US", "GB", "DE", "FR", "IL", "IN", "BR", "IT", "AR", "MX", "BS", "CA", "RU", "KZ", "GG", "JP", "AU", "SM"]


def is_found(text: str, region: str) -> bool:
    """Whether libphonenumber takes all of a text for a number, with the leniency that Presidio asks for."""
    found = phonenumbers.PhoneNumberMatcher(text, region, leniency=1)
    return any(match.start == 0 and match.end == len(text) for match in found)


@st.composite
def dialled(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and digits that are often a number there: by an example of some kind, with what may stand before it."""
    region = draw(st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([*phonenumbers.PhoneNumberType.values()]))
    example = phonenumbers.example_number_for_type(region, kind)
    number = phonenumbers.national_significant_number(example) if example else "2025550123"
    kept = draw(st.integers(0, len(number)))
    national = number[:kept] + draw(st.text("0123456789", min_size=len(number) - kept, max_size=len(number) - kept + 1))
    prefix = draw(st.sampled_from(["", "", "0", "1", "8", "00", "011", "44", "49", "55", "015", "09", "0049", "code"]))
    if prefix == "code":
        prefix = str(phonenumbers.country_code_for_region(region))
    return region, prefix + national


class TestNumberingPlans:
    """The first look at a phone number: where it answers, libphonenumber answers the same."""

    @settings(max_examples=1000, deadline=None)
    @given(dialled())
    def test_an_answer_is_that_of_libphonenumber(self, given):
        region, digits = given
        answer = NumberingPlan(region).reads(digits)
        assert answer is None or answer == is_found(digits, region)

    @settings(max_examples=1000, deadline=None)
    @given(dialled())
    def test_behind_a_plus_and_a_calling_code_too(self, given):
        region, digits = given
        code, national = split_code(f"{phonenumbers.country_code_for_region(region)}{digits}")
        answer = reads_international(code, national)
        assert answer is None or answer == is_found(f"+{code}{national}", "US")

    @pytest.mark.parametrize("region", REGIONS)
    def test_the_example_numbers_of_a_region_are_not_ruled_out_however_they_are_dialled(self, region):
        kinds = phonenumbers.PhoneNumberType.values()
        examples = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
        for number in filter(None, examples):
            national = phonenumbers.national_significant_number(number)
            dialled = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            for digits in (f"{number.country_code}{national}", phonenumbers.normalize_digits_only(dialled)):
                assert NumberingPlan(region).reads(digits) is not False
            assert reads_international(number.country_code, national) is not False

    @pytest.mark.parametrize(("region", "digits"), [("US", "1234567"), ("US", "20240612"), ("GB", "2125550147")])
    def test_what_is_no_number_of_a_region_is_ruled_out(self, region, digits):
        assert NumberingPlan(region).reads(digits) is False

    @pytest.mark.parametrize(("region", "digits"), [("US", "2125550147"), ("US", "12125550147"), ("FR", "0123456789")])
    def test_most_numbers_are_certain(self, region, digits):
        assert NumberingPlan(region).reads(digits) is True

    def test_a_number_without_the_prefix_that_it_is_always_written_with_is_none(self):
        assert NumberingPlan("DE").reads("030901820") is True
        assert NumberingPlan("DE").reads("30901820") is False
        assert reads_international(49, "30901820") is True

    @pytest.mark.parametrize(
        ("region", "digits", "answer"),
        [
            ("GB", "004930901820", True),
            ("US", "0114930901820", True),
            ("IL", "012345678", False),  # 34 is Spain's, whose numbers have nine digits
            ("DE", "0021012345", False),  # 210 is no calling code
            ("DE", "0049", False),
            ("DE", "00", False),
        ],
    )
    def test_so_are_most_behind_a_prefix_for_calls_abroad(self, region, digits, answer):
        assert NumberingPlan(region).reads(digits) is answer

    @pytest.mark.parametrize(
        ("digits", "expected"), [("4930901820", (49, "30901820")), ("0049", (0, "0049")), ("2101", (0, "2101"))]
    )
    def test_a_calling_code_is_split_off(self, digits, expected):
        assert split_code(digits) == expected


PLAIN_TEXTS = st.lists(
    st.tuples(
        st.sampled_from(["", "", "", "+", "("]),
        st.sampled_from(["212", "555", "0147", "49", "30", "901820", "1684", "2024", "10", "0"])
        | st.text("0123456789", min_size=1, max_size=6),
        st.sampled_from([" ", "-", ".", "/", " - ", ") ", " (", "", "- ", ". ", "  "]),
    ),
    min_size=1,
    max_size=9,
).map(lambda parts: "".join(map("".join, parts)))


LONG_DIGITS = st.lists(
    st.tuples(st.text("0123456789", min_size=15, max_size=45), st.sampled_from([" ", "-", " - ", ". ", " ("])),
    min_size=1,
    max_size=4,
).map(lambda parts: "call " + "".join(map("".join, parts)))

EXTENDED = st.lists(
    st.tuples(
        st.sampled_from(["212-555-0147", "030 901820", "+49 30 901820", "1234567", "1", "12"])
        | st.text("0123456789", min_size=1, max_size=8),
        st.sampled_from(["x", " x", "xx", " ext. ", " ext ", "#", "~", " ", "/", " int 5 "]),
    ),
    min_size=1,
    max_size=5,
).map(lambda parts: "call " + "".join(map("".join, parts)))


@pytest.fixture(scope="module")
def scanner() -> PhoneScanner:
    return PhoneScanner(recogniser("PHONE_NUMBER"))


def accepted_by(scanner: PhoneScanner, text: str) -> list[PiiMatch]:
    found, _ = scanner.scan(sieved, None) if (sieved := sieve(text)) else ([], None)
    return policy.apply(text, found)


def accepted_of_presidio(text: str) -> list[PiiMatch]:
    return policy.apply(text, as_matches(recogniser("PHONE_NUMBER").analyze(text, ["PHONE_NUMBER"], None)))


class TestPhoneNumbers:
    """Presidio's own recogniser is the reference, whatever the policy says to a finding."""

    @settings(max_examples=400, deadline=None)
    @given(text=PLAIN_TEXTS)
    def test_what_the_policy_accepts_of_digits_and_signs_is_what_presidio_finds(self, scanner, text):
        assert accepted_by(scanner, text) == accepted_of_presidio(text)

    @settings(max_examples=150, deadline=None)
    @given(text=PLAIN_TEXTS)
    def test_in_a_text_that_repeats_itself_too(self, scanner, text):
        again = (text * 9)[:150]
        assert accepted_by(scanner, again) == accepted_of_presidio(again)

    @settings(max_examples=150, deadline=None)
    @given(text=LONG_DIGITS)
    def test_so_it_is_of_more_digits_than_one_number_has(self, scanner, text):
        assert accepted_by(scanner, text) == accepted_of_presidio(text)

    @settings(max_examples=150, deadline=None)
    @given(text=EXTENDED)
    def test_so_it_is_with_extensions_and_single_letters(self, scanner, text):
        assert accepted_by(scanner, text) == accepted_of_presidio(text)

    def test_a_piece_of_a_long_row_does_not_begin_with_the_end_of_what_is_before_it(self):
        pieces = list(runs(sieve("call " + "12-34.56/78(90 " * 40)))
        assert len(pieces) > 2
        assert all(run.read[0] == run.start for run in pieces)

    def test_digits_that_come_again_count_by_what_stands_around_them(self, scanner):
        apart = f" {'word ' * 12}"
        named, other = f"call 030 901820{apart}", f"item 030 901820{apart}"
        text = f"{named * 2}{other}{named}{other}"
        found = accepted_by(scanner, text)
        assert [match.start for match in found] == [n * len(named) + len("call ") for n in (0, 1, 3)]
        assert found == accepted_of_presidio(text)

    @pytest.mark.parametrize(
        ("text", "tried"),
        [
            ("212-555-0147/332", ["212-555-0147/332", "212-555-0147", "332"]),
            ("(650) 223-3345 (754) 223", ["(650) 223-3345", "(754) 223", "(650", "223-3345", "(754", "223"]),
            ("12 - 34 - 56", ["12 - 34 - 56", "12", "34 - 56", "56", "34"]),
            ("1.22. 33", ["1.22. 33", "22", "33", "1.22"]),
            ("31/10/96", []),
            ("12-3 (4", ["12-3"]),
        ],
    )
    def test_a_run_is_taken_apart_as_libphonenumber_does(self, text, tried):
        found = dict.fromkeys(text[part.start : part.end] for part in parts(text, 0, len(text)))
        assert [*found] == tried

    @pytest.mark.parametrize(("text", "is_sure"), [("x \u00e9", False), ("x,", True), ("x\u3002", True)])
    def test_beside_rare_letters_libphonenumber_is_asked(self, text, is_sure):
        (part,) = parts(text.replace("x", "2125550147").replace(" ", ""), 0, 10)
        assert part.is_sure is is_sure

    def test_a_letter_or_a_currency_sign_beside_digits_rules_them_out(self):
        assert [*parts("2125550147a", 0, 10)] == [*parts("$2125550147", 1, 11)] == []


NEAR_WORDS = [
    "tel",
    "T\u00c9l",
    "phone",
    "fax",
    "CALL",
    "mob",
    "MO\u0130bile",
    "\u017f",
    "what\u017fapp",
    "cell",
    " ",
    "x",
]


@given(st.lists(st.sampled_from(NEAR_WORDS)))
def test_a_word_for_a_phone_is_seen_wherever_its_pattern_matches(parts):
    text = "".join(parts)
    start = max(0, len(text) - CONTEXT_CHARS)
    assert is_named_phone(text, len(text)) == (PHONE_WORD.search(text, start) is not None)


def test_whether_digits_are_promising_is_asked_once_where_many_read_alike(monkeypatch):
    asked = []
    is_promising = Run.is_promising
    monkeypatch.setattr(Run, "is_promising", lambda run: asked.append(run.start) or is_promising(run))
    assert list(runs(sieve("my ssn is 123456789 " * 40))) == []
    assert len(asked) < 9
    asked.clear()
    found = list(runs(sieve("call me: 123456789 or see " * 40)))
    assert len(found) == 40
    assert len(asked) < 9


class TestSearch:
    """libphonenumber's own search: what it need not parse, and that it parses nothing twice."""

    @pytest.fixture
    def asked(self) -> list[tuple[str, int]]:
        return []

    @pytest.fixture
    def parsed(self, asked):
        search = Search(VALID, ("US", "DE"), lambda digits, _: ("US",) if digits == "2125550147" else ())

        def parsed(text: str, piece: str, region: str) -> None:
            matcher = phonenumbers.PhoneNumberMatcher(text, region, leniency=VALID)
            search.parsed(matcher, piece, text.index(piece), lambda piece, at: asked.append((piece, at)))

        return parsed

    def test_a_piece_is_parsed_once_in_a_region_that_its_digits_do_not_rule_out(self, asked, parsed):
        for region in ("US", "US", "DE"):
            parsed("a 2125550147 b", "2125550147", region)
        parsed("and 2125550147 or", "2125550147", "US")
        assert asked == [("2125550147", 2)]

    def test_the_characters_beside_it_count(self, asked, parsed):
        for text in ("2125550147", " 2125550147", " 2125550147$"):
            parsed(text, "2125550147", "US")
        assert len(asked) == 3

    @pytest.mark.parametrize("piece", ["ext", "5", "1234567", "7" * 25, "21x2125550x147"])
    def test_some_are_never_parsed(self, asked, parsed, piece):
        parsed(piece, piece, "US")
        assert asked == []

    @pytest.mark.parametrize("piece", ["1234567x12", "12xx345", "12x 34x", "1234567#"])
    def test_with_letters_or_rare_signs_others_are(self, asked, parsed, piece):
        parsed(piece, piece, "DE")
        assert asked == [(piece, 0)]

    def test_libphonenumber_still_has_the_method_that_is_overridden(self):
        assert callable(phonenumbers.PhoneNumberMatcher._parse_and_verify)


def test_digits_behind_an_extension_sign_are_read_with_the_number_before_them():
    (_, second) = runs(sieve("+49 30 901820#978-0-13-468599-1"))
    assert second.start == 0
