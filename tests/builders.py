"""Small builders for tests: each makes one valid thing, with every part open to be set."""

import itertools
from typing import Any

from checks.interaction import Document, Interaction, Message, ModelCall, Retrieval
from checks.span import Span
from checks.trace import Feedback, Trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SECOND = 1_000_000_000
_ids = itertools.count(1)


def a_span(**parts: Any) -> Span:
    """A root span of one second with an id of its own."""
    defaults = {
        "trace_id": TRACE_ID,
        "span_id": f"{next(_ids):016x}",
        "name": "POST /chat",
        "start_ns": SECOND,
        "end_ns": 2 * SECOND,
    }
    return Span(**{"resource": {"service.name": "shop"}, **defaults, **parts})


def a_trace(*spans: Span, **parts: Any) -> Trace:
    """A trace of these spans (one root span if none is given)."""
    spans = spans or (a_span(),)
    return Trace(**{"trace_id": spans[0].trace_id, "spans": spans, **parts})


def a_model_call(**parts: Any) -> ModelCall:
    """A model call that was asked one question and answered it."""
    defaults = {"span_id": "00000000000000aa", "provider": "openai", "model": "gpt-4o-mini"}
    return ModelCall(**{**defaults, **parts})


def a_retrieval(*documents: Document | str, **parts: Any) -> Retrieval:
    """A retrieval of these documents; a string is a document's text, its id ``doc-N``."""
    made = tuple(
        d if isinstance(d, Document) else Document(id=f"doc-{n}", content=d) for n, d in enumerate(documents, 1)
    )
    return Retrieval(**{"span_id": "00000000000000bb", "documents": made, **parts})


def an_interaction(output: str | None = "Fine.", **parts: Any) -> Interaction:
    """An interaction whose final answer is ``output``."""
    defaults = {"trace": a_trace(), "convention": "genai", "user_input": "How are you?", "final_output": output}
    return Interaction(**{**defaults, **parts})


def a_message(content: str | None, role: str = "user", **parts: Any) -> Message:
    """A message of the user's."""
    return Message(role=role, content=content, **parts)


def a_thumb(*, up: bool, **parts: Any) -> Feedback:
    """A thumb, up or down."""
    return Feedback(**{"score": float(up), "thumbs_up": up, **parts})
