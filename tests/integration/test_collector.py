"""A real OpenTelemetry Collector with the files of ``deploy/otel-collector``: what it sends where.

The backend is a second sidecheck: a real OTLP server that says which traces it has.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import go_tools
import httpx
import pytest
import yaml
from expectations import Recording, recording
from externals import free_port
from kafka.partitioner import murmur2
from kafka_senders import TOPICS, consuming
from otlp_senders import PROTOBUF
from servers import CLIENT, Serving, serving, until

pytestmark = [pytest.mark.late, pytest.mark.timeout(900)]  # the Collector is built first
EXAMPLES = Path(__file__).parents[2] / "deploy" / "otel-collector"
LIBRARY = "openinference-instrumentation-openai-0.1.66"
FAILED = recording(f"{LIBRARY}/error500")
SENT = tuple(recording(f"{LIBRARY}/{name}") for name in ("json_broken", "json_valid", "pii", "tool_ok", "error500"))
PARTITIONS = 3
TRACE_IDS = sorted(trace_id for each in SENT for trace_id in each.trace_ids)


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


@pytest.fixture
def endpoints(sidecheck, backend) -> dict[str, str]:
    """The variables of an example that feeds both."""
    return {"SIDECHECK_ENDPOINT": sidecheck.otlp_grpc, "BACKEND_ENDPOINT": f"http://{backend.otlp_http}"}


@contextmanager
def collecting(program: Path, example: str, folder: Path, env: Mapping[str, str], **changed: Any) -> Iterator[str]:
    """Run an example on free ports; give the address to which an app sends over HTTP.

    A second file changes the addresses, and the sections that are given: the Collector merges the two.
    """
    addresses = {name: {"endpoint": f"127.0.0.1:{free_port()}"} for name in ("grpc", "http")}
    changes = {
        "receivers": {"otlp": {"protocols": addresses}},
        "service": {"telemetry": {"metrics": {"level": "none"}}},  # else a fixed port more
        **changed,
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    command = [program, "--config", EXAMPLES / example, "--config", folder / "changes.yaml"]
    log = folder / "collector.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=dict(env), stdout=file, stderr=file)
    try:
        until("the Collector listens", lambda: _listens(process, addresses["http"]["endpoint"]))
        yield f"http://{addresses['http']['endpoint']}/v1/traces"
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0, log.read_text()


def _listens(process: "subprocess.Popen[bytes]", address: str) -> bool:
    assert process.poll() is None, "the Collector ended"
    try:
        CLIENT.get(f"http://{address}/")
    except httpx.TransportError:
        return False
    return True


def send(address: str, sent: Recording) -> None:
    CLIENT.post(address, content=sent.spans, headers={"Content-Type": PROTOBUF}).raise_for_status()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_collector_takes_the_file(otelcol, path):
    done = subprocess.run([otelcol, "validate", "--config", path], capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr


def test_fan_out_gives_the_same_to_both(otelcol, sidecheck, backend, endpoints, tmp_path):
    with collecting(otelcol, "fan-out.yaml", tmp_path, endpoints) as address:
        for each in SENT:
            send(address, each)
        for trace_id in TRACE_IDS:
            sidecheck.judged(trace_id)
            backend.judged(trace_id)


def test_sidecheck_judges_what_the_backend_does_not_keep(otelcol, sidecheck, backend, endpoints, tmp_path):
    quick = {"tail_sampling": {"decision_wait": "1s"}}
    with collecting(otelcol, "tail-sampling.yaml", tmp_path, endpoints, processors=quick) as address:
        for each in SENT:
            send(address, each)
        for trace_id in TRACE_IDS:
            sidecheck.judged(trace_id)
        for trace_id in FAILED.trace_ids:
            backend.judged(trace_id)
    # It ended, so all was decided. A tenth goes by a hash of the trace's id, always the same one.
    assert backend.traces()["accepted"] < len(SENT)


def test_through_kafka_each_trace_comes_whole_to_one_partition_and_is_judged(otelcol, kafka, tmp_path):
    kafka.create(*TOPICS, partitions=PARTITIONS)
    topics = {signal: {"topic": kafka.topic(signal)} for signal in ("traces", "logs")}
    brokers = {"KAFKA_BROKERS": kafka.broker.bootstrap}
    with collecting(otelcol, "kafka.yaml", tmp_path, brokers, exporters={"kafka": topics}) as address:
        for each in SENT:
            send(address, each)
    records = kafka.records("traces")  # the Collector ended: all is written
    assert sorted({record.key.decode() for record in records}) == TRACE_IDS
    for record in records:  # as Java's and Python's clients choose it, and `sidecheck relay`
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS
    with consuming(kafka, tmp_path / "data") as started:
        for trace_id in TRACE_IDS:
            started.judged(trace_id)


def test_while_kafka_is_away_senders_are_told_to_wait_and_memory_has_a_bound(otelcol, tmp_path):
    away = {"KAFKA_BROKERS": f"127.0.0.1:{free_port()}"}
    little = {"kafka": {"sending_queue": {"queue_size": 3 * len(SENT[0].spans)}}}
    with collecting(otelcol, "kafka.yaml", tmp_path, away, exporters=little) as address:

        def is_refused() -> bool:
            answer = CLIENT.post(address, content=SENT[0].spans, headers={"Content-Type": PROTOBUF})
            assert answer.status_code in (200, 503)
            return answer.status_code == 503

        until("there is no room", is_refused)
