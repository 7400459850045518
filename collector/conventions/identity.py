"""Whose session it was: session and user ids, wherever libraries and apps put them."""

from collections.abc import Iterator

from checks.trace import Trace
from collector.conventions import attributes as attrs

_ASSOCIATED = "traceloop.association.properties."
_SESSION_KEYS = (
    "session.id",
    "gen_ai.conversation.id",
    f"{_ASSOCIATED}session_id",
    f"{_ASSOCIATED}session.id",
    f"{_ASSOCIATED}thread_id",
    f"{_ASSOCIATED}conversation_id",
)
_USER_KEYS = (
    "user.id",
    "enduser.id",
    f"{_ASSOCIATED}user_id",
    f"{_ASSOCIATED}user.id",
    "gen_ai.request.user",
    "gen_ai.openai.request.user",
    "gen_ai.user",
    "llm.user",
)
_SCRUBBED = "[Scrubbed due to"


def session_id(trace: Trace) -> str | None:
    """The session's id by the most telling key, from the root or the first span that has it."""
    return _first(trace, _SESSION_KEYS)


def user_id(trace: Trace) -> str | None:
    """The user's id, likewise."""
    return _first(trace, _USER_KEYS)


def _first(trace: Trace, keys: tuple[str, ...]) -> str | None:
    if trace.attribute_names.isdisjoint(keys):
        return None
    recorded = (key for key in keys if key in trace.attribute_names)
    return next((found for key in recorded for found in _values(trace, key)), None)


def _values(trace: Trace, key: str) -> Iterator[str]:
    """The usable values of ``key``; logfire replaces what it takes for a secret by a note, session ids among it."""
    first = (trace.root,) if trace.root else ()
    for span in (*first, *trace.spans):
        value = attrs.identifier(span.attributes, key)
        if value is not None and not value.startswith(_SCRUBBED):
            yield value
