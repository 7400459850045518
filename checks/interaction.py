"""An Interaction: a trace read as what an LLM app did, whatever library recorded it.

Checks see this and nothing else. ``None`` means "not recorded", an empty value means "recorded and empty":
an app that exports no content must not look like an app that answered with nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.lazy import lazy
from checks.trace import Feedback, Trace


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A call that the model asked for. ``arguments`` parsed where they parse, else the raw string."""

    name: str | None = None
    id: str | None = None
    arguments: Any = None


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. ``content`` is its text parts joined by a newline, ``None`` where none was recorded.

    ``media`` holds the kinds of the parts that are no text (``image``, ``audio``, ...), never their bytes.
    ``refusal`` is the text of the provider's refusal field. ``tool_call_id`` is set on a tool's answer.
    """

    role: str
    content: str | None = None
    name: str | None = None
    tool_requests: tuple[ToolRequest, ...] = ()
    tool_call_id: str | None = None
    refusal: str | None = None
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool the model was offered; ``parameters`` is its JSON Schema where recorded."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call as the provider counted them. ``input`` includes ``cached_input``."""

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that a span recorded. ``span_id`` says where."""

    type: str | None = None
    message: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the app asked the answer to be: ``kind`` is ``json`` or ``text``; ``schema`` a JSON Schema or ``None``."""

    kind: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a language model and its answer."""

    span_id: str
    provider: str | None = None
    model: str | None = None
    """The model the app asked for (the answering one where the request's was not recorded)."""
    response_model: str | None = None
    response_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    response_format: ResponseFormat | None = None
    input: tuple[Message, ...] | None = None
    output: tuple[Message, ...] | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    usage: Usage = Usage()
    finish_reasons: tuple[str, ...] = ()
    """Canonical: ``stop``, ``length``, ``tool_calls``, ``content_filter``; an unknown one as recorded."""
    streaming: bool | None = None
    ttft_ns: int | None = None
    start_ns: int = 0
    duration_ns: int = 0
    error: Failure | None = None
    cost: float | None = None
    """Dollars; ``None`` where it has no price, its tokens are not known, or nobody asked."""

    @property
    def is_unpriced(self) -> bool:
        """Whether it has no cost although it answered. Says nothing where nobody asked."""
        return self.cost is None and self.error is None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that ran (``span_id`` set), or that the model asked for and whose answer is in a later message."""

    span_id: str | None
    name: str | None = None
    id: str | None = None
    arguments: Any = None
    """Parsed where they parse, else the raw string; ``None`` where not recorded."""
    result: Any = None
    start_ns: int = 0
    duration_ns: int | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One retrieved document; every part may be unrecorded."""

    id: str | None = None
    content: str | None = None
    source: str | None = None
    title: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One look-up of documents."""

    span_id: str
    query: str | None = None
    documents: tuple[Document, ...] = ()
    start_ns: int = 0
    duration_ns: int = 0
    error: Failure | None = None


Step = ModelCall | ToolCall | Retrieval


@dataclass(frozen=True)
class Interaction:
    """What the app did in one trace: what was asked, the steps taken, what was answered.

    ``user_input`` is the last thing the user said, ``final_output`` the final answer to the user, ``system`` the
    system prompt of the first model call that has one. ``refusal`` is whether the provider marked the final answer
    as refused. ``output_span`` is the id of the span that ``final_output`` was read from. ``entry_spans`` are the ids
    of the spans that stand for the app's work as a whole (agents, chains, workflows), in order of time.
    """

    trace: Trace
    convention: str = "none"
    steps: tuple[Step, ...] = ()
    user_input: str | None = None
    final_output: str | None = None
    system: str | None = None
    refusal: bool = False
    feedback: tuple[Feedback, ...] = ()
    session_id: str | None = None
    user_id: str | None = None
    error: Failure | None = None
    input_span: str | None = None
    output_span: str | None = None
    entry_spans: tuple[str, ...] = ()

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 lower-case hex digits."""
        return self.trace.trace_id

    @property
    def service(self) -> str:
        """``service.name`` of the app."""
        return self.trace.service

    @lazy
    def model_calls(self) -> tuple[ModelCall, ...]:
        """The model calls, in order of time."""
        return tuple([s for s in self.steps if isinstance(s, ModelCall)])

    @lazy
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order of time."""
        return tuple([s for s in self.steps if isinstance(s, ToolCall)])

    @lazy
    def retrievals(self) -> tuple[Retrieval, ...]:
        """The retrievals, in order of time."""
        return tuple([s for s in self.steps if isinstance(s, Retrieval)])

    @lazy
    def documents(self) -> tuple[Document, ...]:
        """Every retrieved document, in order; documents with the same id (or, lacking one, the same text) once."""
        seen: dict[object, Document] = {}
        for retrieval in self.retrievals:
            for document in retrieval.documents:
                seen.setdefault(document.id or (document.source, document.content), document)
        return tuple(seen.values())

    def texts(self) -> Iterator[tuple[str, str | None, str]]:
        """The captured texts as ``(path, span_id, text)``: what a finding's ``Evidence.path`` may name.

        Paths: ``output``, ``input``, ``system``, ``documents[N].content``, ``tool_calls[N].arguments`` and
        ``tool_calls[N].result`` (only where those are strings).
        """
        if self.final_output is not None:
            yield "output", self.output_span, self.final_output
        if self.user_input is not None:
            yield "input", self.input_span, self.user_input
        if self.system is not None:
            yield "system", self.input_span, self.system
        for n, document in enumerate(self.documents):
            if document.content is not None:
                yield f"documents[{n}].content", None, document.content
        for n, call in enumerate(self.tool_calls):
            for part in ("arguments", "result"):
                value = getattr(call, part)
                if isinstance(value, str):
                    yield f"tool_calls[{n}].{part}", call.span_id, value
