"""An app as people write them, run as a script: the ``openai`` client, one instrumentation, one OTLP exporter.

Asks the model at ``--model-url`` one question a scenario, sends its telemetry to ``--endpoint`` by ``--protocol`` and
writes the same telemetry to ``--out`` (``spans.binpb``, ``spans.logs.binpb``). Prints ``{scenario: [trace ids]}``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openai
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

SYSTEM = {"role": "system", "content": "You answer briefly."}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_invoice",
            "description": "Looks an invoice up.",
            "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
        },
    }
]


class SpanFile(SpanExporter):
    """Writes what an OTLP exporter would send."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("ab") as file:
            file.write(encode_spans(spans).SerializeToString())
        return SpanExportResult.SUCCESS


class LogFile(LogRecordExporter):
    """Writes what an OTLP exporter would send."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, batch: Sequence[Any]) -> LogRecordExportResult:
        with self._path.open("ab") as file:
            file.write(encode_logs(batch).SerializeToString())
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:  # noqa: ARG002 - the base class has it
        return True

    def shutdown(self) -> None:
        """Nothing is held open."""


class TraceIds(SpanProcessor):
    """Notes which traces were begun."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}

    def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base class has it
        self.seen[format(span.get_span_context().trace_id, "032x")] = None


def exporters(protocol: str, endpoint: str) -> tuple[SpanExporter, LogRecordExporter]:
    """The OTLP exporters of the SDK."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint, insecure=True), OTLPLogExporter(endpoint, insecure=True)
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans

    return HttpSpans(f"{endpoint}/v1/traces"), HttpLogs(f"{endpoint}/v1/logs")


def instrument(name: str) -> None:
    """Switch one instrumentation on; which content it records is said by the environment."""
    if name == "openllmetry":
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument()
    elif name == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference

        OpenInference().instrument()
    else:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as GenAI

        GenAI().instrument()


class App:
    """The scenarios. Each method is one request of a user."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def plain(self) -> None:
        self._ask("What is the capital of Portugal?")

    def streaming(self) -> None:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for _ in self._ask("Tell me about Lisbon, word by word.", **options):
            pass

    def json_valid(self) -> None:
        self._ask("Give me the order as JSON.", response_format={"type": "json_object"})

    def json_broken(self) -> None:
        self._ask("Give me the long order as JSON.", response_format={"type": "json_object"})

    def pii(self) -> None:
        self._ask("How do I reach Lena?")

    def tool_call(self) -> None:
        with trace.get_tracer("northwind.chat").start_as_current_span("POST /chat"):
            question = {"role": "user", "content": "Is invoice 2025-118 paid?"}
            first = self._complete([SYSTEM, question], tools=TOOLS).choices[0].message
            (call,) = first.tool_calls
            result = {"role": "tool", "tool_call_id": call.id, "content": '{"paid": true}'}
            asked = first.model_dump(exclude_none=True)
            self._complete([SYSTEM, question, asked, result], tools=TOOLS)

    def error500(self) -> None:
        try:
            self._ask("Please fail.")
        except openai.InternalServerError:
            return
        raise AssertionError("the provider answered")

    def _ask(self, question: str, **options: Any) -> Any:
        return self._complete([SYSTEM, {"role": "user", "content": question}], **options)

    def _complete(self, messages: list[Any], **options: Any) -> Any:
        return self._client.chat.completions.create(model="gpt-4o-mini", messages=messages, **options)


SCENARIOS: tuple[Callable[[App], None], ...] = (
    *(App.plain, App.streaming, App.json_valid, App.json_broken, App.pii, App.tool_call, App.error500),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("--instrumentation", "--protocol", "--endpoint", "--model-url", "--service"):
        parser.add_argument(option, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    resource = Resource({"service.name": arguments.service})
    spans, logs = exporters(arguments.protocol, arguments.endpoint)
    begun = TraceIds()
    tracing = TracerProvider(resource=resource)
    for processor in (begun, BatchSpanProcessor(spans), BatchSpanProcessor(SpanFile(arguments.out / "spans.binpb"))):
        tracing.add_span_processor(processor)
    logging = LoggerProvider(resource=resource)
    for exporter in (logs, LogFile(arguments.out / "spans.logs.binpb")):
        logging.add_log_record_processor(BatchLogRecordProcessor(exporter))
    trace.set_tracer_provider(tracing)
    _logs.set_logger_provider(logging)
    instrument(arguments.instrumentation)

    app = App(openai.OpenAI(base_url=arguments.model_url, api_key="none", max_retries=0))
    traces: dict[str, list[str]] = {}
    for scenario in SCENARIOS:
        begun.seen.clear()
        scenario(app)
        traces[scenario.__name__] = list(begun.seen)
    tracing.shutdown()
    logging.shutdown()
    json.dump(traces, sys.stdout)


if __name__ == "__main__":
    main()
