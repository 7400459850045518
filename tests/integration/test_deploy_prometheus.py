"""``deploy/prometheus``: promtool has no complaint, every alert fires and stays silent as it should, names exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from promql import PROMETHEUS_FOLDER, known_labels, mistakes, names, rules

TESTS = sorted((PROMETHEUS_FOLDER / "tests").glob("*.yaml"))
RULES = list(rules())
ALERTS = [rule for rule in RULES if rule.is_alert]
SEVERITIES = {"critical", "warning", "info"}


@pytest.fixture(scope="session")
def promtool(require):
    """Run promtool; give what it printed, once it has no complaint."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([require("prometheus") / "promtool", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


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
    assert notes["runbook_url"] == f"deploy/prometheus/runbooks.md#{alert.name.lower()}"


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
        ("rate(sidecheck_chek_results_total[5m])", ["no metric sidecheck_chek_results_total"]),
        ('sidecheck_findings_total{chek="pii"}', ["no label chek on sidecheck_findings_total"]),
        ("sum by (model) (sidecheck_traces_open)", ["no label model to sum by"]),
        ("service:sidecheck_slow:ratio_rate7m", ["no metric service:sidecheck_slow:ratio_rate7m"]),
        ('sum by (le, instance) (sidecheck_trace_duration_seconds_bucket{service="up",job="x"})', []),
    ],
)
def test_a_wrong_name_is_found(expr, found):
    assert mistakes(expr, known_labels()) == found
