"""Apps choose names without end, hostile ones too: the metrics page stays small, quick and readable."""

import asyncio
import os
import time
from collections.abc import Iterator

import httpx
import pytest
from builders import SECOND
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from checks.finding import Finding
from checks.report import Outcome, Verdict
from checks.trace import CloseReason
from exporters.metrics.prometheus import LONGEST_VALUE, OTHER, Metrics
from exporters.metrics.tally import tally
from exporters.metrics.web import Health, create_metrics_app
from exporters.record import CallFacts, Record

SOAK = bool(os.environ.get("SIDECHECK_SOAK"))
NAMES = 1_000_000 if SOAK else 10_000
MOST_SERIES = 5_000
SERIES = 1_000_000 if SOAK else 100_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PAGE_CPU_S = 1.0

HOSTILE = (
    "",
    " ",
    "\n",
    'shop"} 1\nsidecheck_up{x="',
    "\\",
    '\\"',
    "\\n",
    "a\x00b",
    "\x1b[31mred",
    "\ud800 alone",
    "\u202eright to left",
    "\u2028line",
    "e\u0301\u0301\u0301",
    "\U0001f4a9" * 200,
    "x" * 1_000_000,
    OTHER,
    "__name__",
    "{}",
    "# HELP sidecheck_traces_open no",
    "# EOF",
    "NaN",
)


def a_record(number: int, name: str, scope: str = "", code: str = "found") -> Record:
    """A trace whose app names everything that it may name."""
    verdict = Verdict("mine", "1", Outcome.FAILED, findings=(Finding(code, "wrong"),))
    return Record(
        trace_id=f"{number:032x}",
        service=name,
        convention="none",
        closed_by=CloseReason.IDLE,
        start_ns=SECOND,
        end_ns=2 * SECOND,
        duration_ns=SECOND,
        span_count=1,
        truncated=False,
        verdicts=(verdict,),
        calls=(CallFacts(model=name, input_tokens=1, output_tokens=1, ttft_ns=SECOND),),
        evaluated_ns=3 * SECOND,
        scopes=(scope or name,),
    )


def samples(text: str, parse=parse_text) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in parse(text):
        yield from ((sample.name, sample.labels, sample.value) for sample in family.samples)


def rendered(metrics: Metrics, accept: str = "") -> str:
    return metrics.render(accept)[0].decode()


@pytest.mark.timeout(1800 if SOAK else 60)
def test_any_number_of_services_and_models_makes_no_more_series_than_the_limit():
    metrics = Metrics(MOST_SERIES)
    for number in range(NAMES):
        metrics.add(tally([a_record(number, f"name-{number}")]))
    started = time.process_time()
    text = rendered(metrics)
    assert time.process_time() - started < PAGE_CPU_S  # some twenty times what it takes
    assert text.count("\n") < 1.5 * MOST_SERIES
    assert len(text) < 1_000_000
    evaluated = [(labels, value) for name, labels, value in samples(text) if name == "sidecheck_traces_evaluated_total"]
    assert sum(value for _, value in evaluated) == NAMES
    (other,) = [value for labels, value in evaluated if labels["service"] == OTHER]
    assert other == NAMES - len(evaluated) + 1


@pytest.mark.parametrize("parse", [parse_text, parse_openmetrics], ids=["text", "openmetrics"])
def test_hostile_names_become_label_values_that_any_prometheus_reads(parse):
    metrics = Metrics(MOST_SERIES)
    for number, name in enumerate(HOSTILE):
        metrics.add(tally([a_record(number, name, code=name)]))
    text = rendered(metrics, OPENMETRICS if parse is parse_openmetrics else "")
    found = list(samples(text, parse))
    assert sum(value for name, _, value in found if name == "sidecheck_traces_evaluated_total") == len(HOSTILE)
    values = [value for name, labels, _ in found if name.startswith("sidecheck") for value in labels.values()]
    assert all(value and value.isprintable() and len(value) <= LONGEST_VALUE for value in values)
    assert {name for name, _, _ in found if name == "sidecheck_up"} == set()


@pytest.mark.timeout(600 if SOAK else 60)
async def test_health_is_told_at_once_while_a_page_of_very_many_series_is_made():
    metrics = Metrics(2 * SERIES)
    for number in range(SERIES):
        metrics.inc("sidecheck_unread_traces_total", scope=f"scope-{number}")
    app = create_metrics_app(metrics, lambda: Health(ready=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sidecar") as client:
        scrapes = [asyncio.create_task(client.get("/metrics", timeout=600)) for _ in range(2)]
        waits, began = [], time.perf_counter()
        while not all(scrape.done() for scrape in scrapes):
            started = time.perf_counter()
            assert (await client.get("/healthz")).is_success
            assert (await client.get("/readyz")).is_success
            waits.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
    assert [scrape.result().text.count("sidecheck_unread_traces_total{") for scrape in scrapes] == [SERIES] * 2
    assert len(waits) > 1
    assert max(waits) < took / 4  # who waits for a page waits for half of it, or more
