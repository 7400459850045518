"""A support bot with a stub for a model, so that there is something to look at: no key, no network, no language model.

It asks a question every second and reports each answer as an app does that follows OpenTelemetry's GenAI conventions:
a span of the whole answer, the look-up of documents and the model call in it, with the messages. Some answers are wrong
in the ways that models are. Users thumb some of them down. An app of your own needs OTEL_EXPORTER_OTLP_ENDPOINT only.

    python deploy/demo-app/app.py --pause 1 --answers 0        (0: until it is stopped)
"""

import argparse
import itertools
import json
import os
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MODEL = "stub-small"


@dataclass(frozen=True)
class Turn:
    """A question, what the stub says to it, and how."""

    question: str
    answer: str
    documents: tuple[tuple[str, str], ...] = ()
    wants_json: bool = False
    model_s: float = 0.05
    thumbs_up: bool | None = None


PLANS = (("plans.md", "The team plan costs 20 euros a month."), ("refunds.md", "Refunds take five days."))
TURNS = (
    Turn("What does the team plan cost?", "The team plan costs 20 euros a month [1].", PLANS, thumbs_up=True),
    Turn("How long does a refund take?", "A refund takes five days [2].", PLANS),
    Turn("Give me order A-1042 as JSON.", '{"order_id": "A-1042", "items": 2}', wants_json=True),
    Turn("How do I change my password?", "Open your profile and choose Security."),
    Turn("Which plan has single sign-on?", "The enterprise plan has it [7].", PLANS, thumbs_up=False),
    Turn("Give me order A-1043 as JSON.", '{"order_id": "A-1043", "items": [{"sku": "MUG', wants_json=True),
    Turn("Who looks after my account?", "Write to lena.vogt@northwind-cloud.de, she looks after you."),
)


def main() -> None:
    """Answer one question after another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two answers")
    parser.add_argument("--answers", type=int, default=0, help="end after so many; 0: never")
    options = parser.parse_args()
    provider = TracerProvider(resource=Resource.create({"service.name": "support-bot"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
    tracer = provider.get_tracer("support-bot")
    # The first ones in their order, so that each has been seen; then as it comes, the good ones more often.
    weights = [3 if number < 4 else 1 for number in range(len(TURNS))]
    chance = random.Random(7)  # noqa: S311 -- which question comes next is no secret
    later = (chance.choices(TURNS, weights)[0] for _ in itertools.count())
    turns = itertools.chain(TURNS, later)
    for turn in itertools.islice(turns, options.answers or None):
        trace_id = answer(tracer, turn)
        if turn.thumbs_up is not None:
            send_feedback(trace_id, thumbs_up=turn.thumbs_up)
        time.sleep(options.pause)
    provider.shutdown()


def answer(tracer: trace.Tracer, turn: Turn) -> str:
    """Answer a question; gives the trace's id."""
    with tracer.start_as_current_span("invoke_agent support-bot") as root:
        root.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support-bot"})
        if turn.documents:
            look_up(tracer, turn)
        call_model(tracer, turn)
        return f"{root.get_span_context().trace_id:032x}"


def look_up(tracer: trace.Tracer, turn: Turn) -> None:
    """Find the documents for a question."""
    with tracer.start_as_current_span("retrieval help") as span:
        found = [{"id": name, "content": text, "score": 0.9} for name, text in turn.documents]
        span.set_attributes(
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": turn.question,
                "gen_ai.retrieval.documents": json.dumps(found),
            }
        )


def call_model(tracer: trace.Tracer, turn: Turn) -> None:
    """The stub: it takes its time and says what it was told to."""
    with tracer.start_as_current_span(f"chat {MODEL}", kind=trace.SpanKind.CLIENT) as span:
        time.sleep(turn.model_s)
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "stub",
                "gen_ai.request.model": MODEL,
                "gen_ai.response.model": MODEL,
                "gen_ai.output.type": "json" if turn.wants_json else "text",
                "gen_ai.response.finish_reasons": ("stop",),
                "gen_ai.usage.input_tokens": len(turn.question),
                "gen_ai.usage.output_tokens": len(turn.answer),
                "gen_ai.input.messages": message("user", turn.question),
                "gen_ai.output.messages": message("assistant", turn.answer, finish_reason="stop"),
            }
        )


def message(role: str, text: str, **more: str) -> str:
    """One message, as the conventions write a list of them."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}])


def send_feedback(trace_id: str, *, thumbs_up: bool) -> None:
    """What a user thinks of an answer. It may come before its trace; nobody waits for it."""
    address = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    body = json.dumps({"trace_id": trace_id, "thumbs_up": thumbs_up}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/feedback", body, headers)  # noqa: S310 -- the app's own setting
    try:
        urllib.request.urlopen(request, timeout=2).close()  # noqa: S310 -- as above
    except (OSError, urllib.error.URLError) as error:
        print(f"feedback was not taken: {error}", flush=True)  # noqa: T201 -- an example speaks to who runs it


if __name__ == "__main__":
    main()
