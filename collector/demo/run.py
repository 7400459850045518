"""Runs the demo: start a sidecar, send the recordings through real OTLP exporters' requests, show what came of it.

Owns the sending and the waiting. The sidecar is the real one with the settings it is given.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collector.app import Sidecar
from collector.demo.recency import moved
from exporters.store import TraceQuery, TraceSummary

DISLIKED = ".qa.binpb"
"""The user of these traces gives a thumbs-down once the answer is out."""
JUDGED_WITHIN_S = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows our loopback address


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded export: its file's name, what it holds (``traces`` or ``logs``), the request's bytes."""

    name: str
    signal: str
    body: bytes

    @property
    def trace_ids(self) -> set[str]:
        """The traces in it."""
        if self.signal == "logs":
            return set()
        request = ExportTraceServiceRequest.FromString(self.body)
        return {span.trace_id.hex() for r in request.resource_spans for scope in r.scope_spans for span in scope.spans}


def recordings() -> list[Recording]:
    """The recordings inside the package, in order of their names."""
    folder = resources.files("collector.demo") / "recordings"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".binpb")), key=lambda f: f.name)
    return [Recording(f.name, "logs" if f.name.endswith(".logs.binpb") else "traces", f.read_bytes()) for f in files]


def of_now(found: Sequence[Recording], now_ns: int) -> list[Recording]:
    """The recordings as if the last of them had just ended."""
    bodies = moved([(recording.signal, recording.body) for recording in found], now_ns)
    return [replace(recording, body=body) for recording, body in zip(found, bodies, strict=True)]


async def send_all(sidecar: Sidecar, sent: Callable[[], None]) -> set[str]:
    """Send every other recording by HTTP and the rest by gRPC, then the thumbs-down. Returns the trace ids."""
    found = of_now(recordings(), time.time_ns())
    async with grpc.aio.insecure_channel(
        sidecar.addresses.otlp_grpc, options=[("grpc.enable_http_proxy", 0)]
    ) as channel:
        for number, recording in enumerate(found):
            if number % 2:
                await _send_grpc(channel, recording)
            else:
                await _post(f"http://{sidecar.addresses.otlp_http}/v1/{recording.signal}", recording.body)
            sent()
    for recording in found:
        if recording.name.endswith(DISLIKED):
            await _thumbs_down(sidecar, recording)
    return set().union(*(recording.trace_ids for recording in found))


async def judged(sidecar: Sidecar, trace_ids: set[str]) -> Sequence[TraceSummary]:
    """Wait until all of these traces are stored with their verdicts.

    Raises:
        TimeoutError: they were not after a minute.
    """
    async with asyncio.timeout(JUDGED_WITHIN_S):
        while True:
            page = await asyncio.to_thread(sidecar.store.traces, TraceQuery(limit=500))
            if trace_ids <= {trace.trace_id for trace in page.items} and not sidecar.front.is_busy:
                return page.items
            await asyncio.sleep(0.2)


async def _send_grpc(channel: grpc.aio.Channel, recording: Recording) -> None:
    if recording.signal == "logs":
        logs = LogsServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
        await logs.Export(ExportLogsServiceRequest.FromString(recording.body), timeout=30)
    else:
        traces = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
        await traces.Export(ExportTraceServiceRequest.FromString(recording.body), timeout=30)


async def _thumbs_down(sidecar: Sidecar, recording: Recording) -> None:
    for trace_id in recording.trace_ids:
        body = json.dumps({"trace_id": trace_id, "thumbs_up": False, "comment": "That did not help."}).encode()
        await _post(f"http://{sidecar.addresses.api}/v1/feedback", body, "application/json")


async def _post(url: str, body: bytes, content_type: str = "application/x-protobuf") -> None:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})  # noqa: S310 - our own loopback address

    def post() -> None:
        with _OPENER.open(request, timeout=30):
            pass

    await asyncio.to_thread(post)
