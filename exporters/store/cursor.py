"""Keyset pagination: a cursor is the sort key of the last item seen, so a page costs the same however deep it is."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from exporters.codec import clamped, clean, from_json, to_json
from exporters.store.errors import BadCursor
from exporters.store.query import MAX_PAGE


def encode(time_ns: int, identity: str | int) -> str:
    """The cursor of an item, fit for a URL."""
    return base64.urlsafe_b64encode(to_json([time_ns, identity]).encode()).decode().rstrip("=")


def decode(cursor: str, kind: type[str] | type[int] = str) -> tuple[int, Any]:
    """The sort key in a cursor: a time, and an identity of this kind.

    Raises:
        BadCursor: it is none of ``encode``'s.
    """
    try:
        time_ns, identity = from_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise BadCursor("this cursor is none that sidecheck gave out: ask for the first page") from None
    if not _is_number(time_ns) or type(identity) is not kind or (kind is int and not _is_number(identity)):
        raise BadCursor("this cursor is none that sidecheck gave out: ask for the first page")
    return time_ns, identity


def _is_number(value: object) -> bool:
    return type(value) is int and clamped(value) == value


def beyond(
    cursor: str | None, time: Any, identity: Any, *, ascending: bool = False
) -> Sequence[sa.ColumnElement[bool]]:
    """The condition for rows after the cursor, in the order of ``time`` and ``identity``; none for the first page."""
    if cursor is None:
        return ()
    is_number = isinstance(identity.type, sa.Integer)
    last_time, last_identity = decode(cursor, int if is_number else str)
    last_literal = sa.literal(last_identity, sa.BigInteger()) if is_number else sa.literal(clean(last_identity))
    last = sa.tuple_(sa.literal(last_time, sa.BigInteger()), last_literal)
    here = sa.tuple_(time, identity)
    return (here > last,) if ascending else (here < last,)


def page_size(limit: int) -> int:
    """``limit`` within what a page may hold."""
    return max(1, min(limit, MAX_PAGE))
