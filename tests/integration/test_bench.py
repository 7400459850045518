"""The benchmarks run, with a handful of traces: no figure is looked at but those that say that nothing is missing."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from bench import ageing, checks, delay, endtoend, pages, pii, profile, run, scale, startup
from bench.lines import Line, as_text, at_least, at_most
from bench.load import RECORDED, Load, sent
from bench.measure import evaluated, sidecar_of_its_own
from bench.measure import run as measured
from bench.parts import PARTS, accuracy_lines, check_lines, hostile_lines, pii_lines
from bench.workload import Mix, request
from doctables import block
from expectations import recordings
from pii_scores import corpus
from servers import Serving, serving

from checks.trace import CloseReason
from collector.conventions.read import read
from collector.intake import Source
from collector.pipeline.assembler import assemble
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits

LIGHT = {"SIDECHECK_CHECKS__PII__ENABLED": "false", "SIDECHECK_PROMOTION__MODE": "off"}
"""Without what takes a worker seconds to load."""
FEW = 20


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("bench") / "data", **LIGHT) as started:
        yield started


def goals(lines) -> set[str]:
    """The names of the lines that have a goal."""
    return {line.name for line in lines if line.goal is not None}


def interactions(traces: bytes, logs: bytes = b""):
    """What a request's traces are read as, by user input: ids apart, the same for copies of a request."""
    logs_of = {p.trace_id: p.logs for p in decode.logs_from_protobuf(logs, Source.FILE, ReceiverLimits()).pieces}
    for piece in decode.traces_from_protobuf(traces, Source.FILE, ReceiverLimits()).pieces:
        trace = assemble(piece.trace_id, piece.spans, logs_of.get(piece.trace_id, b""), CloseReason.ROOT_SEEN)
        yield trace, read(trace)


def test_a_load_holds_the_generated_traces_under_other_ids():
    (copy,) = sent(Load(FEW, content=200))
    original = list(interactions(request(range(FEW), Mix(size=200))))
    copied = list(interactions(copy.traces))
    assert [i.final_output for _, i in copied] == [i.final_output for _, i in original]
    assert [len(t.spans) for t, _ in copied] == [5] * FEW
    assert all(t.root and len(t.children_of(t.root.span_id)) == 4 for t, _ in copied)
    assert not {t.trace_id for t, _ in copied} & {t.trace_id for t, _ in original}


def test_a_load_holds_every_recording_with_its_logs():
    requests = list(sent(Load(len(recordings()), content=RECORDED)))
    copied = [found for r in requests for found in interactions(r.traces, r.logs)]
    original = [found for r in recordings() for found in interactions(r.spans, r.logs or b"")]
    assert Counter(i.final_output for _, i in copied) == Counter(i.final_output for _, i in original)
    assert len({t.trace_id for t, _ in copied}) == sum(r.trace_count for r in requests) == len(original)


@pytest.mark.parametrize(("transport", "content"), [("grpc", 200), ("http", RECORDED)])
def test_end_to_end(sidecar, transport, content):
    done = measured(sidecar, Load(FEW, transport, content))
    assert done.traces >= FEW
    assert done.cpu_s > 0
    assert goals(endtoend.of_workload("2 KB, gRPC", [done])) == {"2 KB, gRPC: CPU", "2 KB, gRPC: speed"}
    assert not goals(endtoend.of_workload("200 B, gRPC", [done]))


def test_a_profile_adds_up(sidecar):
    lines = {line.name: line.value for line in profile.beside(sidecar, rounds=1, traces=FEW, e2e_traces=FEW)}
    for process in ("front", "workers"):
        own = {name: us for name, us in lines.items() if name.startswith(f"{process}:")}
        *steps, together, rest, end = own.values()
        assert sum(steps) == pytest.approx(together)
        assert together + rest == pytest.approx(end)
    assert lines["front: end to end"] + lines["workers: end to end"] == pytest.approx(lines["end to end"])


def test_workers(sidecar):
    assert len(list(scale.worker_lines(sidecar, sidecar, 1, FEW))) == 1
    with scale.pool(1, {"latency": {}}) as pool:
        assert len(goals(scale.pool_lines(pool, pool, 1, FEW))) == 1


def test_many_traces(sidecar):
    assert len(goals(scale.count_lines(sidecar, (FEW, 2 * FEW, 3 * FEW), 0))) == 1


def test_a_sidecar_that_judged_many_beside_new_ones(sidecar):
    with ageing.new_ones(LIGHT, 1, FEW) as as_old:
        assert [int(evaluated(each)) for each in as_old] == [FEW]
        line = ageing.cost_growth_line(sidecar, 1_000, LIGHT, as_old, FEW)
        assert [int(evaluated(each)) for each in as_old] == [2 * FEW]
    assert line.goal is not None
    assert line.value == pytest.approx(line.beside["old"] / line.beside["us a trace: new"])


def test_delay(sidecar):
    (line,) = delay.delay_lines(sidecar, FEW)
    assert line.value > line.beside["p50 ms"] > -line.beside["settle ms"]


def test_open_traces():
    with sidecar_of_its_own(**scale.OPEN, **LIGHT, SIDECHECK_WORKERS="1") as sidecar:
        assert len(goals(scale.open_lines(sidecar, FEW))) == 1


def test_replicas(require):
    for server in ("postgres", "kafka"):
        require(server)
    from bench import replicas

    found = {line.name: line for line in replicas.lines(rounds=1, traces=FEW, groups=(1, 2))}
    assert list(found) == [
        "1 replica: speed",
        "2 replicas: speed",
        "2 replicas by 1: speed",
        "2 replicas by 1: CPU a trace",
        "PostgreSQL after 100,000 traces of 2 KB texts",
    ]
    assert all(line.value > 0 for line in found.values())


def test_start_up(tmp_path):
    done = startup.start(tmp_path / "data", 0.0, **LIGHT, SIDECHECK_WORKERS="1")
    assert 0 < done.ready_s < done.judged_s
    assert len(goals(startup.of_starts([done], [done]))) == 3


def test_every_page_is_measured_over_a_full_store():
    assert goals(pages.lines(FEW, 1)) == {*pages.PAGES, "trace"}


def test_checks_and_pii(monkeypatch):
    monkeypatch.setattr(pii, "SIZES", (200,))
    monkeypatch.setattr(pii, "corpus", lambda name: islice(corpus(name), 10 * FEW))
    assert len(list(check_lines(checks.rows(200, FEW, 1)))) >= 7
    assert goals(pii_lines(pii.rows(1))) == {"200 characters, no PII", "200 characters, all with PII"}
    assert len(goals(hostile_lines(pii.hostile(200, 1)))) == len(pii.HOSTILE)
    assert len(list(accuracy_lines(pii.accuracy()))) == 6


def test_a_goal_is_reached_on_its_own_side():
    assert at_most(15).is_met(15)
    assert not at_most(15).is_met(15.1)
    assert at_least(1.8).is_met(1.8)
    assert not at_least(1.8).is_met(1.79)


def test_lines_are_shown_as_text_and_json_and_written_between_the_marks_of_their_part():
    lines = [Line("a line", 12.345, "x", at_most(15), {"front": 1_234.5}), Line("another", 2, "ms")]
    assert "a line   12.3 x  ≤ 15  yes      front 1,234" in as_text({"scale": lines})
    shown = json.loads(run.as_json({"scale": lines}, "this machine"))["parts"]["scale"]
    assert [(line["value"], line["reached"]) for line in shown] == [(12.345, True), (2, None)]
    page = "<!-- pii -->\nkept\n<!-- /pii -->\n<!-- scale -->\nold\n<!-- /scale -->\nbelow\n"
    written = run.with_tables(page, {"scale": lines}, "this machine")
    assert (
        "| a line | 12.3 x | ≤ 15 | yes | front 1,234 |\n| another | 2 ms |  |  |  |\n\nthis machine\n<!--" in written
    )
    assert "kept" in written
    assert "old" not in written
    assert written.endswith("below\n")


def test_the_page_has_a_place_for_every_part():
    page = run.PAGE.read_text(encoding="utf-8")
    assert [name for name in PARTS if block(name, page) is None] == []
