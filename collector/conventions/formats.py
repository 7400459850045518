"""What the app asked the answer to look like (``ResponseFormat``), and the model's parameters.

The request bodies read here are OpenAI's chat (``response_format``) and responses (``text.format``) API, Gemini's
generation config (``response_mime_type``) and Anthropic's (``output_format``, ``output_config.format``).
"""

from collections.abc import Mapping
from typing import Any

from checks.interaction import ResponseFormat
from collector.conventions import attributes as attrs

_JSON_WORDS = frozenset({"json", "json_object", "json_schema", "application/json"})
_TEXT_WORDS = frozenset({"text", "text/plain"})
_WORDS = _JSON_WORDS | _TEXT_WORDS
_NESTED_CONFIGS = ("generation_config", "generationConfig", "config", "extra_body")
_MIME_TYPE_KEYS = ("response_mime_type", "responseMimeType")
_FORMAT_KEYS = frozenset({"response_format", "text", "output_format", "output_config", *_MIME_TYPE_KEYS})
_NOT_PARAMETERS = frozenset({"model", "messages", "input", "instructions", "tools", "prompt", "contents", "system"})


def of_request(body: Mapping[str, Any]) -> ResponseFormat | None:
    """The response format that a request body (or its parameters alone) asks for."""
    for config in (body, *(attrs.mapping(body[key]) for key in _NESTED_CONFIGS if key in body)):
        if not _FORMAT_KEYS.isdisjoint(config) and (found := _of_config(config)) is not None:
            return found
    return None


def _of_config(config: Mapping[str, Any]) -> ResponseFormat | None:
    for given in (
        config.get("response_format"),
        attrs.mapping(config.get("text")).get("format"),
        config.get("output_format"),
        attrs.mapping(config.get("output_config")).get("format"),
    ):
        if (found := of_value(given)) is not None:
            return found
    return _of_mime_type(config)


def of_value(given: Any) -> ResponseFormat | None:
    """The response format that one value names: a word such as ``json_object``, or ``{"type": ..., schema}``."""
    if given is None:
        return None
    found = attrs.parsed(given)
    if isinstance(found, str):
        return _of_word(found, None)
    if not isinstance(found, dict):
        return None
    inner = attrs.mapping(found.get("json_schema"))
    return _of_word(attrs.text(found, "type") or "", inner.get("schema") or found.get("schema"))


def of_schema(given: Any) -> ResponseFormat | None:
    """JSON by the schema ``given`` (a mapping or its JSON); ``None`` where there is none.

    A ``response_format`` that has no schema (``{"type": "json_object"}``) is read as what it is: OpenLLMetry records it
    in the schema's place, and none of its types is one of JSON Schema.
    """
    schema = attrs.mapping(given)
    if not schema:
        return None
    if (attrs.text(schema, "type") or "").lower() in _WORDS:
        return of_value(schema)
    return ResponseFormat("json", schema)


def parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model's parameters in a request body: all but what is said and offered to the model."""
    return {key: value for key, value in body.items() if key not in _NOT_PARAMETERS}


def _of_mime_type(config: Mapping[str, Any]) -> ResponseFormat | None:
    word = attrs.text(config, *_MIME_TYPE_KEYS)
    keys = ("response_schema", "responseSchema", "response_json_schema", "responseJsonSchema")
    return _of_word(word or "", next((config[key] for key in keys if key in config), None))


def _of_word(word: str, schema: Any) -> ResponseFormat | None:
    word = word.lower()
    if word in _JSON_WORDS:
        return ResponseFormat("json", attrs.mapping(schema) or None)
    return ResponseFormat("text") if word in _TEXT_WORDS else None
