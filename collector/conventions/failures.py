"""Errors that a span recorded, as ``Failure``."""

from collections.abc import Iterable

from checks.interaction import Failure
from checks.span import Span, StatusCode
from collector.conventions import attributes as attrs

_ERROR = StatusCode.ERROR  # looking up a member of an enum costs as much as all the rest


def first(spans: Iterable[Span]) -> Failure | None:
    """The first error that any of the spans recorded."""
    for span in spans:
        if span.status.code is _ERROR or "error.type" in span.attributes:
            failure = of_span(span)
            if failure is not None:
                return failure
    return None


def of_span(span: Span) -> Failure | None:
    """The error of a span whose status is ``ERROR`` or that names an ``error.type``; ``None`` for any other.

    An ``exception`` event alone is no error: apps record exceptions that they handled.
    """
    is_error = span.status.code is _ERROR
    if not is_error and "error.type" not in span.attributes:
        return None  # nearly every span: it is asked of each more than once
    error_type = attrs.identifier(span.attributes, "error.type")
    if not is_error and error_type is None:
        return None
    raised = next((e.attributes for e in reversed(span.events) if e.name == "exception"), {})
    return Failure(
        type=attrs.text(raised, "exception.type") or error_type,
        message=attrs.text(raised, "exception.message") or span.status.message or None,
        span_id=span.span_id,
    )
