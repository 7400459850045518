"""Sidecheck's own spans and lines: which are sent, in what form, and what becomes of those that are not taken."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
from certificates import Authority
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_backends import grpc_backend, http_backend

from collector import logs
from collector.backends import refuse_loops
from collector.intake import Refusal
from collector.own_telemetry import OwnTelemetry
from collector.receivers.records import OWN_SCOPES
from collector.settings import ConfigError, Settings, as_yaml, load
from collector.spans import Kind, no_spans
from exporters.metrics.prometheus import Metrics
from exporters.otlp import telemetry as module
from exporters.otlp.destination import Target
from exporters.otlp.telemetry import HeadSampler, Telemetry

SECRET = "the words of a user 4711"
NOW = 1_700_000_000_000_000_000


@pytest.fixture
def backend():
    with http_backend() as made:
        yield made


@pytest.fixture
def dropped():
    return {}


@pytest.fixture
def telemetry(backend, dropped):
    made = telemetry_to(backend, dropped)
    yield made
    backend.gate.set()
    made.close()


def telemetry_to(backend, dropped=None, share=1.0, **target):
    def count(reason, number):
        kept = {} if dropped is None else dropped
        kept[reason] = kept.get(reason, 0) + number

    return Telemetry(Target("tempo", backend.address, **target), "an-instance", share, count)


def sent(backend, signal="traces"):
    """The spans or log records that came, with their resource and scope."""
    of_spans = signal == "traces"
    kind, part = (ExportTraceServiceRequest, "spans") if of_spans else (ExportLogsServiceRequest, "logs")
    return [
        (resource.resource, scope.scope, record)
        for got in backend.got
        if got.signal == signal
        for resource in getattr(kind.FromString(got.body), f"resource_{part}")
        for scope in getattr(resource, f"scope_{part}")
        for record in (scope.spans if of_spans else scope.log_records)
    ]


def attributes(holder):
    return {a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value") for a in holder.attributes}


# Spans


def test_a_span_names_who_sends_it(telemetry, backend):
    with telemetry.span("judge", Kind.INTERNAL, {"sidecheck.batch.traces": 3}) as span:
        span.note({"more": "yes"})
    telemetry.close()
    ((resource, scope, judged),) = sent(backend)
    named = attributes(resource)
    assert named.pop("service.version")
    assert named == {"service.name": "sidecheck", "service.instance.id": "an-instance"}
    assert (scope.name, judged.name, judged.kind) == ("sidecheck.telemetry", "judge", Span.SPAN_KIND_INTERNAL)
    assert attributes(judged) == {"sidecheck.batch.traces": 3, "more": "yes"}


def test_what_the_environment_says_of_the_app_is_not_said_of_sidecheck(backend, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,team=a")
    made = telemetry_to(backend)
    made.past("start", NOW)
    made.close()
    assert attributes(sent(backend)[0][0]).keys() == {"service.name", "service.version", "service.instance.id"}


def test_an_exception_is_a_failure_by_its_type_and_its_text_is_not_told(telemetry, backend):
    with pytest.raises(ValueError, match=SECRET), telemetry.span("judge", Kind.INTERNAL, {}):
        raise ValueError(SECRET)
    telemetry.close()
    ((_, _, span),) = sent(backend)
    assert (attributes(span), span.status.code, span.status.message) == (
        {"error.type": "ValueError"},
        Status.STATUS_CODE_ERROR,
        "",
    )
    assert list(span.events) == []
    assert SECRET.encode() not in b"".join(backend.bodies)


def test_an_exception_that_was_explained_is_what_it_was_said_to_be(telemetry, backend):
    def refuse():
        with telemetry.span("POST /v1/traces", Kind.SERVER, {}) as span:
            span.note({"error.type": "malformed"})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        refuse()
    telemetry.close()
    ((_, _, span),) = sent(backend)
    assert (attributes(span), span.status.code) == ({"error.type": "malformed"}, Status.STATUS_CODE_UNSET)


def test_a_span_that_is_left_out_is_not_sent(telemetry, backend, dropped):
    with telemetry.span("judge", Kind.INTERNAL, {}) as span:
        span.leave_out()
    telemetry.close()
    assert (sent(backend), dropped, telemetry.waiting) == ([], {}, 0)


def test_what_is_over_is_told_of_from_its_begin_and_belongs_to_nothing(telemetry, backend):
    with telemetry.span("judge", Kind.INTERNAL, {}):
        telemetry.past("start", NOW, "CannotListen")
    telemetry.close()
    start = next(span for _, _, span in sent(backend) if span.name == "start")
    assert (start.start_time_unix_nano, start.parent_span_id) == (NOW, b"")
    assert attributes(start) == {"error.type": "CannotListen"}


def test_the_tracer_of_the_process_stays_as_it_was(telemetry):
    """A library that traces by itself (FastAPI does, with the query of each request) must find no provider."""
    before = trace.get_tracer_provider()
    assert before is not telemetry._tracers
    assert not hasattr(before, "add_span_processor")


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, False, False), (0.5, True, False), (1.0, True, True)])
def test_a_share_is_decided_on_by_the_trace(share, low, high):
    """TraceIdRatioBased looks at the low 64 bits of the id."""
    sampler = HeadSampler(share)
    decided = [sampler.should_sample(None, number, "judge").decision.is_sampled() for number in (1, 2**64 - 1)]
    assert decided == [low, high]


@pytest.mark.parametrize("name", ["start", "stop", "reload"])
def test_what_is_rare_is_sent_whatever_the_share(name):
    assert HeadSampler(0.0).should_sample(None, 2**64 - 1, name).decision.is_sampled()


def test_what_is_within_a_span_is_sent_where_that_is(backend):
    made = telemetry_to(backend, share=0.0)
    for outer in ("judge", "reload"):
        with made.span(outer, Kind.INTERNAL, {}), made.span("save traces", Kind.CLIENT, {}):
            pass
    made.close()
    inner, outer = (span for _, _, span in sent(backend))
    assert (inner.name, inner.parent_span_id, outer.name) == ("save traces", outer.span_id, "reload")


# Lines


def test_a_line_has_its_severity_its_words_and_the_span_it_was_written_in(telemetry, backend):
    line = {"event": "ready", "level": "warning", "port": 1, "keys": ("a", "b"), "of": {"x": None}, "at": Path("/data")}
    with telemetry.span("reload", Kind.INTERNAL, {}):
        assert telemetry.line(None, "warning", line) is line
    telemetry.close()
    ((_, _, span),) = sent(backend)
    ((resource, scope, record),) = sent(backend, "logs")
    assert attributes(resource)["service.name"] == "sidecheck"
    assert (scope.name, record.body.string_value) == ("sidecheck.telemetry", "ready")
    assert (record.severity_number, record.severity_text) == (13, "warning")
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    assert abs(record.time_unix_nano - time.time_ns()) < 60e9
    said = attributes(record)
    assert (said["port"], [v.string_value for v in said["keys"].values]) == (1, ["a", "b"])
    assert (said["at"], said.keys()) == ("/data", {"port", "keys", "of", "at"})


def test_a_stack_trace_is_not_sent(telemetry, backend):
    telemetry.line(None, "error", {"event": "broke", "exc_info": SECRET, "exception": SECRET, "stack_info": SECRET})
    telemetry.close()
    assert [attributes(record) for _, _, record in sent(backend, "logs")] == [{}]


def test_lines_about_sending_it_are_not_sent(telemetry, backend):
    telemetry.line(None, "warning", {"event": "a backend does not take what it is sent", "what": "telemetry"})
    telemetry.line(None, "warning", {"event": "a backend does not take what it is sent", "what": "result"})
    telemetry.close()
    assert [attributes(record) for _, _, record in sent(backend, "logs")] == [{"what": "result"}]


def test_every_line_is_seen_while_that_is_wanted_and_written_all_the_same(capsys):
    seen = []

    def see(_logger, level, line):
        seen.append((level, line["event"]))
        return line

    log = structlog.get_logger()
    end = logs.tell(see)
    log.warning("first")
    end()
    log.warning("second")
    assert seen == [("warning", "first")]
    written = capsys.readouterr().out
    assert "first" in written
    assert "second" in written


# What is not taken


def test_what_finds_no_room_is_counted_and_nobody_waits(telemetry, backend, dropped, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    backend.gate.clear()
    for _ in range(5):
        telemetry.past("judge", NOW)
        telemetry.line(None, "info", {"event": "ready"})
    assert (dropped, telemetry.waiting) == ({"queue_full": 4}, 6)
    backend.gate.set()
    telemetry.close()
    assert (len(sent(backend)), len(sent(backend, "logs"))) == (3, 3)


def test_what_the_backend_does_not_take_is_counted_and_the_next_goes_on(telemetry, backend, dropped):
    backend.answers.extend([400])
    telemetry.past("start", NOW)
    telemetry._tracers.force_flush()
    assert (dropped, telemetry.waiting) == ({"not_taken": 1}, 0)
    telemetry.past("stop", NOW)
    telemetry.close()
    assert [span.name for _, _, span in sent(backend)] == ["stop"]


def test_an_end_does_not_wait_for_a_backend_that_hangs(telemetry, backend, dropped, monkeypatch):
    monkeypatch.setattr(module, "END_WITHIN_S", 0.05)
    backend.gate.clear()
    telemetry.past("stop", NOW)
    telemetry.line(None, "info", {"event": "stopping"})
    telemetry.close()
    assert dropped == {"shutdown": 2}
    backend.gate.set()


@pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])
def test_tls_and_the_headers_of_a_file(tmp_path, protocol, serve):
    authority = Authority(tmp_path)
    (tmp_path / "headers").write_text("X-Token: abc\n")
    with serve(tls=authority.issue("127.0.0.1")) as backend:
        made = telemetry_to(
            backend, protocol=protocol, ca=authority.cert, headers_file=tmp_path / "headers", headers={"X-Tenant": "a"}
        )
        made.past("start", NOW)
        made.line(None, "info", {"event": "ready"})
        made.close()
    assert {got.signal for got in backend.got} == {"traces", "logs"}
    assert {(got.headers["x-token"], got.headers["x-tenant"]) for got in backend.got} == {("abc", "a")}


def test_receivers_know_the_scope_that_it_is_sent_under():
    assert OWN_SCOPES[module.SCOPE] is Refusal.OWN_TELEMETRY


# What the settings say


def settings(**telemetry):
    return Settings.model_validate({"telemetry": telemetry})


def test_what_is_not_wanted_loads_nothing_of_the_sdk():
    code = """if True:
        import sys
        from collector.app import Sidecar
        from collector.own_telemetry import OwnTelemetry
        from collector.settings import Settings
        from exporters.metrics.prometheus import Metrics
        own = OwnTelemetry()
        own.begin(Settings(), Metrics(100))
        own.past("start")
        own.close()
        sys.exit(any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in sys.modules))
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("options", "signals"),
    [({}, {"traces", "logs"}), ({"traces": False}, {"logs"}), ({"logs": False}, {"traces"})],
)
def test_what_is_turned_off_is_not_sent(backend, options, signals):
    own, metrics = OwnTelemetry(), Metrics(100)
    own.begin(settings(otlp={"endpoint": backend.address}, sample=0, **options), metrics)
    structlog.get_logger().info("ready")
    own.past("start")
    with own.spans("judge", Kind.INTERNAL, {}):
        pass
    own.stopping()
    own.close()
    structlog.get_logger().info("stopped")
    assert {got.signal for got in backend.got} == signals
    names = [span.name for _, _, span in sent(backend)]
    assert names == (["start", "stop"] if "traces" in signals else [])
    assert [r.body.string_value for _, _, r in sent(backend, "logs")] == (["ready"] if "logs" in signals else [])
    assert own.spans is no_spans
    assert 'sidecheck_queue_length{queue="telemetry"} 0.0' in metrics.render()[0].decode()


def test_each_process_is_an_instance_of_its_own(backend):
    for _ in range(2):
        own = OwnTelemetry()
        own.begin(settings(otlp={"endpoint": backend.address}), Metrics(100))
        own.past("start")
        own.close()
    instances = {attributes(resource)["service.instance.id"] for resource, _, _ in sent(backend)}
    assert len(instances) == 2


def test_a_file_that_cannot_be_used_is_told_with_its_key(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    refused = settings(otlp={"endpoint": "https://a", "protocol": "grpc", "tls": {"ca": str(tmp_path / "ca.pem")}})
    with pytest.raises(ConfigError, match=r"telemetry\.otlp: cannot be used"):
        OwnTelemetry().begin(refused, Metrics(100))


@pytest.mark.parametrize("port", [4317, 4318, 8321, 9464])
def test_a_backend_that_is_sidecheck_itself_is_refused(port):
    own = settings(otlp={"endpoint": f"http://localhost:{port}"})
    with pytest.raises(ConfigError, match=r"telemetry\.otlp\.endpoint: .*\.listen, where sidecheck itself listens"):
        OwnTelemetry().begin(own, Metrics(100))
    with pytest.raises(ConfigError):
        refuse_loops(own)


@pytest.mark.parametrize(
    ("telemetry", "key", "said"),
    [
        ({"otlp": {"endpoint": "tempo:4318"}}, "telemetry.otlp.endpoint", "must be http://host:port"),
        ({"otlp": {"endpoint": "http://a"}, "traces": False, "logs": False}, "telemetry.otlp", "gets nothing"),
        ({"sample": 1.5}, "telemetry.sample", "from 0 (none) to 1 (all)"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_rule(telemetry, key, said):
    with pytest.raises(ConfigError) as raised:
        load(None, {"SIDECHECK_TELEMETRY": json.dumps(telemetry)})
    assert said in {problem.key: str(problem) for problem in raised.value.problems}[key]


def test_what_is_written_out_shows_no_header():
    shown = as_yaml(settings(otlp={"endpoint": "http://a", "headers": {"authorization": SECRET}}))
    assert SECRET not in shown
