"""The tools that a model was offered, in every shape that libraries record them in, as ``ToolDefinition``."""

from collections.abc import Mapping
from typing import Any

from checks.interaction import ToolDefinition
from collector.conventions import attributes as attrs
from collector.conventions.repetition import NEW, LastRead

_last = LastRead()

_SCHEMA_KEYS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")


def read(value: Any) -> tuple[ToolDefinition, ...] | None:
    """The definitions in ``value``: a list of them or its JSON. ``None`` where no list was recorded.

    Takes OpenAI's two forms (with and without ``function`` around), Anthropic's ``input_schema``, and OpenInference's
    ``{"tool": {"json_schema": "..."}}``.
    """
    if value is None:
        return None
    found: tuple[ToolDefinition, ...] | None = _last.made_of(value)
    if found is NEW:
        found = _definitions(value)
        _last.keep(value, found)
    return found


def _definitions(value: Any) -> tuple[ToolDefinition, ...] | None:
    listed = attrs.parsed(value)
    if not isinstance(listed, (list, tuple)):
        return None
    found = (_definition(item) for item in listed)
    return tuple(definition for definition in found if definition is not None)


def _definition(item: Any) -> ToolDefinition | None:
    raw = attrs.mapping(item)
    wrapped = attrs.mapping(raw.get("tool"))
    raw = attrs.mapping(wrapped.get("json_schema")) or wrapped or raw
    function = attrs.mapping(raw.get("function")) or raw
    name = attrs.text(function, "name") or attrs.text(raw, "name")
    if name is None:
        return None
    return ToolDefinition(name=name, description=attrs.text(function, "description"), parameters=_schema(function))


def _schema(function: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((found for key in _SCHEMA_KEYS if (found := attrs.mapping(function.get(key)))), None)
