"""Where the sidecar says what it does: a span a request or a batch, in the words of OpenTelemetry's conventions."""

import re
from pathlib import Path

import pytest
from fakes import FakeIntake, FakeSpans
from opentelemetry.semconv._incubating.attributes import messaging_attributes, rpc_attributes
from opentelemetry.semconv.attributes import db_attributes, error_attributes, http_attributes
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request
from pipeline_fakes import LOCKED, Line, a_piece

from collector.intake import Refusal, Refused, Source
from collector.pipeline.job import Judged
from collector.pipeline.rolling import RollingPool
from collector.receivers import own_spans
from collector.receivers.limits import ReceiverLimits
from collector.receivers.reception import LOGS, TRACES, Encoded, Reception
from collector.spans import UNTOLD, no_spans
from exporters.otlp.telemetry import RARE

OWN = "sidecheck.telemetry"
STABLE = (db_attributes, error_attributes, http_attributes, messaging_attributes, rpc_attributes)
CONVENTIONS = {value for module in STABLE for name, value in vars(module).items() if name.isupper()}


@pytest.fixture
def spans():
    return FakeSpans()


def sending(body):
    async def read(room):
        room.grow(len(body))
        return Encoded(body)

    return read


def of_its_own(request):
    for resource in (*getattr(request, "resource_spans", ()), *getattr(request, "resource_logs", ())):
        for scope in (*getattr(resource, "scope_spans", ()), *getattr(resource, "scope_logs", ())):
            scope.scope.name = OWN
    return request


async def taken(spans, source, body, signal=TRACES, intake=None):
    reception = Reception(intake or FakeIntake(), ReceiverLimits(), source, spans=spans)
    return await reception.take(signal, sending(body))


async def test_a_request_over_http_is_named_by_its_route(spans):
    await taken(spans, Source.OTLP_HTTP, a_trace_request().SerializeToString())
    (span,) = spans.told
    assert (span.name, span.kind, span.failed) == ("POST /v1/traces", "server", None)
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/traces",
        "http.response.status_code": 200,
    }


async def test_a_request_over_grpc_is_named_by_its_method(spans):
    await taken(spans, Source.OTLP_GRPC, a_logs_request().SerializeToString(), LOGS)
    (span,) = spans.told
    method = "opentelemetry.proto.collector.logs.v1.LogsService/Export"
    assert (span.name, span.kind) == (method, "server")
    assert span.attributes == {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK"}


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        (Source.OTLP_HTTP, "http.response.status_code", 503),
        (Source.OTLP_GRPC, "rpc.response.status_code", "UNAVAILABLE"),
    ],
)
async def test_a_request_that_there_is_no_room_for_has_failed(spans, source, key, value):
    intake = FakeIntake(refuse=Refused(Refusal.OVERLOADED, "no room"))
    with pytest.raises(Refused):
        await taken(spans, source, a_trace_request().SerializeToString(), intake=intake)
    (span,) = spans.told
    assert (span.attributes[key], span.failed) == (value, "overloaded")


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        (Source.OTLP_HTTP, "http.response.status_code", 400),
        (Source.OTLP_GRPC, "rpc.response.status_code", "INVALID_ARGUMENT"),
    ],
)
async def test_a_malformed_request_is_its_senders_fault(spans, source, key, value):
    with pytest.raises(Refused):
        await taken(spans, source, b"\xff")
    (span,) = spans.told
    assert (span.attributes[key], span.attributes["error.type"], span.failed) == (value, "malformed", None)


@pytest.mark.parametrize(
    ("signal", "request_"),
    [(TRACES, of_its_own(a_trace_request())), (LOGS, of_its_own(a_logs_request(a_log_record(trace_id=b""))))],
)
async def test_a_request_of_nothing_but_own_telemetry_is_not_told_of_and_its_sender_not_scolded(
    spans, signal, request_
):
    intake = FakeIntake()
    answer = await taken(spans, Source.OTLP_HTTP, request_.SerializeToString(), signal, intake)
    (span,) = spans.told
    assert span.is_left_out
    assert not answer.HasField("partial_success")
    (batch,) = intake.batches
    assert (batch.pieces, batch.rejected) == ((), {Refusal.OWN_TELEMETRY: 1})


async def test_a_request_of_own_telemetry_and_an_apps_is_told_of(spans):
    request = of_its_own(a_trace_request())
    request.MergeFrom(a_trace_request(a_proto_span()))
    await taken(spans, Source.OTLP_HTTP, request.SerializeToString())
    assert not spans.told[0].is_left_out


def test_records_of_one_topic_are_named_by_it_and_those_of_several_are_not(spans):
    with own_spans.records(spans, {"otlp_spans"}, 7), own_spans.records(spans, {"otlp_spans", "otlp_logs"}, 8):
        pass
    several, one = spans.told
    assert (one.name, one.kind, one.attributes["messaging.destination.name"]) == (
        "process otlp_spans",
        "consumer",
        "otlp_spans",
    )
    assert one.attributes["messaging.batch.message_count"] == 7
    assert (several.name, "messaging.destination.name" in several.attributes) == ("process", False)


class Pool:
    """Workers with nothing to say."""

    workers = 1

    async def inspect(self, _jobs):
        return Judged((), ())

    async def draft(self, _job):
        return None

    async def view(self, _job, _costs):
        return "{}"

    async def admit(self, asked):
        return asked


async def test_a_batch_a_draft_a_view_and_an_admission_are_a_span_each(spans):
    rolling = RollingPool(Pool(), spans)
    await rolling.inspect([1, 2, 3])
    await rolling.draft(1)
    await rolling.view(1, ())
    await rolling.admit(["case"])
    assert [(span.name, span.attributes) for span in spans.told] == [
        ("judge", {"sidecheck.batch.traces": 3}),
        ("draft case", {}),
        ("view trace", {}),
        ("admit case", {}),
    ]


async def test_a_write_to_the_store_is_a_span_each_try(store, spans, request):
    async with Line(store, spans=spans) as line:
        line.store.fail("save", LOCKED)
        await line.receive(a_piece(1, 1))
        await line.flow(2)
    saved = [span for span in spans.told if span.name == "save traces"]
    assert [(span.kind, span.attributes) for span in saved] == 2 * [
        (
            "client",
            {
                "db.system.name": request.node.callspec.id,
                "db.operation.name": "save",
                "db.collection.name": "traces",
                "db.operation.batch.size": 1,
            },
        )
    ]


def test_what_has_a_name_in_the_conventions_bears_it(spans):
    with own_spans.records(spans, {"otlp_spans"}, 7):
        pass
    for source in (Source.OTLP_HTTP, Source.OTLP_GRPC):
        with pytest.raises(Refused), own_spans.request(spans, source, "traces"):
            raise Refused(Refusal.MALFORMED, "no")
    used = {key for span in spans.told for key in span.attributes}
    assert used - CONVENTIONS == set()


async def test_the_documentation_names_every_span_and_every_attribute(store, spans):
    rolling = RollingPool(Pool(), spans)
    await rolling.inspect([1])
    await rolling.draft(1)
    await rolling.view(1, ())
    await rolling.admit(["case"])
    async with Line(store, spans=spans) as line:
        await line.receive(a_piece(1, 1))
        await line.flow(2)
    with own_spans.records(spans, {"otlp_spans"}, 7):
        pass
    await taken(spans, Source.OTLP_HTTP, a_trace_request().SerializeToString())
    with pytest.raises(Refused):
        await taken(spans, Source.OTLP_GRPC, b"\xff")
    words = {*RARE, *(span.name for span in spans.told), *(key for span in spans.told for key in span.attributes)}
    page = (Path(__file__).parents[2] / "exporters" / "README.md").read_text()
    section = page.partition("## Its own telemetry")[2].partition("\n## ")[0]
    assert words - set(re.findall("`([^`\n]+)`", section)) == set()


def test_nobody_is_told_at_no_cost():
    assert own_spans.request(no_spans, Source.OTLP_HTTP, "traces") is UNTOLD
    with UNTOLD as span:
        span.note({"a": 1})
        span.fail("a")
        span.leave_out()
