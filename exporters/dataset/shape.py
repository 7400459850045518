"""The public JSON shape of a case, both ways: ``cases.jsonl``, the JSON API and redaction all use this one.

A retrieved document carries its text under ``content`` and again under ``text``: both names are read by tools
that load such files. Everything else is written once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.dataset.plain import plain


class ShapeError(ValueError):
    """A document that is no case. ``key`` is the path of the key that is wrong, the text gives the rule."""

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(f"{key}: {rule}")
        self.key = key


def to_json(case: Case) -> dict[str, Any]:
    """``case`` as JSON-able dicts and lists, keys always in the same order. Holds no NaN and no lone surrogate."""
    shape: dict[str, Any] = plain(
        {
            "id": case.id,
            "input": case.input,
            "context": _context(case.context),
            "expected": _expected(case.expectation),
            "expectedToolCalls": case.expectation.expected_tool_calls,
            "forbiddenToolCalls": case.expectation.forbidden_tool_calls,
            "actualOutput": case.observed_output,
            "metadata": _metadata(case),
        }
    )
    return shape


def _context(context: Context) -> dict[str, Any]:
    return {
        "documents": [_with_text(document) for document in context.documents],
        "messages": context.messages,
        "system": context.system,
        "tools": context.tools,
    }


def _with_text(document: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in document.items():
        written[key] = value
        if key == "content":
            written["text"] = value
    return written


def _expected(expectation: Expectation) -> dict[str, Any]:
    return {
        "answer": expectation.answer,
        "value": expectation.value,
        "mustMention": expectation.must_mention,
        "mustNotMention": expectation.must_not_mention,
        "jsonSchema": expectation.json_schema,
        "relevantDocuments": expectation.relevant_documents,
        "maxLatencyMs": expectation.max_latency_ms,
        "rubric": expectation.rubric,
        "checks": expectation.checks,
    }


def _metadata(case: Case) -> dict[str, Any]:
    return {
        "traceId": case.source.trace_id,
        "service": case.source.service,
        "model": case.source.model,
        "failedChecks": case.source.failed_checks,
        "exampleType": case.kind.value,
        "reviewedBy": case.reviewed_by,
        "tags": case.tags,
        "split": case.split,
        "fingerprint": case.fingerprint,
        "redacted": case.redacted,
    }


def from_json(document: Any) -> Case:
    """The case that ``document`` describes; keys left out take their empty value, only ``id`` must be there.

    Raises:
        ShapeError: a key holds another type than the shape gives it.
    """
    top = _Part(document, "")
    metadata = top.part("metadata")
    return Case(
        id=top.required("id"),
        fingerprint=metadata.text("fingerprint") or "",
        source=_read_source(metadata),
        input=top.text("input"),
        context=_read_context(top.part("context")),
        observed_output=top.text("actualOutput"),
        expectation=_read_expectation(top),
        kind=_read_kind(metadata),
        tags=metadata.texts("tags"),
        split=metadata.text("split"),
        reviewed_by=metadata.text("reviewedBy"),
        redacted=metadata.texts("redacted") if metadata.any("redacted") is not None else None,
    )


def expectation_from_json(document: Any) -> Expectation:
    """What the case that ``document`` describes demands. Raises ``ShapeError`` as ``from_json`` does."""
    return _read_expectation(_Part(document, ""))


def _read_source(metadata: "_Part") -> Source:
    return Source(
        trace_id=metadata.text("traceId") or "",
        service=metadata.text("service") or "",
        model=metadata.text("model"),
        failed_checks=metadata.texts("failedChecks"),
    )


def _read_context(context: "_Part") -> Context:
    return Context(
        documents=tuple(_read_document(d) for d in context.mappings("documents")),
        messages=context.mappings("messages"),
        system=context.text("system"),
        tools=context.mappings("tools"),
    )


def _read_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without the second name of its text; a document that has only ``text`` keeps it as ``content``."""
    read = {key: value for key, value in document.items() if key != "text"}
    if "text" in document and "content" not in read:
        read["content"] = document["text"]
    return read


def _read_expectation(top: "_Part") -> Expectation:
    expected = top.part("expected")
    return Expectation(
        answer=expected.text("answer"),
        value=expected.any("value"),
        must_mention=expected.texts("mustMention"),
        must_not_mention=expected.texts("mustNotMention"),
        json_schema=expected.mapping("jsonSchema"),
        relevant_documents=expected.texts("relevantDocuments"),
        max_latency_ms=expected.positive("maxLatencyMs"),
        rubric=expected.text("rubric"),
        checks=_read_checks(expected.part("checks")),
        expected_tool_calls=top.mappings("expectedToolCalls"),
        forbidden_tool_calls=top.texts("forbiddenToolCalls"),
    )


def _read_checks(checks: "_Part") -> dict[str, Mapping[str, Any]]:
    return {name: checks.mapping(name) or {} for name in checks.keys}


def _read_kind(metadata: "_Part") -> ExampleType:
    name = metadata.text("exampleType")
    if name is None:
        return ExampleType.HISTORICAL_FAILURE
    try:
        return ExampleType(name)
    except ValueError:
        raise ShapeError("metadata.exampleType", f"must be one of {', '.join(ExampleType)}") from None


_MAPPING = (dict, Mapping)
"""A dict is one, and is asked for much faster."""


class _Part:
    """One object of the document, with the path that errors name. A missing key and ``null`` read the same."""

    def __init__(self, value: Any, path: str) -> None:
        if value is not None and not isinstance(value, _MAPPING):
            raise ShapeError(path or "case", "must be an object")
        self._value: Mapping[str, Any] = value or {}
        self._path = path

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._value)

    def part(self, key: str) -> "_Part":
        return _Part(self._value.get(key), self._name(key))

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise ShapeError(self._name(key), "must be a string that is not empty")
        return value

    def text(self, key: str) -> str | None:
        value = self._value.get(key)
        if value is not None and not isinstance(value, str):
            raise ShapeError(self._name(key), "must be a string or null")
        return value

    def any(self, key: str) -> Any:
        return self._value.get(key)

    def positive(self, key: str) -> int | None:
        value = self._value.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ShapeError(self._name(key), "must be a whole number above 0, or null")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._items(key, str, "strings"))

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        value = self._value.get(key)
        if value is not None and not isinstance(value, _MAPPING):
            raise ShapeError(self._name(key), "must be an object or null")
        return value

    def mappings(self, key: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(self._items(key, _MAPPING, "objects"))

    def _items(self, key: str, kind: type[Any] | tuple[type[Any], ...], noun: str) -> Sequence[Any]:
        value = self._value.get(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(item, kind) for item in value):
            raise ShapeError(self._name(key), f"must be a list of {noun}")
        return value

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key
