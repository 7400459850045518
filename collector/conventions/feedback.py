"""What people said of the answer, where the app recorded it inside the trace.

Read are ``gen_ai.user.feedback`` and ``gen_ai.evaluation.result`` events (log records and span events), OpenInference
annotations, and plain feedback attributes on spans. An evaluation counts as feedback only if its name or its annotator
says that a person gave it: a judge's score for relevance is none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from checks.span import LogRecord, Span
from checks.trace import Feedback, FeedbackTarget, Trace
from collector.conventions import attributes as attrs

LONGEST_COMMENT = 10_000
LONGEST_ID = 256
"""Characters of a comment and of a user's or a response's id, of feedback that is kept apart from its trace."""

_FEEDBACK_EVENT = "gen_ai.user.feedback"
_EVALUATION_EVENT = "gen_ai.evaluation.result"
_OWN_RESULT = "sidecheck.check.version"
"""An attribute of what a sidecar tells of its verdicts: a person said none of that."""
_EVENTS = frozenset({_FEEDBACK_EVENT, _EVALUATION_EVENT})
_ENCODED_EVENTS = tuple(name.encode() for name in _EVENTS)
_PREFIXES = ("gen_ai.user.feedback.", "gen_ai.feedback.", "user.feedback.", "user_feedback.", "feedback.")
_ANNOTATIONS = tuple(f"{scope}{kind}" for kind in ("annotations", "evaluations") for scope in ("", "trace."))
_WORDS_IN_NAMES = ("feedback", "annotations.", "evaluations.")
"""One of these is in every name that ``_PREFIXES`` and ``_ANNOTATIONS`` begin."""

WORDS_OF_FEEDBACK = frozenset({"feedback", "thumb", "thumbs", "rating", "vote", "csat", "satisfaction"})
_GOOD = frozenset({"up", "thumbs_up", "thumbsup", "positive", "like", "liked", "good", "upvote", "helpful"})
_BAD = frozenset(
    {"down", "thumbs_down", "thumbsdown", "negative", "dislike", "disliked", "bad", "downvote", "unhelpful"}
)
_SCORE_KEYS = ("score.value", "score", "value")
_LABEL_KEYS = ("score.label", "label", "sentiment", "thumbs", "thumb", "value", "rating", "score")
_COMMENT_KEYS = ("comment", "explanation", "text", "reason")
_HIGHEST_RATING = 5


def may_be_among(names: Iterable[str]) -> bool:
    """Whether attributes of spans with these names may hold feedback."""
    return any(word in name for name in names for word in _WORDS_IN_NAMES)


def read(trace: Trace, *, in_attributes: bool = True) -> tuple[Feedback, ...]:
    """All feedback on a trace: what came beside it, and what it holds; each once, in order of time.

    Args:
        trace: The trace.
        in_attributes: False where the names of the spans' attributes say that these hold none (``may_be_among``).
    """
    found: set[Feedback] = set()
    if trace.logs:
        found.update(_in_logs(trace))
    for span in trace.spans:
        if span.events:
            found.update(_in_events(span))
    if in_attributes:
        found.update(_in_spans(trace))
    if not found:
        return trace.feedback
    inside = sorted(found, key=_order)
    return (*trace.feedback, *(given for given in inside if given not in trace.feedback))


def may_be_in(logs: bytes) -> bool:
    """Whether encoded log records may hold feedback: cheap, and never wrong when it says no."""
    return any(map(logs.__contains__, _ENCODED_EVENTS))


def on_response(record: LogRecord) -> tuple[FeedbackTarget, Feedback] | None:
    """Feedback in a log record that names no trace, and the response that it names (``gen_ai.response.id``)."""
    found = {**record.attributes, **attrs.mapping(record.body)}
    response_id = attrs.identifier(found, "gen_ai.response.id")
    if response_id is None or len(response_id) > LONGEST_ID:
        return None
    given = next(_in_event(record.event_name, found, None, record.time_ns, "log"), None)
    return None if given is None else (FeedbackTarget(response_id=response_id), bounded(given))


def bounded(given: Feedback) -> Feedback:
    """Feedback as it is kept apart from its trace, however long its texts are."""
    has_id = given.user_id is not None and len(given.user_id) <= LONGEST_ID
    comment = given.comment and given.comment[:LONGEST_COMMENT]
    return replace(given, comment=comment, user_id=given.user_id if has_id else None)


def _order(given: Feedback) -> tuple[Any, ...]:
    return given.time_ns, given.span_id or "", given.source, repr(given)


def _in_logs(trace: Trace) -> Iterator[Feedback]:
    for record in trace.logs:
        if record.event_name in _EVENTS:
            found = {**record.attributes, **attrs.mapping(record.body)}
            yield from _in_event(record.event_name, found, record.span_id, record.time_ns, "log")


def _in_events(span: Span) -> Iterator[Feedback]:
    for event in span.events:
        yield from _in_event(event.name, event.attributes, span.span_id, event.time_ns, "event")


def _in_spans(trace: Trace) -> Iterator[Feedback]:
    for span in trace.spans:
        yield from _in_attributes(span.attributes, span.span_id, span.end_ns)


def _in_event(
    name: str, found: Mapping[str, Any], span_id: str | None, time_ns: int, source: str
) -> Iterator[Feedback]:
    if name == _FEEDBACK_EVENT:
        found = {**found, **_under(found, *_PREFIXES)}
    elif name == _EVALUATION_EVENT:
        if _OWN_RESULT in found:
            return
        found = _under(found, "gen_ai.evaluation.")
        if not _is_from_a_person(found):
            return
    else:
        return
    if given := _feedback(found, span_id, time_ns, source):
        yield given


def _in_attributes(found: Mapping[str, Any], span_id: str, time_ns: int) -> Iterator[Feedback]:
    if (own := _under(found, *_PREFIXES)) and (given := _feedback(own, span_id, time_ns, "attribute")):
        yield given
    for annotations in attrs.indexed(found, *_ANNOTATIONS).values():
        for item in annotations:
            wrapped = attrs.mapping(item)
            annotation = attrs.mapping(wrapped.get("annotation") or wrapped.get("evaluation"))
            given = _feedback(annotation, span_id, time_ns, "attribute")
            if given and _is_from_a_person(annotation):
                yield given


def _under(found: Mapping[str, Any], *prefixes: str) -> dict[str, Any]:
    """The attributes under any of ``prefixes``, by the rest of their key; one without a rest is the ``value``."""
    rests: dict[str, Any] = {}
    for key, value in found.items():
        dotted = f"{key}."
        if dotted.startswith(prefixes):
            prefix = next(p for p in prefixes if dotted.startswith(p))
            rests[key[len(prefix) :] or "value"] = value
    return rests


def _is_from_a_person(found: Mapping[str, Any]) -> bool:
    annotator = attrs.text(found, "annotator_kind")
    if annotator is not None:
        return annotator.upper() == "HUMAN"
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", attrs.text(found, "name") or "").lower())
    return not WORDS_OF_FEEDBACK.isdisjoint(words)


def _feedback(found: Mapping[str, Any], span_id: str | None, time_ns: int, source: str) -> Feedback | None:
    thumbs_up = _thumb(found)
    score = float(thumbs_up) if thumbs_up is not None else _score(found)
    comment = attrs.text(found, *_COMMENT_KEYS)
    if score is None and comment is None:
        return None
    user = attrs.identifier(found, "user_id", "user.id", "enduser.id")
    return Feedback(score, thumbs_up, comment, user, span_id, time_ns, source)


def _thumb(found: Mapping[str, Any]) -> bool | None:
    said = attrs.flag(found, "thumbs_up", "thumbsUp", "score.value", "score", "value")
    if said is not None:
        return said
    score = attrs.number(found, *_SCORE_KEYS)
    if score in (0, 1) and "thumb" in (attrs.text(found, "name") or "").lower():
        return score == 1
    words = ((attrs.text(found, key) or "").strip().lower().replace("-", "_").replace(" ", "_") for key in _LABEL_KEYS)
    return next((word in _GOOD for word in words if word in _GOOD or word in _BAD), None)


def _score(found: Mapping[str, Any]) -> float | None:
    """A score from 0 to 1 as it is, -1 as 0, a rating of 1 to 5 stars scaled. Other scales have unknown ends."""
    score = attrs.number(found, *_SCORE_KEYS)
    if score is not None:
        return max(score, 0.0) if score == -1 or 0 <= score <= 1 else None
    rating = attrs.number(found, "rating", "stars")
    if rating is None or not 1 <= rating <= _HIGHEST_RATING:
        return None
    return (rating - 1) / (_HIGHEST_RATING - 1)
