"""The pages over a full store: time to the first byte, processor time, bytes.

Traces are written straight into the store, judged by nobody; pages are asked of the app in this process, without a
network. A page is whole before its first byte goes out, so that byte is what a reader waits for.
"""

import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.lines import Line, at_most
from expectations import RECORDINGS, Recording
from fastapi.testclient import TestClient
from store_builders import LIMITS, NOW, SECOND, a_case, a_record, a_verdict

from checks.report import Outcome
from collector.pipeline.showing import read_trace
from exporters.dataset.case import CaseStatus
from exporters.packed import Packed, pack
from exporters.review.routes import create_api
from exporters.store import Store, TraceQuery

TRACES = 100_000
BATCH = 1_000
ROUNDS = 5
FIRST_BYTE_MS = 300
CHECKS = ("valid_json", "citations", "pii", "latency", "user_feedback")
SERVICES, MODELS = ("shop", "support", "search"), ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4")
WORDS = (
    "return",
    "refund",
    "plan",
    "annual",
    "invoice",
    "order",
    "late",
    "parcel",
    "password",
    "reset",
    "price",
    "tax",
)
RECORDED = RECORDINGS / "openinference-instrumentation-openai-0.1.66" / "tool_ok.binpb"
BROWSER = {"Accept": "text/html"}
PAGES: Mapping[str, str] = {
    "overview, 1 h": "/?range=1h",
    "overview, 24 h": "/",
    "overview, 7 days": "/?range=7d",
    "traces": "/traces",
    "traces, failing of one service": "/traces?service=shop&failing=true",
    "traces, one check and outcome": "/traces?check=pii&outcome=failed",
    "traces, an outcome that none has": "/traces?outcome=errored",
    "traces, one user": "/traces?user=user-77",
    "traces, text that many have": "/traces?q=refund+order",
    "traces, text that none has": "/traces?q=nowhere",
    "traces, a model that none has": "/traces?model=other",
}
"""What is asked for, by its name in the table; a trace's page comes besides."""


def lines(traces: int = TRACES, rounds: int = ROUNDS) -> Iterator[Line]:
    """Every page, in turn, by the quickest of the rounds: what else runs on the machine is no cost of a page."""
    with tempfile.TemporaryDirectory(prefix="sidecheck-bench-") as folder, Store.open(data_dir=Path(folder)) as store:
        began = time.process_time()
        fill(store, traces)
        filled = (time.process_time() - began) / traces
        client = TestClient(create_api(store, read_trace=read_trace, now=lambda: NOW), headers=BROWSER)
        last = store.traces(TraceQuery(limit=1)).items[0]
        pages = {**PAGES, "trace": f"/traces/{last.trace_id}"}
        found = [{name: asked(client, path) for name, path in pages.items()} for _ in range(rounds)]
        yield Line(f"packing and saving, {traces:,} traces", 1e6 * filled, "us a trace")
        for name in pages:
            wall, cpu, size = (min(each[name][part] for each in found) for part in range(3))
            yield Line(name, wall, "ms", at_most(FIRST_BYTE_MS), {"CPU ms": cpu, "KB": size / 1000})


def asked(client: TestClient, path: str) -> tuple[float, float, int]:
    """One page: milliseconds until it is there, milliseconds of processor time, bytes."""
    wall, cpu = time.perf_counter(), time.process_time()
    response = client.get(path)
    taken = time.perf_counter() - wall, time.process_time() - cpu
    response.raise_for_status()
    return 1e3 * taken[0], 1e3 * taken[1], len(response.content)


def fill(store: Store, traces: int = TRACES) -> None:
    """Write so many traces of the last day, one in twenty of them failing."""
    dice, recording = random.Random(1), Recording(RECORDED)
    for first in range(0, traces, BATCH):
        batch = [a_packed(n, traces, dice, recording) for n in range(first, min(first + BATCH, traces))]
        store.save(batch, CaseStatus.CANDIDATE, LIMITS, NOW)


def a_packed(number: int, of: int, dice: random.Random, recording: Recording) -> Packed:
    """The n-th of ``of`` traces that come evenly over the day before ``NOW``."""
    start = NOW - (of - number) * 86_400 * SECOND // of
    took = int(dice.lognormvariate(0.3, 0.8) * SECOND)
    failed = dice.choice(CHECKS) if dice.random() < 0.05 else None
    trace_id = f"{dice.getrandbits(128):032x}"
    case = a_case(number, fingerprint=f"cluster-{failed}-{dice.randrange(40)}") if failed else None
    return pack(
        a_record(
            number + 1,
            trace_id=trace_id,
            service=dice.choice(SERVICES),
            start_ns=start,
            end_ns=start + took,
            duration_ns=took,
            span_count=5,
            view=a_view(dice),
            verdicts=tuple(a_verdict(check, outcome_of(check, failed, dice)) for check in CHECKS),
            session_id=f"session-{number // 4}",
            user_id=f"user-{number % 5_000}",
            keys=(("user", f"user-{number % 5_000}"),),
            spans=recording.spans.replace(bytes.fromhex(recording.trace_ids[0]), bytes.fromhex(trace_id)),
            logs=b"",
            evaluated_ns=start + took,
            case=case,
        )
    )


def outcome_of(check: str, failed: str | None, dice: random.Random) -> Outcome:
    """Some checks do not apply to every trace."""
    if check == failed:
        return Outcome.FAILED
    return Outcome.PASSED if check == "latency" or dice.random() < 0.7 else Outcome.NOT_APPLICABLE


def a_view(dice: random.Random) -> dict[str, object]:
    """What a trace of the generated kind says."""
    question, answer = (" ".join(dice.choices(WORDS, k=size)) for size in (12, 60))
    tokens = {"input": dice.randrange(200, 4_000), "output": dice.randrange(20, 600)}
    return {"input": question, "output": answer, "model": dice.choice(MODELS), "tokens": tokens}
