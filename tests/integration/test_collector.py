"""A real OpenTelemetry Collector with the files of ``deploy/otel-collector``: what it sends where.

The backend is a second sidecheck: a real OTLP server that says which traces it has. Kafka is left to the tests of it.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import go_tools
import httpx
import pytest
from expectations import Recording, recording
from externals import free_port
from servers import CLIENT, Serving, serving, until

pytestmark = pytest.mark.timeout(900)  # the Collector is built first
EXAMPLES = Path(__file__).parents[2] / "deploy" / "otel-collector"
LIBRARY = "openinference-instrumentation-openai-0.1.66"
FAILED = recording(f"{LIBRARY}/error500")
SENT = tuple(recording(f"{LIBRARY}/{name}") for name in ("json_broken", "json_valid", "pii", "tool_ok", "error500"))


@pytest.fixture(scope="module")
def otelcol() -> Path:
    return go_tools.program("otelcol")


@pytest.fixture
def sidecheck(tmp_path) -> Iterator[Serving]:
    with serving(tmp_path / "sidecheck") as server:
        yield server


@pytest.fixture
def backend(tmp_path) -> Iterator[Serving]:
    with serving(tmp_path / "backend") as server:
        yield server


@contextmanager
def collecting(
    program: Path, example: str, log: Path, sidecheck: Serving, backend: Serving, *more: str
) -> Iterator[str]:
    """Run an example on free ports; give the address to which an app sends over HTTP."""
    port = free_port()
    settings = [
        f"receivers.otlp.protocols.http.endpoint=127.0.0.1:{port}",
        f"receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{free_port()}",
        "service.telemetry.metrics.level=none",
        *more,
    ]
    command = [program, "--config", EXAMPLES / example, *(f"--set={each}" for each in settings)]
    env = {"SIDECHECK_ENDPOINT": sidecheck.otlp_grpc, "BACKEND_ENDPOINT": f"http://{backend.otlp_http}"}
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file)
    try:
        yield f"http://127.0.0.1:{port}/v1/traces"
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0, log.read_text()


def send(address: str, sent: Recording) -> None:
    headers = {"Content-Type": "application/x-protobuf"}

    def answered() -> bool:
        try:
            return CLIENT.post(address, content=sent.spans, headers=headers).is_success
        except httpx.TransportError:  # it is not up yet
            return False

    until("the Collector takes it", answered)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_collector_takes_the_file(otelcol, path):
    done = subprocess.run([otelcol, "validate", "--config", path], capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr


def test_fan_out_gives_the_same_to_both(otelcol, sidecheck, backend, tmp_path):
    with collecting(otelcol, "fan-out.yaml", tmp_path / "log", sidecheck, backend) as address:
        for each in SENT:
            send(address, each)
        for trace_id in (trace_id for each in SENT for trace_id in each.trace_ids):
            sidecheck.judged(trace_id)
            backend.judged(trace_id)


def test_sidecheck_judges_what_the_backend_does_not_keep(otelcol, sidecheck, backend, tmp_path):
    quick = ("processors.tail_sampling.decision_wait=1s",)
    with collecting(otelcol, "tail-sampling.yaml", tmp_path / "log", sidecheck, backend, *quick) as address:
        for each in SENT:
            send(address, each)
        for trace_id in (trace_id for each in SENT for trace_id in each.trace_ids):
            sidecheck.judged(trace_id)
        for trace_id in FAILED.trace_ids:
            backend.judged(trace_id)
    # It ended, so all was decided. A tenth goes by a hash of the trace's id, always the same one.
    assert backend.traces()["accepted"] < len(SENT)
