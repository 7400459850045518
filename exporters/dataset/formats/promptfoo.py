"""``promptfoo.yaml``: a list of promptfoo tests, every demand one of its own assertions (``tests: file://promptfoo.yaml``).

promptfoo renders each string variable and each string assertion value as a Nunjucks template. It loads strings that
begin with ``file:`` or ``package:``, in metadata and assertion values at any depth. And it puts in the place of any
object with ``$ref`` what that names, a file or an address. What production sent would run as code on the tester's
machine, or bring its files into the results: all of it is escaped here. Code is ours, and reads the case from the
object ``vars.case``, where texts stand as they are. ``answer`` and ``rubric`` are left for a judge model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import IO, Any

from exporters.dataset.case import Case, Expectation
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import Block, json_text, yaml_item
from exporters.dataset.formats.slots import metadata
from exporters.dataset.scorer import LEAKS, kind_of
from exporters.dataset.shape import to_json

_OPENING = re.compile(r"\{(?=[{%#])")
_LOADED = re.compile(r"\A(\s*)(file|package)(?=:)", re.IGNORECASE)
_NOT_NOBODYS = r"@(?!(?:[\w-]+\.)*example\.(?:com|net|org)\b)"
_NOT_TESTED = ("actualOutput", "metadata")
_NOT_AJV = ("$schema", "$id")
"""Ajv knows draft 7 alone, and takes an id only once; neither says what an answer must be."""


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write each case as one promptfoo test."""
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007 -- the last number is the result
        out.write(yaml_item(_test(case)).encode())
    if not count:
        out.write(b"[]\n")
    return count


def escape(text: str) -> str:
    """The text as a Nunjucks template that renders to it, and that is no reference to a file or package.

    Not by ``{% raw %}``: the text could close it.
    """
    text = _OPENING.sub("{{ '{' }}", text).replace("#}", "{{ '#' }}}")
    return _LOADED.sub(r"\1{{ '\2' }}", text)


def unreferenced(value: Any) -> Any:
    """The value with a space before each key ``$ref`` in it."""
    if isinstance(value, dict):
        return {f" {key}" if key == "$ref" else key: unreferenced(item) for key, item in value.items()}
    return [unreferenced(item) for item in value] if isinstance(value, list) else value


def disarmed(value: Any) -> Any:
    """The value with a space before each text in it that promptfoo would load where it renders nothing."""
    if isinstance(value, str):
        return f" {value}" if _LOADED.match(value) else value
    if isinstance(value, dict):
        return {key: disarmed(item) for key, item in value.items()}
    return [disarmed(item) for item in value] if isinstance(value, list) else value


def _test(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    return {
        "description": escape(case.id),
        "vars": {
            "question": escape(shape["input"] or ""),
            "case": unreferenced({key: value for key, value in shape.items() if key not in _NOT_TESTED}),
        },
        # Without this, lists would multiply the tests.
        "options": {"disableVarExpansion": True},
        "assert": list(_assertions(case.expectation, shape)),
        "metadata": disarmed(metadata(shape)),
    }


def _assertions(demanded: Expectation, shape: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    expected = shape["expected"]
    calls = bool(demanded.expected_tool_calls or demanded.forbidden_tool_calls)
    words = {"transform": _code("words")} if calls else {}
    for term in filter(None, expected["mustMention"]):
        yield {"type": "icontains", "value": escape(term), "metric": "mustMention", **words}
    for term in filter(None, expected["mustNotMention"]):
        yield {"type": "not-icontains", "value": escape(term), "metric": "mustNotMention", **words}
    for kind in dict.fromkeys(kind_of(shape, term) for term in expected["mustNotMention"]):
        if kind in LEAKS:
            yield {"type": "not-regex", "value": escape(_leak(kind)), "metric": "mustNotMention", **words}
    if demanded.json_schema is not None:
        yield {**_schema(expected["jsonSchema"]), "metric": "jsonSchema", **words}
    if demanded.value is not None:
        yield {**_equal_to(expected["value"]), "metric": "value", **words}
    if calls:
        yield {"type": "javascript", "value": _code("calls"), "metric": "toolCalls"}
    if demanded.must_cite:
        yield {"type": "javascript", "value": _code("citations"), "metric": "citations"}
    if demanded.max_latency_ms is not None:
        yield {"type": "latency", "threshold": demanded.max_latency_ms, "metric": "maxLatencyMs"}


def _leak(kind: str) -> str:
    """What looks like data of a kind and is somebody's."""
    return LEAKS[kind].replace("@", _NOT_NOBODYS)


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in _NOT_AJV}
    return {"type": "is-json", "value": kept if _is_harmless(kept) else escape(json_text(kept))}


def _equal_to(value: Any) -> dict[str, Any]:
    """An object is compared as it is; anything else, and what would not stay so, by a schema that allows it alone."""
    if isinstance(value, dict) and _is_harmless(value):
        return {"type": "equals", "value": value}
    return {"type": "is-json", "value": escape(json_text({"const": value}))}


def _is_harmless(value: Any) -> bool:
    """Whether promptfoo leaves this object as it is. Else it goes as a text, which is rendered, then read as JSON."""
    return bool(disarmed(value) == value and unreferenced(value) == value)


def _code(name: str) -> Block:
    """Our code: the body of a function of ``output`` and ``context``, with no ``{{``, ``{%`` or ``{#`` in it."""
    folder = files("exporters.dataset").joinpath("adapters")
    return Block("".join(folder.joinpath(f"promptfoo_{part}.js").read_text("utf-8") for part in ("message", name)))


FORMAT = Format("promptfoo", "promptfoo", (DatasetFile("promptfoo.yaml", "application/yaml", write),))
"""The ``promptfoo`` format."""
