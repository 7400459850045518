"""``sidecheck serve`` from start to stop: signals, ports, what a second start finds."""

import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from expectations import Recording, recording
from otlp import TRACE, a_proto_span, a_trace_request
from otlp_senders import LOGS, SENDERS, TRACES, by_grpc
from servers import LISTENERS, Serving, check_json, run_sidecheck, serving, until

from checks.report import Outcome
from exporters.store import Store

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
SPANS_THAT_CLOSE = 50
PATIENT = {
    "SIDECHECK_ASSEMBLY__SETTLE": "60s",
    "SIDECHECK_ASSEMBLY__IDLE": "60s",
    "SIDECHECK_ASSEMBLY__MAX_SPANS": str(SPANS_THAT_CLOSE),
}
"""A trace is judged when the process ends, or at once if it is as large as this."""
LIBRARIES = (
    "opentelemetry-instrumentation-openai-v2-2.4b0__event-content",
    "openinference-instrumentation-openai-0.1.66",
)
SCENARIOS = ("json_broken", "pii", "rag_uncited", "tool_ok", "error500")
SENT = tuple(recording(f"{library}/{scenario}") for library in LIBRARIES for scenario in SCENARIOS)


@dataclass(frozen=True)
class Stopped:
    """A server that got a signal right after it had been sent something."""

    data_dir: Path
    exit_code: int
    seconds: float


def send_all(server: Serving, sent: tuple[Recording, ...] = SENT) -> None:
    for number, each in enumerate(sent):
        send = list(SENDERS.values())[number % len(SENDERS)]
        send(server, each.spans, TRACES)
        if each.logs:
            send(server, each.logs, LOGS)


def judge_one_now(server: Serving) -> None:
    """Have a trace judged that is large enough not to wait: the workers are at work from then on."""
    spans = [a_proto_span(span_id=number.to_bytes(8)) for number in range(1, SPANS_THAT_CLOSE + 1)]
    by_grpc(server, a_trace_request(*spans).SerializeToString())
    assert server.judged(TRACE.hex())["closedBy"] == "span_limit"


def all_spans_were_late(server: Serving) -> bool:
    late = server.metric("sidecheck_late_spans_total")
    return late > 0 and late == server.metric("sidecheck_spans_accepted_total")


@pytest.fixture(scope="module")
def from_files() -> dict[str, dict[str, Any]]:
    """What ``sidecheck check`` says of all that is sent, but that the end of the process closed the traces."""
    files = [path for each in SENT for path in each.path.parent.glob(f"{each.path.stem}.*binpb")]
    return {trace_id: {**trace, "closed_by": "shutdown"} for trace_id, trace in check_json(*files).items()}


@pytest.fixture(scope="module", params=[signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def stopped(request, tmp_path_factory) -> Iterator[Stopped]:
    data_dir = tmp_path_factory.mktemp(request.param.name) / "data"
    with serving(data_dir, **PATIENT) as server:
        judge_one_now(server)
        send_all(server)
        assert server.traces()["evaluated"] == 1
        began = time.monotonic()
        exit_code = server.stop(request.param, within_s=20)
        yield Stopped(data_dir, exit_code, time.monotonic() - began)


def test_a_signal_ends_it_within_10_seconds_and_exit_code_0(stopped):
    assert stopped.exit_code == 0
    assert stopped.seconds < 10


def test_all_that_was_received_before_a_signal_is_judged_and_stored(stopped, from_files):
    with Store.open(data_dir=stopped.data_dir) as store:
        found = {trace_id: store.trace(trace_id) for trace_id in from_files}
    missing = [trace_id for trace_id, trace in found.items() if trace is None]
    assert not missing
    failed = {t: {v.check for v in trace.verdicts if v.outcome is Outcome.FAILED} for t, trace in found.items()}
    expected = {
        trace_id: {v["check"] for v in trace["verdicts"] if v["outcome"] == "failed"}
        for trace_id, trace in from_files.items()
    }
    assert failed == expected


def test_the_next_start_shows_the_earlier_traces_and_counts_none_again(stopped, from_files):
    with serving(stopped.data_dir) as again:
        assert {trace_id: again.checked(trace_id) for trace_id in from_files} == from_files
        send_all(again, SENT[:3])
        until("all is judged again", lambda: all_spans_were_late(again))
        assert again.traces() == {"accepted": 0, "evaluated": 0, "open": 0, "dropped": 0}


@pytest.mark.parametrize("option", LISTENERS)
def test_a_port_in_use_ends_it_with_one_sentence_that_names_the_option(tmp_path, option):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC servers do
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = {f"SIDECHECK_{name}__LISTEN": "127.0.0.1:0" for name in LISTENERS}
        listen[f"SIDECHECK_{option}__LISTEN"] = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run_sidecheck("serve", SIDECHECK_DATA_DIR=str(tmp_path), **listen)
    assert ended.returncode == 2
    (sentence,) = [line for line in ended.stderr.splitlines() if line.startswith("sidecheck: ")]
    assert f"{option.lower().replace('__', '.')}.listen" in sentence
    assert "Traceback" not in ended.stderr
