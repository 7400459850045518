"""The metrics registry: names, labels, bounds and both text formats."""

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.metrics.catalogue import METRICS, OPEN_LABELS, Kind
from exporters.metrics.prometheus import Metrics
from exporters.metrics.tally import Tally

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FINDINGS = "sidecheck_findings_total"
TRACE = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


@pytest.fixture
def metrics():
    return Metrics(max_series=1000)


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of ``name`` on the page, by their label values in alphabetical order of the labels."""
    families = parse_text(metrics.render()[0].decode())
    found = (sample for family in families for sample in family.samples if sample.name == name)
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in found}


def test_a_counter_adds_up_by_its_labels(metrics):
    metrics.inc("sidecheck_spans_accepted_total", 3, source="otlp_grpc")
    metrics.inc("sidecheck_spans_accepted_total", source="otlp_grpc")
    metrics.inc("sidecheck_spans_accepted_total", source="otlp_http")
    assert samples(metrics, "sidecheck_spans_accepted_total") == {("otlp_grpc",): 4, ("otlp_http",): 1}


def test_adding_nothing_makes_the_series_be_there(metrics):
    metrics.inc("sidecheck_dropped_total", 0, what="span", reason="trace_limit")
    assert samples(metrics, "sidecheck_dropped_total") == {("trace_limit", "span"): 0}


def test_a_histogram_counts_into_the_catalogue_s_buckets(metrics):
    metrics.observe("sidecheck_trace_duration_seconds", 2.5, service="shop")
    buckets = samples(metrics, "sidecheck_trace_duration_seconds_bucket")
    assert buckets["2.0", "shop"] == 0
    assert buckets["3.0", "shop"] == 1
    assert len(buckets) == len(METRICS["sidecheck_trace_duration_seconds"].buckets) + 1


@pytest.mark.parametrize("odd", [[], [math.nan], [-math.inf, 10**400]])
def test_values_of_a_tally_are_counted_as_if_they_came_one_by_one(metrics, odd):
    name, values = "sidecheck_trace_duration_seconds", [0.1, 2.5, 0.1, 1e9, *odd, 2.0]
    metrics.add(Tally(values={(name, (("service", "tallied"),)): (values, TRACE["trace_id"])}))
    for value in values:
        metrics.observe(name, value, service="alone")
    for end in ("bucket", "count", "sum"):
        found = samples(metrics, f"{name}_{end}")
        told = {service: {k: v for k, v in found.items() if service in k} for service in ("tallied", "alone")}
        assert list(told["tallied"].values()) == pytest.approx(list(told["alone"].values()))
    page = metrics.render(OPENMETRICS)[0].decode()
    assert [
        line.count(TRACE["trace_id"]) for line in page.splitlines() if 'le="2.0"' in line and "tallied" in line
    ] == [1]


def test_a_gauge_holds_its_last_value(metrics):
    metrics.set("sidecheck_cases", 5, status="candidate")
    metrics.set("sidecheck_cases", 2, status="candidate")
    assert samples(metrics, "sidecheck_cases") == {("candidate",): 2}


def test_a_watched_gauge_is_asked_at_every_scrape(metrics):
    queue = [1]
    metrics.watch("sidecheck_queue_length", lambda: len(queue), queue="store")
    queue.append(2)
    assert samples(metrics, "sidecheck_queue_length") == {("store",): 2}


def test_a_watched_gauge_that_breaks_does_not_take_the_page_away(metrics):
    metrics.watch("sidecheck_traces_open", lambda: 1 / 0)
    assert math.isnan(samples(metrics, "sidecheck_traces_open")[()])


def test_a_name_that_is_not_in_the_catalogue_is_an_error_at_once(metrics):
    with pytest.raises(KeyError, match="sidecheck_nothing_total"):
        metrics.inc("sidecheck_nothing_total")


def test_a_metric_of_another_kind_is_an_error_at_once(metrics):
    with pytest.raises(TypeError, match="is a gauge"):
        metrics.inc("sidecheck_traces_open")


@pytest.mark.parametrize("labels", [{}, {"source": "file", "service": "shop"}, {"sauce": "file"}])
def test_labels_that_are_not_the_metric_s_are_an_error_at_once(metrics, labels):
    with pytest.raises(ValueError, match="has the labels"):
        metrics.inc("sidecheck_spans_accepted_total", **labels)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -1, 10**400])
def test_an_amount_that_would_spoil_a_counter_is_left_out(metrics, amount):
    metrics.inc("sidecheck_late_spans_total", amount)
    metrics.add(Tally(amounts={("sidecheck_late_spans_total", ()): (amount, TRACE["trace_id"])}))
    assert samples(metrics, "sidecheck_late_spans_total") == {(): 0}


def test_a_value_that_would_spoil_a_histogram_is_left_out(metrics):
    metrics.observe("sidecheck_evaluation_delay_seconds", math.nan)
    metrics.add(Tally(values={("sidecheck_evaluation_delay_seconds", ()): ([math.nan], TRACE["trace_id"])}))
    assert samples(metrics, "sidecheck_evaluation_delay_seconds_count") == {(): 0}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\x00c\u202ed", "a?b?c?d"),
        ("\ud800", "?"),
        ("x" * 500, "x" * 128),
        ("", "unknown"),
        ("  ", "unknown"),
        ('quo"te\\', 'quo"te\\'),
        (7, "7"),
    ],
)
def test_a_label_value_is_made_harmless(metrics, value, shown):
    metrics.inc("sidecheck_flagged_traces_total", service=value)
    assert samples(metrics, "sidecheck_flagged_traces_total") == {(shown,): 1}


def test_beyond_the_cap_open_labels_become_other_and_closed_ones_stay():
    metrics = Metrics(max_series=2)
    for n in range(10):
        metrics.inc(FINDINGS, service=f"s{n}", check="pii", code="email")
    metrics.inc(FINDINGS, service="s0", check="pii", code="email")
    assert samples(metrics, FINDINGS) == {
        ("pii", "email", "s0"): 2,
        ("pii", "email", "s1"): 1,
        ("pii", "other", "other"): 8,
    }


def test_what_is_folded_is_counted():
    metrics = Metrics(max_series=1)
    for service in ("a", "b", "c"):
        metrics.inc("sidecheck_flagged_traces_total", service=service)
    assert samples(metrics, "sidecheck_series_folded_total") == {("sidecheck_flagged_traces_total",): 2}


def test_the_cap_holds_for_all_metrics_together_with_a_histogram_s_buckets():
    metrics = Metrics(max_series=50)
    for n in range(200):
        service = f"s{n}"
        metrics.observe("sidecheck_trace_duration_seconds", 1, service=service)
        metrics.inc("sidecheck_tokens_total", service=service, model=f"m{n}", direction="input")
    families = parse_text(metrics.render()[0].decode())
    labelled = [s for f in families for s in f.samples if s.labels.get("service", "other") != "other"]
    assert 0 < len(labelled) <= 50


def test_closed_labels_are_never_folded():
    metrics = Metrics(max_series=1)
    for reason in ("malformed", "too_large", "overloaded"):
        metrics.inc("sidecheck_requests_refused_total", source="otlp_http", reason=reason)
    assert len(samples(metrics, "sidecheck_requests_refused_total")) == 3


def test_openmetrics_carries_the_trace_id_as_exemplar(metrics):
    metrics.inc(FINDINGS, 1, TRACE, service="shop", check="pii", code="email")
    body, content_type = metrics.render(OPENMETRICS)
    families = parse_openmetrics(body.decode())
    found = [s for f in families for s in f.samples if s.name == FINDINGS]
    assert content_type.startswith("application/openmetrics-text")
    assert found[0].exemplar.labels == TRACE


def test_plain_text_is_the_default_and_has_no_exemplars(metrics):
    metrics.inc(FINDINGS, 1, TRACE, service="shop", check="pii", code="email")
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert TRACE["trace_id"].encode() not in body


def test_an_exemplar_that_is_too_long_is_left_out_and_the_number_counts(metrics):
    name, labels, long = "sidecheck_flagged_traces_total", (("service", "shop"),), "x" * 200
    metrics.inc(name, 1, {"trace_id": long}, **dict(labels))
    metrics.add(Tally(amounts={(name, labels): (2, long)}))
    assert samples(metrics, name) == {("shop",): 3}
    assert long not in metrics.render(OPENMETRICS)[0].decode()


def test_the_page_tells_of_the_process_and_has_no_created_series(metrics):
    body = metrics.render()[0].decode()
    assert "python_info" in body
    assert "_created" not in body


def test_two_registries_do_not_meet():
    first, second = Metrics(10), Metrics(10)
    first.inc("sidecheck_late_spans_total")
    assert samples(second, "sidecheck_late_spans_total") == {(): 0}


def test_every_metric_of_the_catalogue_keeps_the_naming_rules():
    for metric in METRICS.values():
        assert metric.name.startswith("sidecheck_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert metric.help.endswith(".")


def test_every_open_label_is_in_use():
    assert {label for metric in METRICS.values() for label in metric.labels} >= OPEN_LABELS


def test_a_gauge_that_is_forgotten_leaves_the_page_and_may_come_back(metrics):
    for partition in (0, 1):
        metrics.set("sidecheck_kafka_lag", 5, topic="spans", partition=partition)
    metrics.forget("sidecheck_kafka_lag", topic="spans", partition=0)
    metrics.forget("sidecheck_kafka_lag", topic="spans", partition=7)
    assert samples(metrics, "sidecheck_kafka_lag") == {("1", "spans"): 5}
    metrics.set("sidecheck_kafka_lag", 6, topic="spans", partition=0)
    assert samples(metrics, "sidecheck_kafka_lag") == {("0", "spans"): 6, ("1", "spans"): 5}


def test_a_cap_that_is_raised_makes_room_and_one_that_is_lowered_leaves_what_is_there():
    metrics = Metrics(max_series=1)
    for service in ("a", "b"):
        metrics.inc("sidecheck_flagged_traces_total", service=service)
    metrics.limit(2)
    metrics.inc("sidecheck_flagged_traces_total", service="c")
    metrics.limit(1)
    for service in ("a", "c", "d"):
        metrics.inc("sidecheck_flagged_traces_total", service=service)
    page = metrics.render()[0].decode()
    counted = {name: f'sidecheck_flagged_traces_total{{service="{name}"}} {n}.0' in page
               for name, n in {"a": 2, "c": 2, "other": 2}.items()}  # fmt: skip
    assert all(counted.values()), counted
