"""A store of recorded traces, judged by all checks, that began within the last hour of the page's clock."""

from collections.abc import Iterator

from expectations import RECORDINGS, Recording
from store_builders import LIMITS

from checks.trace import CloseReason, Feedback
from collector.pipeline.job import Job, JudgeOptions
from collector.pipeline.judge import Judge
from exporters.dataset.case import CaseStatus
from exporters.packed import pack
from exporters.record import Record
from exporters.store import Store

CHECKS = {"valid_json": {}, "citations": {}, "pii": {}, "latency": {"max_trace": "2s"}, "user_feedback": {}}
FOLDERS = ("openinference-instrumentation-openai-0.1.66", "opentelemetry-instrumentation-openai-v2-2.4b0__span-content")
DISLIKED = Feedback(0.0, False, "This is not what I asked.", "user-7", time_ns=0)


def fill(store: Store) -> int:
    """Put the recordings into the store; gives the time at which the last of them was judged."""
    records = list(_judged())
    now = max(record.end_ns for record in records) + 60_000_000_000
    store.save([pack(record) for record in records], CaseStatus.CANDIDATE, LIMITS, now)
    return now


def _judged() -> Iterator[Record]:
    judge = Judge(JudgeOptions(CHECKS, prices={}))
    for folder in FOLDERS:
        for path in sorted((RECORDINGS / folder).glob("*.binpb")):
            if not path.name.endswith(".logs.binpb"):
                recording = Recording(path)
                feedback = (DISLIKED,) if path.stem == "qa" else ()
                for trace_id in recording.trace_ids:
                    job = Job(trace_id, recording.spans, recording.logs, CloseReason.ROOT_SEEN, feedback)
                    yield judge.judge(job)
