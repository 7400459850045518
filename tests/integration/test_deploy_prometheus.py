"""``deploy/prometheus``: promtool has no complaint, every alert fires and stays silent as it should, names exist."""

import re
from collections.abc import Callable
from functools import partial

import prometheus_server
import pytest
import yaml
from promql import PROMETHEUS_FOLDER, known_labels, mistakes, names, read_by_alerts, rules

from collector.intake import Refusal
from collector.receivers.answers import QUIET
from exporters.metrics.catalogue import METRICS

TESTS = sorted((PROMETHEUS_FOLDER / "tests").glob("*.yaml"))
RULES = list(rules())
ALERTS = [rule for rule in RULES if rule.is_alert]
SEVERITIES = {"critical", "warning", "info"}
RUNBOOK = '{{ or $externalLabels.sidecheck_runbooks "deploy/prometheus/runbooks.md" }}'
NO_TROUBLE = {
    "sidecheck_traces_evaluated_total": "traffic",
    "sidecheck_spans_accepted_total": "traffic",
    "sidecheck_logs_accepted_total": "traffic",
    "sidecheck_feedback_accepted_total": "traffic",
    "sidecheck_traces_accepted_total": "traffic",
    "sidecheck_tokens_total": "traffic; dollars are told of",
    "sidecheck_late_spans_total": "usual; what a verdict changed to is told of where it matters",
    "sidecheck_trace_duration_seconds": "the check latency has limits, and its results are told of",
    "sidecheck_time_to_first_token_seconds": "as above",
    "sidecheck_check_duration_seconds": "timed_out is told of, and verdicts that are late",
    "sidecheck_trace_cost_dollars": "the check cost has a limit for it; budgets are told of",
    "sidecheck_model_check_results_total": "the same results, by model",
    "sidecheck_flagged_traces_total": "the same failures, by trace",
    "sidecheck_cases": "work for reviewers",
    "sidecheck_unread_traces_total": "an app may send traces that have no model call",
    "sidecheck_traces_open": "depends on traffic; verdicts that are late are told of",
    "sidecheck_store_bytes": "bounded by store.retention",
    "sidecheck_notifications_sent_total": "what was not sent is dropped, and told of",
    "sidecheck_kafka_paused": "usual in a burst; lag is told of",
    "sidecheck_kafka_partitions_total": "usual when replicas come and go; lag is told of",
    "sidecheck_kafka_produced_total": "traffic; what a relay cannot write it refuses, and that is told of",
    "sidecheck_kafka_produced_bytes_total": "traffic",
    "sidecheck_config_reloads_total": "the last one's result is told of",
    "sidecheck_build_info": "a version",
}
"""The metrics that no alert goes by, each with the reason."""


@pytest.fixture
def promtool(require) -> Callable[..., str]:
    return partial(prometheus_server.promtool, require("prometheus"))


def test_promtool_takes_the_configuration_with_its_rules_and_targets(promtool):
    printed = promtool("check", "config", PROMETHEUS_FOLDER / "prometheus.yml")
    assert "3 rule files found" in printed
    assert f"{len(ALERTS)} rules found" in printed


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_silent_as_their_unit_tests_say(promtool, path):
    promtool("test", "rules", path)


def unit_tests(alert: str, *, firing: bool) -> list[dict]:
    """The unit tests in which an alert must fire, or must not."""
    groups = (group for path in TESTS for group in yaml.safe_load(path.read_text())["tests"])
    tests = (test for group in groups for test in group.get("alert_rule_test", ()))
    return [test for test in tests if test["alertname"] == alert and bool(test.get("exp_alerts")) is firing]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule.name)
def test_an_alert_is_tested_firing_and_silent(alert):
    assert unit_tests(alert.name, firing=True)
    assert unit_tests(alert.name, firing=False)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule.name)
def test_an_alert_says_how_urgent_it_is_and_where_its_runbook_stands(alert):
    assert alert.document["labels"]["severity"] in SEVERITIES
    notes = alert.document["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"] == f"{RUNBOOK}#{alert.name.lower()}"


def test_what_a_metric_tells_of_is_alerted_on_or_no_trouble():
    assert read_by_alerts() | NO_TROUBLE.keys() == METRICS.keys()
    assert read_by_alerts() & NO_TROUBLE.keys() == set()


def test_what_is_refused_is_alerted_on_but_for_what_senders_are_not_told_of_either():
    """Requests by any reason but one; of spans in a request that is taken, those that are no good."""
    (alert,) = (rule for rule in ALERTS if rule.name == "SidecheckRefusing")
    matchers = re.findall(r'(sidecheck_\w+)\{reason(!=|=~)"([^"]+)"\}', alert.expr)
    assert matchers == [
        ("sidecheck_requests_refused_total", "!=", Refusal.METRICS_SIGNAL),
        ("sidecheck_spans_refused_total", "=~", f"{Refusal.INVALID_ID}|{Refusal.INVALID_TIME}"),
    ]
    assert not {Refusal.INVALID_ID, Refusal.INVALID_TIME} & QUIET


def test_whatever_is_dropped_is_alerted_on_unless_somebody_wished_it():
    (alert,) = (rule for rule in ALERTS if rule.name == "SidecheckDropping")
    assert set(re.findall(r"sidecheck_dropped_total(\{.*?\})", alert.expr)) == {'{reason!="forgotten"}'}


def test_the_runbooks_have_a_section_for_each_alert_and_for_no_other():
    text = (PROMETHEUS_FOLDER / "runbooks.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?m)^### (\w+)\n(.*?)(?=^##|\Z)", text, re.DOTALL))
    assert list(sections) == [alert.name for alert in ALERTS]
    for body in sections.values():
        assert re.findall(r"(?m)^\*\*(.+?)\*\*", body) == ["Meaning.", "First.", "Stop it."]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_metrics_and_labels_that_there_are(rule):
    assert names(rule.expr)
    assert mistakes(rule.expr, known_labels()) == []


def test_what_is_recorded_is_used_by_an_alert_or_a_board_or_has_a_unit_test():
    boards = (PROMETHEUS_FOLDER.parent / "grafana" / "dashboards").glob("*.json")
    files = "".join(path.read_text(encoding="utf-8") for path in (*boards, *TESTS))
    used = set().union(*(names(rule.expr) for rule in RULES))
    recorded = {rule.name for rule in RULES if not rule.is_alert}
    assert {name for name in recorded - used if name not in files} == set()


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("rate(sidecheck_verdicts_total[5m])", ["no metric sidecheck_verdicts_total"]),
        ('sidecheck_findings_total{rule="pii"}', ["no label rule on sidecheck_findings_total"]),
        ("sum by (model) (sidecheck_traces_open)", ["no label model to sum by"]),
        ("service:sidecheck_slow:ratio_rate7m", ["no metric service:sidecheck_slow:ratio_rate7m"]),
        ('sum by (le, instance) (sidecheck_trace_duration_seconds_bucket{service="up",job="x"})', []),
    ],
)
def test_a_wrong_name_is_found(expr, found):
    assert mistakes(expr, known_labels()) == found
