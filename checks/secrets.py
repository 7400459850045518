"""Finds secrets in a text: keys and tokens by the form that their issuer gave them, passwords by what stands around.

Owns the rules, each with its source, and a cheap look beforehand, since most texts hold none. Pure: what becomes of a
find is for others to say. Redaction uses it; a check of live traffic can.

detect-secrets, the library for this, is made for files in a repository: on the labelled texts it took 12 ms of CPU a
kilobyte (this takes 1 to 5 us), its entropy rules reported two words in three of plain prose, and it has no rule for
keys of Anthropic, Google or Hugging Face. Its last release is of 2024.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

__all__ = ["SECRET_ENTITIES", "SecretMatch", "find_secrets", "may_name_secret"]

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
    """Whether ``value`` looks drawn, not written: letters and digits, and ``_BITS`` of entropy a character or more."""
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
    # AWS key ids: docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, "Unique ID prefixes". One in 28
    # has no digit and is missed.
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
"""Each is, or ends with, a word as ``_words`` gives it."""

_STEMS = re.compile("|".join(re.escape(stem) for rule in TOKENS for stem in rule.stems))

# RFC 7468, sections 10 and 11, and the older forms of OpenSSL, OpenSSH and PGP. One that was cut has no end.
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s\\:,.]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----)?"
)
_KEY_LINE = 40
"""Lines of keys have 64 characters (RFC 7468, section 2), older ones 76; of one that was cut, so many are a key."""
_KEY_BODY = re.compile(f"[A-Za-z0-9+/=]{{{_KEY_LINE}}}")

# RFC 3986, section 3.2.1: user and password before the host.
_URL_PASSWORD = re.compile(r"://[^\s:/@?#\"'<>]{0,64}:(?P<value>[^\s/@?#\"'<>]{1,256})@")
_NO_PASSWORD = re.compile(r"(?i)[$%{\[(*].*|x+|pass(?:word|wd)?|pwd|secret|token|\.+")
"""What stands for a password in documentation and templates."""

_NAMES = (
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

_BREAKS = " \t\n\r\v\f\"'`,;<>(){}[]\\|"
"""What ends a word, as far as secrets go."""


def _class_of(char: str) -> str:
    """``0`` a digit, ``a`` a letter or a password's sign, ``-`` itself, a space what ends a word, ``.`` all others."""
    if char.isdigit():
        return "0"
    if char.isalpha() or char in "_!@#%^&*+~":
        return "a"
    return " " if char in _BREAKS else char if char == "-" else "."


_CLASSES = "".join(map(_class_of, map(chr, range(128)))).encode().ljust(256, b".")
_MIXED = re.compile(rb"0(?:a|(?<=[a-]0))")
"""A digit beside a letter, as in passwords and tokens, seldom in prose. Found by its first byte, and so fast."""
_BEFORE = 64
"""Characters before a word in which there may be what names it."""


def find_secrets(text: str) -> list[SecretMatch]:
    """The secrets in a text, in order of place; of two that overlap the one that begins first."""
    found = {*_url_passwords(text)}
    longest = 0
    for start, end in _words(text):
        longest = max(longest, end - start)
        window = text[max(0, start - _BEFORE) : end]
        if _STEMS.search(window):
            found.update(_tokens(text, end - len(window), end))
        if may_name_secret(window):
            found.update(_assigned(text, end - len(window), end))
    if longest >= _KEY_LINE:
        found.update(_key_blocks(text))
    return _without_overlaps(found) if found else []


def _without_overlaps(found: Iterable[SecretMatch]) -> list[SecretMatch]:
    kept: list[SecretMatch] = []
    for match in sorted(found, key=lambda m: (m.start, -m.end)):
        if not kept or match.start >= kept[-1].end:
            kept.append(match)
    return kept


def may_name_secret(text: str) -> bool:
    """Whether a short text (a key, say) may be the name of something whose value is a secret."""
    folded = text.lower()
    return any(stem in folded for stem, _, _ in _NAMES)


def _words(text: str) -> Iterator[tuple[int, int]]:
    """The words in which letters and digits mix: all that can be random. Mostly there is none."""
    classes = text.encode("ascii", "replace").translate(_CLASSES)
    found = _MIXED.search(classes)
    while found:
        start, end = _word(classes, found.start())
        if end - start >= _SHORTEST:
            yield start, end
        found = _MIXED.search(classes, end)


def _word(classes: bytes, at: int) -> tuple[int, int]:
    end = classes.find(b" ", at)
    return classes.rfind(b" ", 0, at) + 1, len(classes) if end < 0 else end


def _tokens(text: str, start: int, end: int) -> Iterator[SecretMatch]:
    for rule in TOKENS:
        if any(text.find(stem, start, end) >= 0 for stem in rule.stems):
            for found in rule.pattern.finditer(text, start, end):
                group = "value" if rule.pattern.groups else 0
                if rule.accepts(found[group]):
                    yield SecretMatch(*found.span(group), rule.entity)


def _key_blocks(text: str) -> Iterator[SecretMatch]:
    for found in _KEY_BLOCK.finditer(text):
        if _KEY_BODY.search(found[0]):
            yield SecretMatch(*found.span(), "PRIVATE_KEY")


def _url_passwords(text: str) -> Iterator[SecretMatch]:
    if "@" not in text or "://" not in text:
        return
    for found in _URL_PASSWORD.finditer(text):
        if not _NO_PASSWORD.fullmatch(found["value"]):
            yield SecretMatch(*found.span("value"), "PASSWORD")


def _assigned(text: str, start: int, end: int) -> Iterator[SecretMatch]:
    for _, name, entity in _NAMES:
        for named in name.finditer(text, start, end):
            given = _ASSIGNED.match(text, named.end(), end)
            if given and is_live_and_random(given["value"]) and not _NO_VALUE.match(given["value"]):
                yield SecretMatch(*given.span("value"), entity)
