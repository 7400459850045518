"""The capacity table is made of what the benchmark measured, and of nothing else."""

import capacity
from bench.lines import Line, as_markdown

REPLICAS = [
    Line("1 replica: speed", 700, "traces/s", None, {"us a trace: replicas": 1_000, "PostgreSQL": 400, "cores": 1}),
    Line("3 replicas: speed", 400, "traces/s", None, {"us a trace: replicas": 2_000, "PostgreSQL": 500, "cores": 0.8}),
    Line(capacity.GROWTH, 512, "MiB", None, {"bytes a trace": 2**13, "GiB a million traces": 7.6}),
]
SIDECAR = Line("2 KB, gRPC: CPU", 40, "x floor", None, {"us a trace: front": 1_500, "workers": 2_500, "us a span": 800})


def rows(*lines: Line) -> dict[str, tuple[str, str]]:
    return {name: (measured, so) for name, measured, so in capacity.rows(as_markdown(lines))}


def test_a_sidecar_is_told_by_the_processor_time_of_a_trace():
    measured, so = rows(SIDECAR)["one sidecar"]
    assert measured == "4 ms of CPU a trace: 1.5 in the front process, 2.5 in workers"
    assert so.startswith("250 traces/s a core, no more than 670 with any number of cores")


def test_replicas_are_told_by_the_dearest_of_their_numbers():
    found = rows(*REPLICAS)
    assert found["a replica on Kafka"][0] == "1 to 2 ms of CPU a trace"
    assert found["a replica on Kafka"][1].startswith("500 traces/s a core")
    assert found["PostgreSQL"] == ("0.4 to 0.5 ms of CPU a trace", "a core of it for 4 of the replicas'")
    assert found["PostgreSQL's growth"][1].startswith(
        "`store.retention.size: 2GiB` keeps the last 260,000 traces; a day"
    )


def test_what_was_not_measured_makes_no_row():
    assert list(rows(SIDECAR)) == ["one sidecar"]


def test_the_benchmark_s_page_has_a_line_for_every_row():
    assert len(list(capacity.rows(capacity.PAGE.read_text(encoding="utf-8")))) == len(capacity.ROWS)
