"""Secrets are found by their form and by what stands around them, and prose is left alone."""

import pytest
from pii_scores import corpus

from checks.secrets import SECRET_ENTITIES, find_secrets, is_random

# Put together here: a repository that held them in one piece would set off the scanners of its host.
MIXED = "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA"
HEX = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + MIXED * 2 + "\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("secret", "entity"),
    [
        ("sk-" + "proj-" + MIXED + MIXED, "API_KEY"),
        ("sk-" + "ant-api03-" + MIXED + "-" + MIXED, "API_KEY"),
        ("AKIA" + "IOSFODNN7ABCDEFG", "API_KEY"),
        ("ghp_" + MIXED + "aB3d", "ACCESS_TOKEN"),
        ("github_pat_" + MIXED + "_" + MIXED, "ACCESS_TOKEN"),
        ("glpat-" + MIXED[:20], "ACCESS_TOKEN"),
        ("xoxb-" + "1234567890-abcdefGHIJ", "ACCESS_TOKEN"),
        ("hooks.slack.com/services/" + "T0AB1CD2E/B0AB1CD2E/" + MIXED[:24], "ACCESS_TOKEN"),
        ("AIza" + MIXED + "aB3", "API_KEY"),
        ("ya29." + MIXED, "ACCESS_TOKEN"),
        ("GOCSPX-" + MIXED[:28], "SECRET"),
        ("sk_live_" + MIXED, "API_KEY"),
        ("rk_test_" + MIXED, "API_KEY"),
        ("whsec_" + MIXED, "SECRET"),
        ("hf_" + MIXED + "aB", "ACCESS_TOKEN"),
        ("gsk_" + MIXED + MIXED[:20], "API_KEY"),
        ("npm_" + MIXED + "aB3d", "ACCESS_TOKEN"),
        ("pypi-AgE" + MIXED * 2, "ACCESS_TOKEN"),
        ("SG." + MIXED[:22] + "." + MIXED + "aB3dE6gH9jK", "API_KEY"),
        (JWT, "JWT"),
        (KEY, "PRIVATE_KEY"),
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("around", ["{}", "use {} now", '{{"k":"{}"}}', "(`{}`)", "x={},", "日本 {} です"])
def test_a_secret_is_found_by_its_form(secret, entity, around):
    text = around.format(secret)
    start = text.index(secret)
    assert find_secrets(text) == [(start, start + len(secret), entity)]


@pytest.mark.parametrize(
    ("text", "secret", "entity"),
    [
        (f"Authorization: Bearer {HEX}", HEX, "ACCESS_TOKEN"),
        (f"authorization: bearer  {MIXED}", MIXED, "ACCESS_TOKEN"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDE=", "dXNlcjpwYXNzd29yZDE=", "PASSWORD"),
        ("postgres://app:s3cr3tpw@db:5432/x", "s3cr3tpw", "PASSWORD"),
        ("https://bob:open-sesame@host.test/", "open-sesame", "PASSWORD"),
        ('{"password": "Summer2024!", "n": 1}', "Summer2024!", "PASSWORD"),
        ("my password is Hunter22xyz!", "Hunter22xyz!", "PASSWORD"),
        ("DB_PASSWORD=Summer-2024", "Summer-2024", "PASSWORD"),
        ("Server=db;Uid=sa;Pwd=x7Kp2mQ9;", "x7Kp2mQ9", "PASSWORD"),
        ("aws_secret_access_key = " + MIXED + "/bPxRfiC", MIXED + "/bPxRfiC", "SECRET"),
        (f"client_secret: '{MIXED}'", MIXED, "SECRET"),
        (f"api-key: {HEX}", HEX, "SECRET"),
        (f'"apiKey":"{HEX}"', HEX, "SECRET"),
        (f'{{\\"access_token\\": \\"{MIXED}\\"}}', MIXED, "SECRET"),
    ],
)
def test_a_secret_is_found_by_what_stands_around_it(text, secret, entity):
    start = text.index(secret)
    assert find_secrets(text) == [(start, start + len(secret), entity)]


def test_a_private_key_that_was_cut_is_found_to_its_last_line():
    cut = KEY[:90]
    assert [m.entity for m in find_secrets(cut + ' " and so on')] == ["PRIVATE_KEY"]


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "set OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx1",
        "sk-learn-something-long-name-here",
        "the bearer token of responsibilities, a basic understanding of authentication2",
        "http://user:password@host and https://user:${PASSWORD1}@host",
        "password: <PASSWORD_1> token: {{token1}} api_key=$API_KEY_1",
        "password_reset_url: https://shop.test/reset/a1b2c3d4",
        "max_tokens: 4096 total_tokens=123456789 tokens: 12ab34cd56",
        "the secret is in /run/secrets/db2password",
        "token: 2024-06-10T14:03:51",
        "call_abcDEF1234567890abcdef chatcmpl-" + MIXED,
        "4bf92f3577b34da6a3ce929d0e0e4736 123e4567-e89b-12d3-a456-426614174000",
        "-----BEGIN PRIVATE KEY----- starts such a file",
        "password: correcthorsebatterystaple",
        "eyJhbGciOiJIUzI1NiJ9",
    ],
)
def test_names_documentation_and_ids_are_no_secrets(text):
    assert find_secrets(text) == []


@pytest.mark.parametrize("name", ["llm_outputs_dev", "presidio_research"])
def test_no_labelled_text_is_taken_for_one(name):
    assert [item.id for item in corpus(name) if find_secrets(item.text)] == []


def test_of_two_that_overlap_the_one_that_begins_first_is_told():
    text = f"Authorization: Bearer {JWT}"
    assert [text[m.start : m.end] for m in find_secrets(text)] == [JWT]


def test_every_entity_is_listed():
    texts = [JWT, KEY, "password=x7Kp2mQ9", f"api_key={HEX}", "AKIA" + "IOSFODNN7ABCDEFG", f"Bearer {HEX}"]
    assert {m.entity for text in texts for m in find_secrets(text)} == {*SECRET_ENTITIES}


def test_random_is_told_from_written():
    assert is_random(MIXED)
    assert not is_random("aaaaaaaaaaa1")
    assert not is_random("responsibilities")
    assert not is_random("1234567890123456")
