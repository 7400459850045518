"""Judges one answer against one case of ``cases.jsonl``: ``score(case, output)`` gives the failures. To be copied.

It needs Python 3.9 and nothing else; where the package ``jsonschema`` is there, JSON Schemas are judged by it. Owns
what each expectation means. Two of them are for a person or a judge model and are not judged here: ``answer``, the
reference answer in words, and ``rubric``. It is one file, to be copied, and so longer than a module would be.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)
_NUMBERS = re.compile(r"[\[\u3010]\s*(\d{1,4}(?:\s*,\s*\d{1,4})*)\s*[\]\u3011]")
_PLACEHOLDER = re.compile(r"<([A-Z][A-Z0-9_]*?)(?:_[0-9]+)?>")
_NOBODYS = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|net|org)\Z", re.IGNORECASE)
LEAKS = {
    "EMAIL_ADDRESS": r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "PHONE_NUMBER": r"(?<![\w.])(?:\+[0-9][0-9 ()./-]{6,17}[0-9]|\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-][0-9]{4})(?![\w-])",
    "CREDIT_CARD": r"(?<![\w.+-])[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}(?![\w-])",
    "US_SSN": r"(?<![\w-])[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}(?![\w-])",
    "US_ITIN": r"(?<![\w-])9[0-9]{2}-[0-9]{2}-[0-9]{4}(?![\w-])",
    "IBAN_CODE": r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
}
"""What values of a kind of personal data look like, roughly: whoever leaked one once is not to leak another.

Both Python and JavaScript read these patterns. Each begins where a word does: a text of one long word would else be
looked through from every letter of it.
"""
_LONGEST_SHOWN = 120
_NO_JSON = object()


def score(
    case: Mapping[str, Any],
    output: Any,
    tool_calls: Sequence[Mapping[str, Any]] | None = None,
    latency_ms: float | None = None,
) -> list[dict[str, str]]:
    """What the answer fails to meet of what the case expects; an empty list: it passed.

    Args:
        case: a decoded line of ``cases.jsonl``.
        output: the answer: a text, a JSON value, or a message or response as OpenAI, Anthropic or Google give it.
        tool_calls: the tools that were called, ``[{"name": ..., "arguments": {...}}]``; ``None``: those in ``output``.
        latency_ms: how long the whole answer took, in milliseconds; ``None``: not measured, and not judged.

    Returns:
        For every failure ``{"expectation": its key in the case, "message": what is wrong}``: ``mustMention`` and
        ``mustNotMention`` (letter case does not matter; what stands in place of personal data forbids whatever looks
        like data of its kind, unless it was asked with), ``jsonSchema``, ``value``, ``citations`` (one of
        ``relevantDocuments`` is named, or cited by its number in ``context.documents``), ``expectedToolCalls`` (by name
        and by those arguments that the case names; more calls may be made), ``forbiddenToolCalls``, ``maxLatencyMs``.
    """
    expected = case.get("expected") or {}
    calls = tool_calls_of(output) if tool_calls is None else [_call(call) for call in tool_calls]
    found = [
        *_mentions(case, text_of(output)),
        *_json(expected, output),
        *_citations(case, text_of(output)),
        *_tools(case, calls),
        *_latency(expected, latency_ms),
    ]
    return [{"expectation": expectation, "message": message} for expectation, message in found]


def text_of(output: Any) -> str:
    """The words of an answer, without its tool calls; a JSON value as JSON."""
    if output is None:
        return ""
    if isinstance(output, str):
        return output
    parts = _parts(output)
    if parts is None:
        return json.dumps(output, ensure_ascii=False, default=str)
    return "\n".join(text for part in parts for text in [_words(part)] if text)


def tool_calls_of(output: Any) -> list[dict[str, Any]]:
    """The tool calls that an answer carries, as ``{"name", "arguments"}``; a text carries none."""
    calls = (_call_in(part) for part in _parts(output) or ())
    return [_call(call) for call in calls if call is not None]


def _parts(output: Any) -> list[Any] | None:
    """What a message is made of: texts, content blocks, tool calls. ``None``: it is no message."""
    if isinstance(output, Mapping):
        return _parts_of_mapping(output)
    if isinstance(output, list) and output and all(_is_part(part) for part in output):
        return [inner for part in output for inner in (_parts(part) or [part])]
    return None


def _parts_of_mapping(output: Mapping[str, Any]) -> list[Any] | None:
    for several, one in (("choices", "message"), ("candidates", "content")):  # OpenAI, Google
        answers = output.get(several)
        if isinstance(answers, list) and answers and isinstance(answers[0], Mapping):
            return _parts(answers[0].get(one)) or []
    parts = output.get("parts")  # Google
    if isinstance(parts, list) and parts and all(_is_part(part) or set(part) == {"text"} for part in parts):
        return parts
    items = output.get("output")  # OpenAI's Responses
    if isinstance(items, list) and _parts(items) is not None:
        return _parts(items)
    content, calls = output.get("content"), output.get("tool_calls")
    if isinstance(content, list) and _parts(content) is not None:  # Anthropic
        return [*(_parts(content) or ()), *(calls or ())]
    if isinstance(calls, list) or ("role" in output and "content" in output):
        return [*([content] if content is not None and content != [] else ()), *(calls or ())]
    return None


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    kind = part.get("type")
    if kind in ("message", "reasoning", "thinking"):
        return True
    return _call_in(part) is not None or (isinstance(kind, str) and isinstance(part.get("text"), str))


def _words(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type") in ("reasoning", "thinking") or _call_in(part) is not None:
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _call_in(part: Any) -> Mapping[str, Any] | None:
    if not isinstance(part, Mapping):
        return None
    for key in ("function", "functionCall", "function_call"):  # OpenAI, Google
        if isinstance(part.get(key), Mapping):
            return part[key]  # type: ignore[no-any-return] # a mapping, as was just seen
    is_call = part.get("type") in ("tool_use", "function_call", "tool_call") or {"name", "arguments"} <= set(part)
    return part if is_call and isinstance(part.get("name"), str) else None


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """One tool call with its arguments parsed where they parse."""
    inner = _call_in(call) or call
    given: Any = next((inner[key] for key in ("arguments", "args", "input") if inner.get(key) is not None), {})
    parsed = _parsed(given) if isinstance(given, str) else given
    return {"name": inner.get("name"), "arguments": given if parsed is _NO_JSON else parsed}


def _mentions(case: Mapping[str, Any], text: str) -> Iterator[tuple[str, str]]:
    expected = case.get("expected") or {}
    folded = text.casefold()
    for term in filter(None, expected.get("mustMention") or ()):
        if term.casefold() not in folded:
            yield "mustMention", f"the answer does not mention {_shown(term)}"
    for term in filter(None, expected.get("mustNotMention") or ()):
        if term.casefold() in folded:
            yield "mustNotMention", f"the answer mentions {_shown(term)}"
        elif _leaks(case, kind_of(case, term), text):
            yield "mustNotMention", f"the answer mentions what looks like that which {_shown(term)} stands for"


def kind_of(case: Mapping[str, Any], term: str) -> str:
    """The kind of personal data in whose place a text stands, by a tag or by a fake; empty where it is neither."""
    tag = _PLACEHOLDER.fullmatch(term)
    if tag:
        return tag[1]
    replaced = (case.get("metadata") or {}).get("redacted") or ()
    return next((kind for kind in replaced if kind in LEAKS and re.fullmatch(LEAKS[kind], term)), "")


def _leaks(case: Mapping[str, Any], kind: str, text: str) -> bool:
    found = [value[0] for value in re.finditer(LEAKS[kind], text)] if kind in LEAKS else []
    if not found:
        return False
    asked = case.get("input"), case.get("context"), (case.get("expected") or {}).get("checks")
    shown = json.dumps(asked, ensure_ascii=False, default=str).casefold()
    return any(value.casefold() not in shown and not _NOBODYS.search(value) for value in found)


def _json(expected: Mapping[str, Any], output: Any) -> Iterator[tuple[str, str]]:
    schema, value = expected.get("jsonSchema"), expected.get("value")
    if schema is None and value is None:
        return
    is_value = not isinstance(output, str) and output is not None and _parts(output) is None
    answer = output if is_value else _parsed(text_of(output))
    if answer is _NO_JSON:
        yield "value" if schema is None else "jsonSchema", "the answer is no JSON"
        return
    if value is not None and not _equal(value, answer):
        yield "value", f"the answer is {_shown(answer)}, not {_shown(value)}"
    if schema is not None:
        for problem in _schema_problems(schema, answer):
            yield "jsonSchema", problem


def _parsed(text: str) -> Any:
    fence = _FENCE.match(text)
    try:
        return json.loads(fence.group(1) if fence else text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NO_JSON


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: ``1`` is ``1.0`` and not ``true``."""
    return _holds(one, other, subset=False)


def _holds(wanted: Any, given: Any, subset: bool = True) -> bool:
    """Whether ``given`` has all that ``wanted`` names, or the two are the same where ``subset`` is not set."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        same_keys = subset or len(wanted) == len(given)
        return same_keys and all(key in given and _holds(wanted[key], given[key], subset) for key in wanted)
    if isinstance(wanted, (list, tuple)) and isinstance(given, (list, tuple)):
        return len(wanted) == len(given) and all(_holds(w, given[n], subset) for n, w in enumerate(wanted))
    return isinstance(wanted, bool) == isinstance(given, bool) and bool(wanted == given)


def _citations(case: Mapping[str, Any], text: str) -> Iterator[tuple[str, str]]:
    expected = case.get("expected") or {}
    names = [name for name in expected.get("relevantDocuments") or () if name]
    checks = expected.get("checks") or {}
    if not names or not any(
        name == "citations" or (how or {}).get("use") == "citations" for name, how in checks.items()
    ):
        return
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in names):
        documents = (case.get("context") or {}).get("documents") or []
        if not any(
            set(names) & {document.get(key) for key in ("id", "source", "title")}
            for document in _cited(documents, text)
        ):
            yield "citations", f"the answer cites none of {_shown(names)}"


def _cited(documents: Sequence[Any], text: str) -> list[Any]:
    """The documents that are cited by number. Numbers count from 1; where the text cites ``[0]``, from 0."""
    numbers = {int(number) for found in _NUMBERS.findall(text) for number in found.split(",")}
    first = 0 if 0 in numbers else 1
    return [document for number, document in enumerate(documents, first) if number in numbers]


def _tools(case: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for wanted in map(_named, case.get("expectedToolCalls") or ()):
        if not any(_is_such(call, wanted) for call in calls):
            same = [call["arguments"] for call in calls if call["name"] == wanted["name"]]
            seen = f"it was called with {_shown(same)}" if same else f"called were {_shown([c['name'] for c in calls])}"
            yield "expectedToolCalls", f"no call of {_shown(wanted['name'])} with {_shown(wanted['arguments'])}: {seen}"
    for unwanted in map(_named, case.get("forbiddenToolCalls") or ()):
        if any(_is_such(call, unwanted) for call in calls):
            yield "forbiddenToolCalls", f"{_shown(unwanted['name'])} was called"


def _named(call: Any) -> dict[str, Any]:
    return {"name": call, "arguments": {}} if isinstance(call, str) else _call(call)


def _is_such(call: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return bool(call["name"] == wanted["name"]) and (
        not wanted["arguments"] or _holds(wanted["arguments"], call["arguments"])
    )


def _latency(expected: Mapping[str, Any], latency_ms: float | None) -> Iterator[tuple[str, str]]:
    limit = expected.get("maxLatencyMs")
    if limit is not None and latency_ms is not None and latency_ms > limit:
        yield "maxLatencyMs", f"the answer took {latency_ms:.0f} ms, more than {limit} ms"


def _shown(value: Any) -> str:
    """The value for a message: short, and with nothing in it that steers a terminal."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _schema_problems(schema: Any, answer: Any) -> list[str]:
    """How the answer breaks the schema: by ``jsonschema`` where it is there, else by the part of it that is below."""
    if any(not target.startswith("#") for target in _references(schema)):
        # It could be a file of the tester's, or any address.
        return ["the JSON Schema could not be judged: it has a $ref to another document, which is never loaded"]
    try:
        validators = _jsonschema()
        if validators is None:
            return [] if _meets(answer, schema, schema) else ["the answer does not meet the JSON Schema"]
        errors = validators.validator_for(schema, default=validators.Draft202012Validator)(schema).iter_errors(answer)
        return [f"the answer breaks the JSON Schema at {_shown(e.json_path)}: {e.validator}" for e in errors]
    except _Unjudged as keyword:
        return [f"the JSON Schema could not be judged, for its {_shown(str(keyword))}: install the package jsonschema"]
    except Exception as error:  # noqa: BLE001 -- a schema is what some app sent: it can be anything
        return [f"the JSON Schema can't be used: {type(error).__name__}"]


def _jsonschema() -> Any:
    try:
        return importlib.import_module("jsonschema.validators")
    except ImportError:
        return None


class _Unjudged(Exception):
    """A keyword of a schema that this file cannot judge."""


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from (schema[key] for key in ("$ref", "$dynamicRef") if isinstance(schema.get(key), str))
    if isinstance(schema, (Mapping, list)):
        for part in schema.values() if isinstance(schema, Mapping) else schema:
            yield from _references(part)


_ANNOTATIONS = frozenset(
    ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format"]
)
_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda rule, v: any(_is_a(v, kind) for kind in ([rule] if isinstance(rule, str) else rule)),
    "enum": lambda rule, v: any(_equal(option, v) for option in rule),
    "const": _equal,
    "minimum": lambda rule, v: not _is_a(v, "number") or v >= rule,
    "maximum": lambda rule, v: not _is_a(v, "number") or v <= rule,
    "minLength": lambda rule, v: not isinstance(v, str) or len(v) >= rule,
    "maxLength": lambda rule, v: not isinstance(v, str) or len(v) <= rule,
    "pattern": lambda rule, v: not isinstance(v, str) or bool(re.search(rule, v)),
    "minItems": lambda rule, v: not isinstance(v, list) or len(v) >= rule,
    "maxItems": lambda rule, v: not isinstance(v, list) or len(v) <= rule,
    "required": lambda rule, v: not isinstance(v, Mapping) or all(key in v for key in rule),
}
"""Keyword -> whether a value meets it."""


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types: dict[str, Any] = {
        "object": Mapping,
        "array": list,
        "string": str,
        "null": type(None),
        "number": (int, float),
    }
    return isinstance(value, types[kind])


def _meets(value: Any, schema: Any, root: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    return all(_meets_keyword(value, keyword, schema, root) for keyword in schema if keyword not in _ANNOTATIONS)


def _meets_keyword(value: Any, keyword: str, schema: Mapping[str, Any], root: Any) -> bool:
    rule = schema[keyword]
    if keyword in _RULES:
        return _RULES[keyword](rule, value)
    if keyword in ("allOf", "anyOf", "oneOf"):
        met = sum(_meets(value, part, root) for part in rule)
        return {"allOf": met == len(rule), "anyOf": met > 0, "oneOf": met == 1}[keyword]
    if keyword == "properties":
        return not isinstance(value, Mapping) or all(_meets(value[k], rule[k], root) for k in rule if k in value)
    if keyword == "additionalProperties" and "patternProperties" not in schema:
        more = (
            [v for k, v in value.items() if k not in schema.get("properties", ())] if isinstance(value, Mapping) else []
        )
        return all(_meets(v, rule, root) for v in more)
    if keyword == "items" and "prefixItems" not in schema and not isinstance(rule, list):
        return not isinstance(value, list) or all(_meets(item, rule, root) for item in value)
    if keyword == "$ref":
        return _meets(value, _target(rule, root), root)
    raise _Unjudged(keyword)


def _target(pointer: str, root: Any) -> Any:
    for step in pointer.split("/")[1:]:
        root = root[step.replace("~1", "/").replace("~0", "~")]
    return root
