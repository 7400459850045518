"""Every recording, sent over real OTLP to a real server, gets the verdicts that ``sidecheck check`` gives its file."""

from collections import Counter
from collections.abc import Iterator

import pytest
from expectations import RECORDINGS, recordings
from otlp_senders import LOGS, SENDERS, TRACES
from servers import Serving, check_json, eventually, samples, serving

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first


@pytest.fixture(scope="module")
def from_files():
    return check_json(*sorted(RECORDINGS.glob("*/*.binpb")))


@pytest.fixture(scope="module", params=SENDERS)
def server(request, tmp_path_factory) -> Iterator[Serving]:
    """A server that was sent all recordings, by one protocol."""
    send = SENDERS[request.param]
    with serving(tmp_path_factory.mktemp(request.param) / "data") as started:
        for recording in recordings():
            if recording.logs:  # from a batch of their own, and in no order with the spans
                send(started, recording.logs, LOGS)
            send(started, recording.spans, TRACES)
        yield started


def test_every_trace_is_evaluated_and_none_is_lost(server, from_files):
    everything = {"accepted": len(from_files), "evaluated": len(from_files), "open": 0, "dropped": 0}
    assert eventually(server.traces, everything) == everything
    assert server.metric("sidecheck_spans_refused_total") == 0


def test_view_and_verdicts_are_those_of_the_files(server, from_files):
    judged = {
        trace_id: eventually(lambda t=trace_id: server.checked(t), wanted) for trace_id, wanted in from_files.items()
    }
    assert judged == from_files


def test_the_counted_results_are_those_of_the_files(server, from_files):
    expected = Counter((v["check"], v["outcome"]) for trace in from_files.values() for v in trace["verdicts"])
    assert eventually(lambda: counted(server), expected) == expected


def counted(server: Serving) -> Counter[tuple[str, str]]:
    """The results on ``/metrics``, by check and outcome."""
    found: Counter[tuple[str, str]] = Counter()
    for sample in samples(server.metrics_text(), "sidecheck_check_results_total"):
        found[sample.labels["check"], sample.labels["outcome"]] += int(sample.value)
    return found
