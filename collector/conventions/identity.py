"""Whose session it was: session and user ids, wherever libraries and apps put them."""

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

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


class Keys(NamedTuple):
    """The keys that a span or a trace has of those above, the most telling first."""

    session: tuple[str, ...] = ()
    user: tuple[str, ...] = ()


NO_KEYS = Keys()


def keys_among(names: Container[str]) -> Keys:
    """The keys that are among these names of attributes."""
    session = tuple(key for key in _SESSION_KEYS if key in names)
    user = tuple(key for key in _USER_KEYS if key in names)
    return Keys(session, user) if session or user else NO_KEYS


def joined(some: Keys, others: Keys) -> Keys:
    """The keys that are among either of these; they are the same for most spans of a trace."""
    return some if some == others else keys_among({*some.session, *some.user, *others.session, *others.user})


def session_id(trace: Trace, keys: Keys) -> str | None:
    """The session's id by the most telling key, from the root or the first span that has it."""
    return _first(trace, keys.session) if keys.session else None


def user_id(trace: Trace, keys: Keys) -> str | None:
    """The user's id, likewise."""
    return _first(trace, keys.user) if keys.user else None


def _first(trace: Trace, keys: Sequence[str]) -> str | None:
    return next((found for key in keys for found in _values(trace, key)), None)


def _values(trace: Trace, key: str) -> Iterator[str]:
    """The usable values of ``key``; logfire replaces what it takes for a secret by a note, session ids among it."""
    first = (trace.root,) if trace.root else ()
    for span in (*first, *trace.spans):
        value = attrs.identifier(span.attributes, key)
        if value is not None and not value.startswith(_SCRUBBED):
            yield value
