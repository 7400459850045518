"""The pages over a full store: time to the first byte and to the last, processor time and bytes.

Traces are written straight into the store, judged by nobody; pages are asked of the app without a network.
"""

import random
from pathlib import Path

from store_builders import LIMITS, NOW, SECOND, a_case, a_record, a_verdict

from checks.report import Outcome
from exporters.dataset.case import CaseStatus
from exporters.packed import Packed, pack
from exporters.store import Store

TRACES = 100_000
BATCH = 1_000
CHECKS = ("valid_json", "citations", "pii", "latency", "user_feedback")
SERVICES, MODELS = ("shop", "support", "search"), ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4")
WORDS = [
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
    "account",
    "delete",
    "price",
    "tax",
    "change",
]
SPANS = (
    Path(__file__).parents[1] / "data/spans/openinference-instrumentation-openai-0.1.66/tool_ok.binpb"
).read_bytes()


def fill(store: Store, traces: int = TRACES) -> None:
    """Write so many traces of the last day, one in twenty of them failing."""
    dice = random.Random(1)
    for first in range(0, traces, BATCH):
        batch = [a_packed(number, traces, dice) for number in range(first, min(first + BATCH, traces))]
        store.save(batch, CaseStatus.CANDIDATE, LIMITS, NOW)


def a_packed(number: int, of: int, dice: random.Random) -> Packed:
    """The n-th of ``of`` traces that come evenly over the day before ``NOW``."""
    start = NOW - (of - number) * 86_400 * SECOND // of
    took = int(dice.lognormvariate(0.3, 0.8) * SECOND)
    failed = dice.choice(CHECKS) if dice.random() < 0.05 else None
    return pack(
        a_record(
            number + 1,
            trace_id=f"{dice.getrandbits(128):032x}",
            service=dice.choice(SERVICES),
            start_ns=start,
            end_ns=start + took,
            duration_ns=took,
            span_count=5,
            view=a_view(dice),
            verdicts=tuple(a_verdict(check, outcome_of(check, failed, dice)) for check in CHECKS),
            session_id=f"session-{number // 4}",
            user_id=f"user-{number % 5_000}",
            spans=SPANS,
            logs=b"",
            evaluated_ns=start + took,
            case=a_case(number, fingerprint=f"cluster-{failed}-{dice.randrange(40)}") if failed else None,
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
