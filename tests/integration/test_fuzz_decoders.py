"""Recorded requests, damaged at random, through every port: each is taken or refused, and what is taken is judged."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from faults.kit.oracle import Watch, drops, settle
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import as_otlp_json, recorded

CHOSEN = settings(
    max_examples=short_or_long(150, 5_000),
    deadline=None,
    derandomize=not is_long(),
    suppress_health_check=list(HealthCheck),
)
PROTOBUF, JSON = "application/x-protobuf", "application/json"
LARGEST = 30_000
SERVICES = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService"}
REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}
ANSWERED = {200, 400, 413}
CODES = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}


def recordings(signal: str) -> list[Path]:
    """What apps really sent, the larger ones left out."""
    of_logs = signal == "logs"
    return [
        path
        for path in recorded("*.binpb")
        if path.name.endswith(".logs.binpb") is of_logs and path.stat().st_size < LARGEST
    ]


@st.composite
def damage(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with a few of its bytes changed, inserted, removed, or another part of it in their place."""
    changed = bytearray(body)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.sampled_from([0, 1, 1, 2, 8, 100]))
        start = draw(st.integers(0, max(0, len(body) - 1)))
        put = draw(st.binary(max_size=4) | st.just(body[start : start + length]))
        changed[at : at + length] = put
    return bytes(changed)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """A signal, a media type, and a body that means to be of it."""
    signal, kind = draw(st.sampled_from(["traces", "traces", "logs"])), draw(st.sampled_from([PROTOBUF, JSON]))
    body = draw(st.sampled_from(recordings(signal))).read_bytes()
    if kind == JSON:
        body = as_otlp_json(REQUESTS[signal].FromString(body))
    return signal, kind, draw(damage(body))


@pytest.fixture
def sidecar(tmp_path) -> Iterator[Sidecar]:
    with Sidecar(tmp_path / "data", **{**LIGHT, "SIDECHECK_PROMOTION__MODE": "auto"}) as started:
        yield started


@pytest.mark.timeout(short_or_long(180, 1800))
def test_damaged_requests_are_taken_or_refused_and_what_is_taken_is_judged(sidecar):
    with Watch(sidecar) as seen, grpc.insecure_channel(sidecar.addresses["otlp_grpc"]) as channel:
        send_all(sidecar.addresses["otlp_http"], channel)
        settle(sidecar)
    assert sidecar.metric("sidecheck_traces_evaluated_total") > 0
    assert drops(sidecar.page()).keys() <= {"logs/no_spans"}
    assert not (sidecar.data_dir / "quarantine").exists()
    # Not more: a trace that comes again and reads otherwise may have a result of a check that did not apply before.
    assert (seen.unbalanced, seen.unexplained("logs/no_spans")) == ([], {})


def send_all(http: str, channel: grpc.Channel) -> None:
    @CHOSEN
    @given(request=requests(), packed=st.booleans(), by_grpc=st.booleans())
    def send(request: tuple[str, str, bytes], packed: bool, by_grpc: bool) -> None:
        signal, kind, body = request
        if by_grpc and kind == PROTOBUF:
            assert code_of(channel, signal, body) in CODES
            return
        headers = {"content-type": kind, **({"content-encoding": "gzip"} if packed else {})}
        sent = gzip.compress(body, 1) if packed else body
        response = httpx.post(f"http://{http}/v1/{signal}", content=sent, headers=headers, timeout=10)
        assert response.status_code in ANSWERED, response.text

    send()


def code_of(channel: grpc.Channel, signal: str, body: bytes) -> grpc.StatusCode:
    """How a call was answered."""
    try:
        channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICES[signal]}/Export")(body, timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK
