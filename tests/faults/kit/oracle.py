"""The judge of a fault test: compares what was acknowledged with what is stored and with what ``/metrics`` says.

Reads the store's file by itself rather than through the product's own code.
"""

import sqlite3
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import zstandard
from faults.kit.ledger import Ledger
from faults.kit.sidecar import Sidecar
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from prometheus_client.parser import text_string_to_metric_families
from servers import total, until

DEFAULT_CHECKS = frozenset({"valid_json", "citations", "pii", "latency", "user_feedback"})
LIGHT_CHECKS = DEFAULT_CHECKS - {"pii"}
"""The checks that run with ``faults.kit.sidecar.LIGHT``."""
ANSWERS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A trace in the store: its span ids, how many its verdicts are about, verdicts by check, and log records."""

    span_ids: frozenset[str]
    judged_spans: int
    verdicts: Mapping[str, int]
    log_records: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ledger against store. ``lost``: acknowledged spans that are not stored, ``trace/span``.

    ``double``: traces without exactly one verdict a check over all their spans. ``unknown``: stored, but never sent.
    """

    acknowledged_spans: int
    acknowledged_traces: int
    stored_traces: int
    lost: tuple[str, ...]
    double: tuple[str, ...]
    unknown: tuple[str, ...]

    def assert_kept(self) -> None:
        """Fail unless all that was acknowledged is stored and judged once."""
        assert self.acknowledged_spans > 0, "nothing was acknowledged: the test shows nothing"
        assert (self.lost, self.double, self.unknown) == ((), (), ())


def stored_traces(data_dir: Path) -> dict[str, Stored]:
    """Every trace in the store's file, by its id. Needs no running sidecar."""
    with closing(sqlite3.connect(data_dir / "sidecheck.db", timeout=30)) as connection:
        return _stored(connection.execute)


def stored_in(url: str) -> dict[str, Stored]:
    """Every trace in a database, by its id."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return _stored(lambda query: connection.execute(sa.text(query)))
    finally:
        engine.dispose()


def _stored(ask: Callable[[str], Iterable[Any]]) -> dict[str, Stored]:
    verdicts: dict[str, Counter[str]] = {}
    for trace_id, check in ask("SELECT trace_id, check_name FROM outcome_set_checks JOIN traces USING (outcome_set)"):
        verdicts.setdefault(trace_id, Counter())[check] += 1
    rows = ask("SELECT trace_id, span_count, data FROM traces JOIN payloads ON trace = traces.id")
    found = {}
    for key, count, data in rows:
        spans, logs = _telemetry(bytes(data))
        span_ids = frozenset(span.span_id.hex() for span in _spans(spans) if span.trace_id.hex() == key)
        found[key] = Stored(span_ids, count, verdicts.get(key, {}), _log_records(logs))
    return found


def compare(
    ledger: Ledger,
    data_dir: Path,
    checks: frozenset[str] = DEFAULT_CHECKS,
    *,
    stopped: bool = False,
    alone: bool = True,
) -> Comparison:
    """Compare the ledger with the store. To be called when nothing is open any more (``settle``).

    Of a sidecar that is ``stopped``, what the journal holds counts as kept: the next start judges it. Where the ledger
    is not ``alone``, the store also holds what others sent.
    """
    journaled = journaled_spans(data_dir) if stopped else {}
    return weigh(ledger, stored_traces(data_dir), checks, journaled, alone=alone)


def weigh(
    ledger: Ledger,
    stored: Mapping[str, Stored],
    checks: frozenset[str],
    journaled: Mapping[str, set[str]] | None = None,
    *,
    alone: bool = True,
) -> Comparison:
    """Compare the ledger with what is ``stored``, and with the span ids that a journal holds."""
    acknowledged, journaled = ledger.traces(), journaled or {}
    nothing = Stored(frozenset(), 0, {})
    lost = [
        f"{trace_id}/{span_id}"
        for trace_id, span_ids in acknowledged.items()
        for span_id in sorted(span_ids - stored.get(trace_id, nothing).span_ids - journaled.get(trace_id, set()))
    ]
    once = dict.fromkeys(checks, 1)
    double = [key for key, each in stored.items() if each.verdicts != once or each.judged_spans != len(each.span_ids)]
    sent = {key: ledger.attempted.get(key, set()) for key in stored if alone or key in ledger.attempted}
    unknown = [key for key, span_ids in sent.items() if not stored[key].span_ids <= span_ids]
    spans = sum(map(len, acknowledged.values()))
    return Comparison(spans, len(acknowledged), len(stored), tuple(lost), tuple(double), tuple(unknown))


def settle(sidecar: Sidecar, within_s: float = 60.0) -> None:
    """Wait until every trace is judged and stored: nothing open, nothing queued, the journal's rows gone."""
    until("no trace is open", lambda: sidecar.metric("sidecheck_traces_open") == 0, within_s)
    until("nothing is queued", lambda: sidecar.metric("sidecheck_queue_length") == 0, within_s)
    until("the journal is empty", lambda: journal_rows(sidecar.data_dir) == 0, within_s)


def journal_rows(data_dir: Path) -> int:
    """How many requests the journal holds."""
    with closing(sqlite3.connect(data_dir / "journal.db", timeout=30)) as connection:
        return connection.execute("SELECT count(*) FROM entries").fetchone()[0]


def journaled_spans(data_dir: Path) -> dict[str, set[str]]:
    """The span ids that the journal holds, by trace id."""
    found: dict[str, set[str]] = {}
    with closing(sqlite3.connect(data_dir / "journal.db", timeout=30)) as connection:
        for (traces,) in connection.execute("SELECT traces FROM entries"):
            for span in _spans(traces):
                found.setdefault(span.trace_id.hex(), set()).add(span.span_id.hex())
    return found


def imbalance(page: str) -> float:
    """``accepted - (evaluated + open + dropped)`` of a page of metrics."""
    out = total(page, "sidecheck_traces_evaluated_total") + total(page, "sidecheck_traces_open")
    return (
        total(page, "sidecheck_traces_accepted_total") - out - total(page, "sidecheck_dropped_total", {"what": "trace"})
    )


def drops(page: str) -> Counter[str]:
    """What was dropped, by ``what/reason``."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "sidecheck_dropped_total" and sample.value:
                found[f"{sample.labels['what']}/{sample.labels['reason']}"] += int(sample.value)
    return found


def twice_counted(page: str) -> dict[str, float]:
    """Checks that have more results than traces were evaluated. Only a page with nothing open is read in one moment."""
    if total(page, "sidecheck_traces_open"):
        return {}
    evaluated = total(page, "sidecheck_traces_evaluated_total")
    results = {check: total(page, "sidecheck_check_results_total", {"check": check}) for check in DEFAULT_CHECKS}
    return {check: count for check, count in results.items() if count > evaluated}


@dataclass(slots=True)
class Seen:
    """What a ``Watch`` saw. ``slowest_s`` is the longest wait by path; ``health`` counts the states told."""

    scrapes: int = 0
    unbalanced: list[float] = field(default_factory=list)
    double: list[dict[str, float]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    slowest_s: dict[str, float] = field(default_factory=dict)
    health: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    drops: dict[int, Counter[str]] = field(default_factory=dict)
    """By the sidecar's life, since counters begin anew in each."""

    def unexplained(self, *explained: str) -> dict[str, int]:
        """Drops of all lives whose ``what/reason`` is not among ``explained``."""
        every = sum(self.drops.values(), Counter())
        return {key: count for key, count in every.items() if key not in explained}

    def assert_sound(self, *explained: str) -> None:
        """Fail unless the invariant held at every scrape and nothing was dropped but for these ``what/reason``."""
        assert self.scrapes > 0, "nothing was scraped: the test shows nothing"
        assert (self.unbalanced, self.double, self.unexplained(*explained)) == ([], [], {})

    def assert_quick(self) -> None:
        """Fail unless every page came within a second."""
        assert {path: took for path, took in self.slowest_s.items() if took > ANSWERS_WITHIN_S} == {}


class Watch:
    """Scrapes ``/metrics``, ``/healthz`` and ``/readyz`` over and over while a test runs; a dead sidecar is no news."""

    def __init__(self, sidecar: Sidecar, every_s: float = 0.1) -> None:
        self.seen = Seen()
        self._sidecar, self._every_s = sidecar, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=f"http://{self._sidecar.addresses['metrics']}", timeout=10) as client:
            while True:
                is_last = self._stop.is_set()
                life = self._sidecar.life
                for path, note in (("/metrics", self._page), ("/healthz", self._health), ("/readyz", None)):
                    self._ask(client, path, life, note)
                if is_last:
                    return
                self._stop.wait(self._every_s)

    def _ask(
        self, client: httpx.Client, path: str, life: int, note: Callable[[httpx.Response, int], None] | None
    ) -> None:
        started = time.monotonic()
        try:
            response = client.get(path)
        except httpx.TransportError as error:
            self.seen.refused[type(error).__name__] += 1
            return
        took = time.monotonic() - started
        self.seen.slowest_s[path] = max(took, self.seen.slowest_s.get(path, 0.0))
        if note is not None and life == self._sidecar.life:
            note(response, life)

    def _page(self, response: httpx.Response, life: int) -> None:
        seen, page = self.seen, response.text
        seen.scrapes += 1
        if difference := imbalance(page):
            seen.unbalanced.append(difference)
        if double := twice_counted(page):
            seen.double.append(double)
        seen.drops[life] = drops(page)

    def _health(self, response: httpx.Response, _life: int) -> None:
        told = response.json()
        self.seen.health[told["status"]] += 1
        self.seen.problems.update(told["problems"])


def _telemetry(compressed: bytes) -> tuple[bytes, bytes]:
    """The spans and the log records of a stored trace, which are the first two of its three parts."""
    whole = zstandard.ZstdDecompressor().decompress(compressed)
    spans, logs = struct.unpack_from("<QQ", whole)
    raw = whole[3 * 8 :]  # behind the lengths
    return raw[:spans], raw[spans:][:logs]


def _log_records(encoded: bytes) -> int:
    return sum(len(s.log_records) for r in LogsData.FromString(encoded).resource_logs for s in r.scope_logs)


def _spans(encoded: bytes) -> Iterator[Span]:
    for resource_spans in TracesData.FromString(encoded).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.spans
