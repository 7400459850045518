"""Retrieved documents, in every shape that libraries record them in, as ``Document``."""

from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Document
from collector.conventions import attributes as attrs

_new_document = constructor_of(Document)

_TEXT_KEYS = ("content", "page_content", "text", "document_content")
_ID_KEYS = ("id", "document_id", "doc_id", "uuid")
_SOURCE_KEYS = ("source", "doc_uri", "uri", "url", "file_path", "file_name", "path")
_TITLE_KEYS = ("title", "name")
_SCORE_KEYS = ("score", "relevance_score", "similarity")
_EVIDENCE_KEYS = frozenset({*_ID_KEYS, *_SOURCE_KEYS, *_SCORE_KEYS, "title", "metadata"})


def read(value: Any) -> tuple[Document, ...]:
    """The documents in ``value``, a list or its JSON, whose writer says that they are documents."""
    found = (_document(item) for item in attrs.items(value))
    return tuple(document for document in found if document is not None)


def recognise(value: Any) -> tuple[Document, ...]:
    """The documents in ``value`` where only its shape can tell: the return value of some function of the app.

    Every item must have a text, and beside it an id, a source, a score or metadata; a chat message is no document.
    """
    listed = attrs.items(value)
    return read(listed) if listed and all(_looks_like_document(item) for item in listed) else ()


def _looks_like_document(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and attrs.text(item, *_TEXT_KEYS) is not None
        and not _EVIDENCE_KEYS.isdisjoint(item)
        and "role" not in item
    )


def _document(item: Any) -> Document | None:
    if isinstance(item, str):
        return Document(content=item)
    if not isinstance(item, dict):
        return None
    inner = item.get("document")
    if isinstance(inner, dict):  # a wrapper around the document, which may hold the score beside it
        item = {**item, **inner}
    metadata = attrs.mapping(item.get("metadata"))
    return _new_document(
        id=attrs.identifier(item, *_ID_KEYS) or attrs.identifier(metadata, *_ID_KEYS),
        content=attrs.text(item, *_TEXT_KEYS),
        source=attrs.text(item, *_SOURCE_KEYS) or attrs.text(metadata, *_SOURCE_KEYS),
        title=attrs.text(item, *_TITLE_KEYS) or attrs.text(metadata, *_TITLE_KEYS),
        score=attrs.number(item, *_SCORE_KEYS),
    )
