"""What can be read out of a request or response body that an instrumentation kept whole, as JSON.

The bodies are OpenAI's: chat completions (``messages``, ``choices``) and responses (``input``, ``output``).
"""

from collections.abc import Mapping
from typing import Any

from checks.interaction import Message
from collector.conventions import attributes as attrs
from collector.conventions import messages


def asked(body: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """The messages of a request; ``None`` where the body holds none."""
    given = body.get("messages", body.get("input"))
    said = messages.read(given, "user") if isinstance(given, (str, list)) else None
    instructions = attrs.text(body, "instructions")
    if instructions is None:
        return said
    return (Message("system", instructions), *(said or ()))


def answered(body: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """The messages of a response; ``None`` where the body holds none."""
    choices = [choice.get("message") for choice in attrs.items(body.get("choices")) if isinstance(choice, dict)]
    given = [item for item in (*choices, *attrs.items(body.get("output"))) if isinstance(item, dict)]
    return messages.read(given, "assistant") if given else None
