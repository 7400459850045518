"""What the checks cost: each alone, all five together, the runner around them, and the case of a failing trace.

``rows`` measures against the floor, in the same run: the same bytes decoded by protobuf, their attributes read into
dicts, and nothing else. Alone: ``python tests/bench/checks.py [characters a text] [traces]``.
"""

import copy
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # as in pytest; this file's own folder would hide the package `checks`

from bench.alternate import Times, Variant, alternate
from bench.workload import Mix, requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from checks import catalogue, runner
from checks.builtin.pii.engine import PiiEngine
from checks.check import CheckInfo
from checks.finding import Finding
from checks.interaction import Interaction
from checks.plan import PlannedCheck
from checks.report import Report
from checks.trace import CloseReason
from collector.conventions.read import read
from collector.intake import Source
from collector.pipeline.assembler import assemble
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from exporters.dataset.promote import draft
from exporters.dataset.redact import Redactor

FLOOR = "floor"
HEADER = f"{'checks':24}{'us a trace':>12}{'x floor':>10}"


@dataclass(frozen=True)
class Nothing:
    """A check that applies and finds nothing: what is left is the runner's own."""

    info: ClassVar[CheckInfo] = CheckInfo("nothing", "1", "Nothing is wrong.")

    def applies_to(self, _: Interaction) -> bool:
        """Always."""
        return True

    def inspect(self, _: Interaction) -> Iterable[Finding]:
        """Nothing."""
        return ()


def rows(size: int = 2_000, traces: int = 400, rounds: int = 7) -> list[dict[str, Any]]:
    """One row for each measurement: ``name``, ``us`` of CPU a trace (a case for drafts), ``floors``: how many floors.

    Args:
        size: characters of a text, in and out.
        traces: how many generated traces each round goes over.
        rounds: how often each measurement is made; the median counts.
    """
    encoded = list(requests(traces, Mix(size=size)))
    interactions = list(_interactions(encoded))
    plan = catalogue.build({name: {} for name in catalogue.DEFAULT_CHECKS})
    runner.load(plan)
    variants = {FLOOR: Variant(lambda _: _floor(encoded), units=traces)}
    variants |= {planned.name: _running([planned], interactions) for planned in plan}
    variants["all five"] = _running(plan, interactions)
    variants["runner, a check"] = _running([PlannedCheck("nothing", Nothing())] * 5, interactions, checks=5)
    failing = [report for report in (runner.run(i, plan) for i in interactions) if report.failed]
    variants["draft, a failing trace"] = _drafting(failing, plan)
    return list(_rows(alternate(variants, rounds), variants))


def table(made: Sequence[dict[str, Any]]) -> str:
    """The rows to read."""
    lines = [f"{row['name']:24}{row['us']:12.1f}{row['floors']:10.2f}" for row in made]
    return "\n".join([HEADER, *lines])


def _rows(times: Times, variants: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in variants:
        yield {"name": name, "us": times.us(name), "floors": times.ratio(name, FLOOR)}


def _running(plan: Sequence[PlannedCheck], interactions: Sequence[Interaction], checks: int = 1) -> Variant:
    def work(given: Any) -> None:
        for interaction in given:
            runner.run(interaction, plan)

    return Variant(work, lambda: [_fresh(i) for i in interactions], units=checks * len(interactions))


def _drafting(failing: Sequence[Report], plan: Sequence[PlannedCheck]) -> Variant:
    redact = Redactor(PiiEngine().load().find)

    def work(given: Any) -> None:
        for report in given:
            re.purge()  # of patterns made for values: in production no two cases have the same
            draft(report, redact, plan=plan)

    return Variant(
        work, lambda: [Report(_fresh(r.interaction), r.verdicts) for r in failing], units=max(1, len(failing))
    )


def _interactions(encoded: Iterable[bytes]) -> Iterator[Interaction]:
    for body in encoded:
        for piece in decode.traces_from_protobuf(body, Source.OTLP_HTTP, ReceiverLimits()).pieces:
            yield read(assemble(piece.trace_id, piece.spans, piece.logs, CloseReason.ROOT_SEEN))


def _fresh(interaction: Interaction) -> Interaction:
    """A copy as the conventions leave it: what a check derives and keeps, it has to derive again in each round."""
    made = copy.copy(interaction)
    object.__setattr__(made, "trace", copy.copy(interaction.trace))
    return made


def _floor(encoded: Iterable[bytes]) -> None:
    for body in encoded:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


if __name__ == "__main__":
    print(table(rows(*map(int, sys.argv[1:]))))
