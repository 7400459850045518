"""The parts of a case as nearly every eval tool keeps them: what goes in, what is demanded, and what is only told.

A format puts them under the names that its tool has for them. All take a case in its public shape, and change nothing
of what it holds.
"""

import uuid
from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, Any]
"""A case as ``exporters.dataset.shape.to_json`` gives it."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "sidecheck.case")
"""Of case ids. Never changed: a second import updates the examples of the first one."""


def stable_uuid(shape: Shape) -> str:
    """The UUID of this case, the same in every export of it (RFC 9562, version 5)."""
    return str(uuid.uuid5(_NAMESPACE, shape["id"]))


def inputs(shape: Shape) -> dict[str, Any]:
    """What the app is called with: ``question`` (``None`` where the input was not recorded) and ``context``."""
    return {"question": shape["input"], "context": shape["context"]}


def demands(shape: Shape) -> dict[str, Any]:
    """Everything that must hold, flat, with no key where nothing is demanded. An empty JSON Schema is a demand."""
    tools = {key: shape[key] for key in ("expectedToolCalls", "forbiddenToolCalls")}
    values = {"value", "jsonSchema"}
    return {k: v for k, v in {**shape["expected"], **tools}.items() if v is not None and (v or k in values)}


def metadata(shape: Shape) -> dict[str, Any]:
    """Where the case comes from, with its id and the bad answer, which is no reference and no result."""
    return {"caseId": shape["id"], **shape["metadata"], "badOutput": shape["actualOutput"]}


def labels(shape: Shape, *more: str) -> list[str]:
    """The kind of example, the split where there is one, and ``more``; each once."""
    metadata = shape["metadata"]
    return list(dict.fromkeys(filter(None, [metadata["exampleType"], metadata["split"], *more])))


def messages(shape: Shape) -> list[dict[str, str]]:
    """The whole conversation as ``{"role", "content"}``, from the system prompt to what the user said last.

    Only what was said: tool calls, tools' answers and roles of other kinds are in ``context`` alone.
    """
    context = shape["context"]
    said = [("system", context["system"]), *((m.get("role"), m.get("content")) for m in context["messages"])]
    said.append(("user", shape["input"] or ""))
    return [
        {"role": role, "content": content}
        for role, content in said
        if role in ("system", "developer", "user", "assistant") and isinstance(content, str)
    ]
