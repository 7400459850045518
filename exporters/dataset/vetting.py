"""Whether what a person demands of a case can be met at all: a schema that judges, tool calls that name their tool.

What a trace brought along may be anything and stays as it is: only what is demanded anew is looked at.
"""

from collections.abc import Mapping
from typing import Any

from checks.builtin.valid_json.schema import SchemaError, compile_schema
from exporters.dataset.case import Expectation
from exporters.dataset.shape import ShapeError

NOTHING = Expectation()
LONGEST = 300
"""Characters of a fault that is told: a validator quotes the part that it did not take, which may be long."""
_CALL_RULE = "must name its tool; its arguments are an object, or left out for any"


def vet(after: Expectation, before: Expectation = NOTHING) -> None:
    """Look at what ``after`` demands and ``before`` did not.

    Raises:
        ShapeError: nobody can meet it; ``key`` is its path in the public shape.
    """
    schema = after.json_schema
    if schema is not None and schema != before.json_schema and (fault := schema_fault(schema)) is not None:
        raise ShapeError("expected.jsonSchema", fault)
    for number, call in enumerate(after.expected_tool_calls):
        if call not in before.expected_tool_calls and not _is_call(call):
            raise ShapeError(f"expectedToolCalls[{number}]", _CALL_RULE)


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Why this is no JSON Schema that can be used, with the place in it; also where it refers to anything outside."""
    try:
        compile_schema(schema)
    except SchemaError as error:
        fault = f"at {error.place or 'the top'}: {error}"
        return fault if len(fault) <= LONGEST else fault[: LONGEST - 1] + "…"
    return None


def _is_call(call: Mapping[str, Any]) -> bool:
    name, arguments = call.get("name"), call.get("arguments")
    return isinstance(name, str) and bool(name.strip()) and (arguments is None or isinstance(arguments, Mapping))
