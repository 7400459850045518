"""A fake is of the kind and form of what it stands for, is nobody's, and says nothing of the value."""

import ipaddress
import re

import pytest

from checks.builtin.pii.engine import PiiEngine
from exporters.dataset.fakes import KINDS, MOST, Fakes
from exporters.dataset.placeholders import masked, placeholders_in

VALUES = [
    ("EMAIL_ADDRESS", "bob@corp.org"),
    ("PHONE_NUMBER", "(415) 382-2035"),
    ("PHONE_NUMBER", "4153822035"),
    ("PHONE_NUMBER", "+1 415 382 2035"),
    ("PHONE_NUMBER", "+44 20 7946 1958"),
    ("PHONE_NUMBER", "020 7946 1958"),
    ("PHONE_NUMBER", "+49 30 901820"),
    ("CREDIT_CARD", "4351 7023 4370 3011"),
    ("CREDIT_CARD", "4351702343703011"),
    ("CREDIT_CARD", "378282246310013"),
    ("US_SSN", "446-22-9503"),
    ("US_SSN", "446229503"),
    ("US_ITIN", "900-70-0000"),
    ("IBAN_CODE", "GB27WEST34206553896668"),
    ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("IP_ADDRESS", "93.184.216.34"),
    ("IP_ADDRESS", "2a00:1450:4009:81f::200e"),
    ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
]
each_value = pytest.mark.parametrize(("entity", "value"), VALUES)
FAKES = Fakes("case-7f3a")


def made(entity: str, value: str, number: int = 1, fakes: Fakes = FAKES) -> str:
    fake = fakes.make(entity, number, value)
    assert fake is not None
    return fake.like(value)


@each_value
def test_every_fake_is_told_again_by_its_range(entity, value):
    for number in range(1, MOST + 1):
        fake = made(entity, value, number)
        text = f"it is {fake}, so"
        assert [(p.written, p.entity) for p in placeholders_in(text, [entity])] == [(fake, entity)]
        assert PiiEngine().find(masked(text, [entity])) == []


@each_value
def test_the_value_itself_is_told_from_a_fake(entity, value):
    assert entity in KINDS
    assert list(placeholders_in(value, [*KINDS])) == []


@each_value
def test_fakes_of_one_kind_differ_as_far_as_the_range_goes(entity, value):
    made_ones = [made(entity, value, number) for number in range(1, MOST + 1)]
    published = {"CREDIT_CARD": 4 if len(value) == 15 else 20}
    assert len({*made_ones}) >= published.get(entity, MOST)


@each_value
def test_a_fake_depends_on_case_kind_and_number_and_not_on_the_value(entity, value):
    other = re.sub("[0-9](?=[0-9]$)", lambda digit: str((int(digit[0]) + 1) % 10), value)
    assert made(entity, value) == made(entity, value) == made(entity, other)


def test_two_cases_do_not_share_their_fakes():
    assert made("EMAIL_ADDRESS", "bob@corp.org") != made("EMAIL_ADDRESS", "bob@corp.org", fakes=Fakes("case-2"))


@each_value
def test_a_fake_has_the_form_of_the_value(entity, value):
    fake = made(entity, value)
    if entity in {"CREDIT_CARD", "US_SSN", "US_ITIN"} or (entity == "PHONE_NUMBER" and "+49" not in value):
        assert re.sub("[0-9]", "0", fake) == re.sub("[0-9]", "0", value)


def test_fakes_are_out_of_the_ranges_that_their_sources_name():
    documentation = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
    for number in range(1, MOST + 1):
        assert made("EMAIL_ADDRESS", "", number).rpartition("@")[2] in {"example.com", "example.net", "example.org"}
        assert made("PHONE_NUMBER", "4153822035", number)[3:8] == "55501"
        assert "20 7946 0" in made("PHONE_NUMBER", "+44 20 7946 1958", number)
        assert any(ipaddress.ip_address(made("IP_ADDRESS", "8.8.8.8", number)) in net for net in documentation)
        assert ipaddress.ip_address(made("IP_ADDRESS", "::1", number)) in ipaddress.ip_network("2001:db8::/32")
        assert made("US_SSN", "", number).startswith("666-")
        assert made("US_ITIN", "", number)[4:6] == "89"


def test_cards_and_ibans_pass_their_checksums():
    for number in range(1, MOST + 1):
        digits = [int(digit) for digit in reversed(made("CREDIT_CARD", "4351702343703011", number))]
        assert sum(d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(digits)) % 10 == 0
        iban = made("IBAN_CODE", "x", number)
        assert int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def test_there_is_no_fake_of_a_secret_and_none_beyond_the_range():
    assert FAKES.make("API_KEY", 1, "x") is None
    assert FAKES.make("EMAIL_ADDRESS", MOST + 1, "x") is None
