"""The types of single options that are neither numbers nor addresses: texts, paths, choices, the checks.

As in ``settings_units``, each reads what a person writes and refuses what does not fit with its rule.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from collector.settings_units import broken_rule

_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_LONGEST_GROUP = 249
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,63}", re.ASCII)
_KINDS = ("new_cluster", "threshold", "budget")
_SIGNALS = ("traces", "logs", "metrics")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""A header's name and value (RFC 9110, section 5): what can stand in a request of either protocol."""
_PASSWORD = re.compile(r"(?P<user>://[^:/?#\s]*:)\S*(?P<at>@)|(?P<query>[?&]password=)[^&\s]*")
_STORE_URL = re.compile(r"sqlite(\+pysqlite)?:///(?!:memory:).+|postgres(ql(\+psycopg)?)?://.+", re.DOTALL)


def conflict(key: str, text: str) -> PydanticCustomError:
    """Two values that cannot be together. ``key``, below the section at hand, is the one to change first."""
    return PydanticCustomError("conflict", "{text}", {"key": key, "text": text})


def _checks(value: Any) -> dict[str, dict[str, Any]]:
    """A check without options may stand as an empty key."""
    if not isinstance(value, Mapping):
        raise broken_rule("must be a section with one key a check")
    for name, options in value.items():
        if not isinstance(name, str) or not (options is None or isinstance(options, Mapping)):
            raise conflict(str(name), "must be a check's name with its options below (`latency: {}` for the defaults)")
    return {name: dict(options or {}) for name, options in value.items()}


def _directory(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise broken_rule("must be the path of a directory")
    return Path(value).expanduser()


def _optional_text(value: Any) -> Any:
    """``null`` and the empty text both mean that nothing is set, so that a variable can unset it too."""
    return None if isinstance(value, str) and value.strip().lower() in ("", "null") else value


def _optional_file(value: Any) -> Path | None:
    given = _optional_text(value)
    if given is None:
        return None
    if not isinstance(given, str | Path):
        raise broken_rule("must be the path of a file, or null")
    return Path(given).expanduser()


def _trace_url(value: Any) -> str | None:
    url = _optional_text(value)
    if url is None or (isinstance(url, str) and url.startswith(("http://", "https://")) and "{trace_id}" in url):
        return url
    raise broken_rule("must be an http:// or https:// address that holds {trace_id}, or null")


def _store_url(value: Any) -> str | None:
    url = _optional_text(value)
    if url is None or (isinstance(url, str) and _STORE_URL.fullmatch(url)):
        return url
    raise broken_rule("must be a database URL such as sqlite:///traces.db or postgresql://user@host/name, or null")


def has_password(url: str) -> bool:
    """Whether a database URL holds a password: after its user, or as a parameter."""
    return _PASSWORD.search(url) is not None


def without_password(url: str) -> str:
    """``url`` with its password, if it has one, replaced by ``***``."""
    return _PASSWORD.sub(lambda m: f"{m['user']}***@" if m["user"] else f"{m['query']}***", url)


def _servers(value: Any) -> tuple[str, ...]:
    """A list, or one text with commas."""
    given = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(s, str) and _SERVER.fullmatch(s) for s in given):
        raise broken_rule("must be a list of host:port such as [kafka-1:9092, kafka-2:9092]")
    return tuple(given)


def _topic(value: Any) -> str | None:
    name = _optional_text(value)
    if name is None or (isinstance(name, str) and _TOPIC.fullmatch(name)):
        return name
    raise broken_rule("must be a topic's name (letters, digits, dot, dash, underscore; at most 249), or null")


def _group(value: Any) -> str:
    if isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_GROUP:
        return value.strip()
    raise broken_rule("must be the name of a consumer group")


def _headers(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(part, str) and part for kv in value.items() for part in kv):
        raise broken_rule("must be a section with one line a header, such as `tenant: tenant.id`")
    return dict(value)


def _client_options(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise broken_rule("must be a section with options of the Kafka client, such as `session_timeout_ms: 10000`")
    return dict(value)


def _endpoint(value: Any) -> str:
    if isinstance(value, str) and _is_endpoint(value.strip()):
        return value.strip().rstrip("/")
    raise broken_rule("must be http://host:port or https://host:port, without a user, a query or a fragment")


def _public_url(value: Any) -> str | None:
    return None if _optional_text(value) is None else _endpoint(value)


def _is_endpoint(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment) and text.isascii()
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _label(value: Any) -> str | None:
    name = _optional_text(value)
    if name is None or (isinstance(name, str) and _LABEL.fullmatch(name)):
        return name
    raise broken_rule("must be a short name (letters, digits, dot, dash, underscore; at most 63), or null")


def _signals(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value and all(signal in _SIGNALS for signal in value):
        return tuple(dict.fromkeys(value))
    raise broken_rule(f"must be a list with one or more of {', '.join(_SIGNALS)}")


def _kinds(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value and all(kind in _KINDS for kind in value):
        return tuple(dict.fromkeys(value))
    raise broken_rule(f"must be a list with one or more of {', '.join(_KINDS)}")


def _webhook_url(value: Any) -> str | None:
    if _optional_text(value) is None:
        return None
    try:
        return webhook_address(value)
    except ValueError as error:
        raise conflict("", str(error)) from None


def webhook_address(value: Any) -> str:
    """The address of a webhook. Raises ``ValueError``, which does not tell it: it may be a secret."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # or raises
    except ValueError:
        is_one = False
    if not (is_one and text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must be an http:// or https:// address")
    return text


def _template(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise broken_rule("must be a text, or null")


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise broken_rule("must be a text")


def _sent_headers(value: Any) -> dict[str, str]:
    """The values are not told: they may be secrets."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise conflict("", "must be a section with one line a header, such as `x-tenant: shop`")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or not _HEADER.fullmatch(f"{name}: {text}"):
            raise conflict(str(name), "must be a header's name, and its value a text of printable ASCII")
    return dict(value)


def _none(value: Any) -> Any:
    """A variable has no other way to say null."""
    return None if value in ("null", "none", "") else value


def _mode(value: Any) -> Any:
    """YAML reads a bare ``off`` as false."""
    return "off" if value is False else value


_Text = {"type": ["string", "null"]}
Checks = Annotated[
    Mapping[str, Mapping[str, Any]],
    PlainValidator(_checks),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["object", "null"]}}),
]
Directory = Annotated[Path, PlainValidator(_directory), PlainSerializer(str), WithJsonSchema({"type": "string"})]
OptionalFile = Annotated[
    Path | None,
    PlainValidator(_optional_file),
    PlainSerializer(lambda path: None if path is None else str(path)),
    WithJsonSchema(_Text),
]
TraceUrl = Annotated[str | None, PlainValidator(_trace_url), WithJsonSchema({**_Text, "pattern": r"\{trace_id\}"})]
StoreUrl = Annotated[str | None, PlainValidator(_store_url), WithJsonSchema({**_Text, "pattern": "^(sqlite|postgres)"})]
Mode = Annotated[Literal["review", "auto", "off"], BeforeValidator(_mode)]


Placeholders = Literal["tags", "fakes"]
JournalSync = Annotated[Literal["normal", "full", "off"], BeforeValidator(_mode)]
Servers = Annotated[
    tuple[str, ...],
    PlainValidator(_servers),
    PlainSerializer(list),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": "string", "pattern": r":\d+$"}}),
]
Topic = Annotated[str | None, PlainValidator(_topic), WithJsonSchema({**_Text, "maxLength": 249})]
Group = Annotated[str, PlainValidator(_group), WithJsonSchema({"type": "string", "minLength": 1})]
_Mapping = {"type": ["object", "null"]}
Headers = Annotated[
    Mapping[str, str],
    PlainValidator(_headers),
    WithJsonSchema({**_Mapping, "additionalProperties": {"type": "string"}}),
]
ClientOptions = Annotated[Mapping[str, Any], PlainValidator(_client_options), WithJsonSchema(_Mapping)]
Compression = Annotated[Literal["zstd", "gzip", "lz4", "snappy"] | None, BeforeValidator(_none)]
KafkaEncoding = Literal["auto", "otlp_proto", "otlp_json"]
Endpoint = Annotated[str, PlainValidator(_endpoint), WithJsonSchema({"type": "string", "pattern": "^https?://"})]
PublicUrl = Annotated[str | None, PlainValidator(_public_url), WithJsonSchema({**_Text, "pattern": "^https?://"})]
Label = Annotated[str | None, PlainValidator(_label), WithJsonSchema({**_Text, "maxLength": 63})]
Signals = Annotated[
    tuple[str, ...],
    PlainValidator(_signals),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"enum": list(_SIGNALS)}, "minItems": 1}),
]
SentHeaders = Annotated[
    Mapping[str, str],
    PlainValidator(_sent_headers),
    WithJsonSchema({**_Mapping, "additionalProperties": {"type": "string"}}),
]
PackedWith = Literal["gzip", "none"]
Kinds = Annotated[
    tuple[str, ...],
    PlainValidator(_kinds),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"enum": list(_KINDS)}, "minItems": 1}),
]
WebhookUrl = Annotated[str | None, PlainValidator(_webhook_url), WithJsonSchema({**_Text, "pattern": "^https?://"})]
Template = Annotated[str | None, PlainValidator(_template), WithJsonSchema(_Text)]
Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]
