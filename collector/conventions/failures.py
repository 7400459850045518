"""Errors that a span recorded, as ``Failure``."""

from checks.interaction import Failure
from checks.span import Span
from collector.conventions import attributes as attrs


def of_span(span: Span) -> Failure | None:
    """The error of a span whose status is ``ERROR`` or that names an ``error.type``; ``None`` for any other.

    An ``exception`` event alone is no error: apps record exceptions that they handled.
    """
    error_type = attrs.identifier(span.attributes, "error.type")
    if not span.is_error and error_type is None:
        return None
    raised = next((e.attributes for e in reversed(span.events) if e.name == "exception"), {})
    return Failure(
        type=attrs.text(raised, "exception.type") or error_type,
        message=attrs.text(raised, "exception.message") or span.status.message or None,
        span_id=span.span_id,
    )
