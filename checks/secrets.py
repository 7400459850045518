"""Finds secrets in a text: keys and tokens by the form that their issuer gave them, passwords by what stands around.

Owns the rules, each with its source, and a cheap look beforehand, since most texts hold none. Pure: what becomes of a
find is for others to say. Redaction uses it; a check of live traffic can.

detect-secrets, the library for this, is made for files in a repository: on the labelled texts it took 12 ms of CPU a
kilobyte (this takes 5 to 10 us), its entropy rules reported two words in three of plain prose, and it has no rule for
keys of Anthropic, Google or Hugging Face. Its last release is of 2024.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["SECRET_ENTITIES", "SecretMatch", "find_secrets", "may_hold_secrets"]

SECRET_ENTITIES = ("ACCESS_TOKEN", "API_KEY", "JWT", "PASSWORD", "PRIVATE_KEY", "SECRET")


class SecretMatch(NamedTuple):
    """One secret: ``text[start:end]``, in code points."""

    start: int
    end: int
    entity: str


class Rule(NamedTuple):
    """A secret that is known by its form.

    ``stems``: one of them is in whatever ``pattern`` matches. Its group ``value``, or else all of it, is the secret;
    ``accepts`` has the last word on that.
    """

    entity: str
    stems: tuple[str, ...]
    pattern: re.Pattern[str]
    accepts: Callable[[str], bool]


def is_random(value: str) -> bool:
    """Whether ``value`` looks drawn, not written: letters and digits, and 3 bits of entropy a character or more.

    Random strings of 16 characters have 3.5 to 4 bits, English words of that length below 3.3 and no digits.
    """
    if len(value) < _SHORTEST or value.isalpha() or not (_LETTER.search(value) and _DIGIT.search(value)):
        return False
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) >= _BITS


_SHORTEST = 8
_BITS = 2.75
"""Eight characters, of which two are the same, have 2.75 bits."""
_LETTER = re.compile("[A-Za-z]")
_DIGIT = re.compile("[0-9]")
_DOCUMENTED = re.compile(r"(?i)example|x{4}|\*{3}|\.{3}|your[_-]?")


def is_live(value: str) -> bool:
    """Not one that documentation prints: ``AKIAIOSFODNN7EXAMPLE``, ``sk-xxxx...``, ``ghp_your_token``."""
    return _DOCUMENTED.search(value) is None


def is_live_and_random(value: str) -> bool:
    """Both: for forms that a name could have, too."""
    return is_live(value) and is_random(value)


def _token(entity: str, stems: str, form: str, accepts: Callable[[str], bool] = is_live) -> Rule:
    return Rule(entity, tuple(stems.split()), re.compile(rf"(?<![A-Za-z0-9])(?:{form})(?![A-Za-z0-9])"), accepts)


TOKENS = (
    # OpenAI, Anthropic (sk-ant-), OpenRouter (sk-or-), Langfuse (sk-lf-) and others that took the prefix over:
    # platform.openai.com/docs/api-reference/authentication, docs.anthropic.com/en/api/overview
    _token("API_KEY", "sk-", r"sk-[A-Za-z0-9_-]{18,}", is_live_and_random),
    # AWS key ids: docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, "Unique ID prefixes".
    # The secret that goes with one has no form of its own: it is found as an assignment.
    _token("API_KEY", "AKIA ASIA", r"A(?:KIA|SIA)[A-Z2-7]{16}"),
    # docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    _token("ACCESS_TOKEN", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _token("ACCESS_TOKEN", "github_pat_", r"github_pat_[A-Za-z0-9_]{60,255}"),
    # docs.gitlab.com/security/tokens, "Token prefixes"
    _token(
        "ACCESS_TOKEN",
        "glpat- gldt- glrt- glptt- glcbt- gloas- glsoat- glagent- glft-",
        r"gl(?:pat|dt|rt|ptt|cbt|oas|soat|agent|ft)-[A-Za-z0-9_.-]{20,}",
    ),
    # docs.slack.dev/authentication/tokens; docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    _token("ACCESS_TOKEN", "xox xapp-", r"x(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}", is_live_and_random),
    _token("ACCESS_TOKEN", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,}"),
    # cloud.google.com/docs/authentication/api-keys; developers.google.com/identity/protocols/oauth2
    _token("API_KEY", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _token("ACCESS_TOKEN", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    _token("SECRET", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    # docs.stripe.com/keys; keys for tests are no less a secret of somebody's. Publishable ones (pk_) are none.
    _token("API_KEY", "k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _token("SECRET", "whsec_", r"whsec_[A-Za-z0-9+/]{24,}"),
    # huggingface.co/docs/hub/security-tokens
    _token("ACCESS_TOKEN", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    # console.groq.com/docs; docs.npmjs.com/about-access-tokens; pypi.org/help/#apitoken; SendGrid's API keys
    _token("API_KEY", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _token("ACCESS_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _token("ACCESS_TOKEN", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _token("API_KEY", "SG.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    # RFC 7519: header and claims are JSON objects in base64url, which begin with `{"`. The signature may be empty.
    _token("JWT", "eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    # RFC 6750, section 2.1 (Bearer); RFC 7617, section 2 (Basic). Longer forms than `is_random` asks for: prose has
    # "the bearer token" and "basic".
    Rule(
        "ACCESS_TOKEN",
        ("earer ", "EARER "),
        re.compile(r"(?i:\bbearer )\s*(?P<value>[A-Za-z0-9._~+/-]{16,}=*)"),
        is_live_and_random,
    ),
    Rule(
        "PASSWORD",
        ("asic ", "ASIC "),
        re.compile(r"(?i:\bbasic )\s*(?P<value>[A-Za-z0-9+/]{15,}={0,2})(?![A-Za-z0-9])"),
        is_live_and_random,
    ),
)
"""Each is, or ends with, a run of ``_RUN`` or more characters that tokens are made of."""

# RFC 7468, sections 10 and 11, and the older forms of OpenSSL, OpenSSH and PGP. One that was cut has no end.
_KEY_BEGINS = "PRIVATE KEY"
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s\\:,.]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----)?"
)
_KEY_BODY = re.compile("[A-Za-z0-9+/=]{40}")

# RFC 3986, section 3.2.1: user and password before the host.
_URL_PASSWORD = re.compile(r"://[^\s:/@?#\"'<>]{0,64}:(?P<value>[^\s/@?#\"'<>]{1,256})@")
_NO_PASSWORD = re.compile(r"(?i)[$%{\[(*].*|x+|pass(?:word|wd)?|pwd|secret|token|\.+")
"""What stands for a password in documentation and templates."""

_WORDS = (
    ("pass", re.compile(r"(?i)pass(?:word|wd|phrase|code)"), "PASSWORD"),
    ("pwd", re.compile(r"(?i)pwd"), "PASSWORD"),
    ("secret", re.compile(r"(?i)secret"), "SECRET"),
    ("token", re.compile(r"(?i)(?<!max_)token(?!s)"), "SECRET"),
    ("credential", re.compile(r"(?i)credentials?"), "SECRET"),
    (
        "key",
        re.compile(
            r"(?i)(?:(?<=api)|(?<=access)|(?<=secret)|(?<=auth)|(?<=account)|(?<=private)|(?<=master)"
            r"|(?<=(?:api|ess|ret|uth|unt|ate|ter)[ _-]))key"
        ),
        "SECRET",
    ),
)  # fmt: skip -- one line a word
"""Names of things whose value is a secret: how the word is found, the word, and what the value is then."""
_ASSIGNED = re.compile(
    r"(?i)(?:[ _-]?(?:key|value|string|id))?[\"'`\\\]]{0,4}"
    r"(?:\s{0,4}(?::=|=>|=|:)\s{0,4}|\s{1,4}is:?\s{1,4})[\"'`\\]{0,4}"
    r"(?P<value>[^\s\"'`\\,;<>(){}\[\]|]{8,512})"
)
_NO_VALUE = re.compile(r"(?i)[$%/.~&*]|[a-z][a-z0-9+.-]*://|[0-9]{4}-[0-9]{2}")
"""How a value begins that says where the secret is, or is none: a variable, a path, an address, a date."""

_RUN = b"w" * 16
_RUN_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/=.~"
_RUNS = bytes(ord("w") if chr(code) in _RUN_CHARS else ord(" ") for code in range(256))
_BEFORE = 10
"""Characters before a run that belong to it: ``Bearer`` and more than one space."""


def find_secrets(text: str) -> list[SecretMatch]:
    """The secrets in a text, in order of place; of two that overlap the one that begins first."""
    found = sorted({*_tokens(text), *_key_blocks(text), *_url_passwords(text), *_assigned(text)})
    if len(found) < 2:
        return found
    kept: list[SecretMatch] = []
    for match in sorted(found, key=lambda m: (m.start, -m.end)):
        if not kept or match.start >= kept[-1].end:
            kept.append(match)
    return kept


def may_hold_secrets(text: str) -> bool:
    """Whether ``find_secrets`` could find one in this text, or in a part of it: mostly false, and cheap."""
    if _RUN in _classes(text) or _KEY_BEGINS in text or ("@" in text and "://" in text):
        return True
    folded = text.lower()
    return any(word in folded for word, _, _ in _WORDS)


def _classes(text: str) -> bytes:
    return text.encode("ascii", "replace").translate(_RUNS)


def _tokens(text: str) -> Iterator[SecretMatch]:
    classes = _classes(text)
    at = classes.find(_RUN)
    while at >= 0:
        end = classes.find(b" ", at)
        end = len(text) if end < 0 else end
        start = max(0, at - _BEFORE)
        stretch = text[start:end]
        for rule in TOKENS:
            if any(stem in stretch for stem in rule.stems):
                yield from _matches(rule, text, start, end)
        at = classes.find(_RUN, end)


def _matches(rule: Rule, text: str, start: int, end: int) -> Iterator[SecretMatch]:
    for found in rule.pattern.finditer(text, start, end):
        group = "value" if rule.pattern.groups else 0
        if rule.accepts(found[group]):
            yield SecretMatch(*found.span(group), rule.entity)


def _key_blocks(text: str) -> Iterator[SecretMatch]:
    if _KEY_BEGINS not in text:
        return
    for found in _KEY_BLOCK.finditer(text):
        if _KEY_BODY.search(found[0]):
            yield SecretMatch(*found.span(), "PRIVATE_KEY")


def _url_passwords(text: str) -> Iterator[SecretMatch]:
    if "@" not in text or "://" not in text:
        return
    for found in _URL_PASSWORD.finditer(text):
        if not _NO_PASSWORD.fullmatch(found["value"]):
            yield SecretMatch(*found.span("value"), "PASSWORD")


def _assigned(text: str) -> Iterator[SecretMatch]:
    folded = text.lower()
    if len(folded) != len(text):  # a few letters have another length in lower case
        folded = "".join(char if len(char.lower()) != 1 else char.lower() for char in text)
    for word, name, entity in _WORDS:
        at = folded.find(word)
        while at >= 0:
            named = name.match(text, at)
            given = named and _ASSIGNED.match(text, named.end())
            if given and is_live_and_random(given["value"]) and not _NO_VALUE.match(given["value"]):
                yield SecretMatch(*given.span("value"), entity)
            at = folded.find(word, at + len(word))
