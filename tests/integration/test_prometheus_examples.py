"""What is shown for a Prometheus of one's own, as comments and in the documentation, is tried with promtool."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import prometheus_server
import pytest
import yaml
from documented import blocks
from promql import GIVEN, OF_PROMETHEUS, PROMETHEUS_FOLDER, known_labels, mistakes

DEPLOY = PROMETHEUS_FOLDER.parent
CHART = DEPLOY / "helm" / "sidecheck"
RUNBOOKS = "deploy/prometheus/runbooks.md"
SPENDING = {"shop": "0+1x60 60x100", "bank": "0+9x160"}
"""After an hour 60 dollars of the 50 that `shop` has; the other service has no budget."""
OVER = "The model calls of shop cost $60.00 in the last 24 hours, which is more than its budget."


@pytest.fixture
def promtool(require) -> Callable[..., str]:
    return partial(prometheus_server.promtool, require("prometheus"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of ``deploy/prometheus``, to be changed."""
    return Path(shutil.copytree(PROMETHEUS_FOLDER, tmp_path / "prometheus"))


def tried(folder: Path, promtool: Callable[..., str], **test: Any) -> None:
    """Run a unit test of the rules in a folder."""
    rules = [str(folder / "rules" / f"{name}.yaml") for name in ("recording", "budgets", "alerts")]
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", file)


def test_the_budget_that_is_shown_is_one(folder, promtool):
    file = folder / "rules" / "budgets.yaml"
    shown = file.read_text().replace("rules: [] #", "rules: #").replace("    # ", "    ")
    file.write_text(shown)
    (rule,) = yaml.safe_load(shown)["groups"][0]["rules"]
    assert (rule["record"], rule["labels"].keys()) == next(iter(GIVEN.items()))
    promtool("check", "rules", file)
    summary = "shop is over its budget of a day"
    fires = {"alertname": "SidecheckCostOverBudget", "eval_time": "2h"}
    cost = 'sidecheck_cost_dollars_total{service="%s",model="a",instance="a"}'
    tried(
        folder,
        promtool,
        interval="1m",
        input_series=[{"series": cost % name, "values": values} for name, values in SPENDING.items()],
        promql_expr_test=[
            {
                "expr": "service:sidecheck_budget:dollars",
                "eval_time": "2h",
                "exp_samples": [{"labels": 'service:sidecheck_budget:dollars{service="shop"}', "value": 50}],
            }
        ],
        alert_rule_test=[{**fires, "exp_alerts": [alert(summary, OVER, "sidecheckcostoverbudget", service="shop")]}],
    )


def alert(summary: str, description: str, section: str, page: str = RUNBOOKS, **labels: str) -> dict[str, Any]:
    """An alert as promtool expects it."""
    notes = {"summary": summary, "description": description, "runbook_url": f"{page}#{section}"}
    return {"exp_labels": {"severity": "warning", **labels}, "exp_annotations": notes}


def test_the_external_label_that_is_shown_makes_a_link_of_the_runbook(folder, promtool):
    (block,) = blocks(RUNBOOKS, "yaml")
    shown = yaml.safe_load(block.text)["external_labels"]
    assert block.text.strip() in (folder / "prometheus.yml").read_text()
    page = shown["sidecheck_runbooks"]
    assert page.endswith(f"/{RUNBOOKS}")
    summary = "The journal of sidecheck at a was damaged"
    description = "a found 3 entries at its start that cannot be read any more."
    expected = alert(summary, description, "sidecheckjournaldamaged", page, instance="a", what="lost")
    lost = {"series": 'sidecheck_journal_recovered_total{what="lost",instance="a"}', "values": "3x20"}
    test = {"alertname": "SidecheckJournalDamaged", "eval_time": "10m", "exp_alerts": [expected]}
    tried(folder, promtool, interval="1m", external_labels=shown, input_series=[lost], alert_rule_test=[test])


def test_the_rules_of_the_operator_can_link_to_runbooks_without_an_external_label():
    page = "https://git.example.com/a/b?at=1&of=2|3"
    env = {**os.environ, "RUNBOOKS": page}
    done = subprocess.run(
        [DEPLOY / "kubernetes" / "prometheusrule.sh"], env=env, capture_output=True, text=True, check=True
    )
    rules = [
        rule for each in yaml.safe_load_all(done.stdout) for group in each["spec"]["groups"] for rule in group["rules"]
    ]
    links = [rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule]
    assert links
    assert all(link.startswith(f"{page}#sidecheck") for link in links)


def test_prometheus_takes_what_its_configuration_shows(folder, promtool, tmp_path):
    file = folder / "prometheus.yml"
    shown = re.sub(r"(?m)^( *)#   ( *\w+: .*|alerting:)$", r"\1\2", file.read_text())
    for path in set(re.findall(r"/etc/[\w./-]+", shown)):
        own = tmp_path / path.replace("/", "_")
        own.write_text("")
        shown = shown.replace(path, str(own))
    file.write_text(shown)
    found = yaml.safe_load(shown)
    assert found["alerting"].keys() == {"alertmanagers", "alert_relabel_configs"}
    assert found["global"].keys() == {"scrape_interval", "evaluation_interval", "external_labels"}
    assert found["scrape_configs"][0].keys() > {"scheme", "authorization", "tls_config"}
    (left_out,) = found["alerting"]["alert_relabel_configs"]
    assert found["global"]["external_labels"].keys() == {left_out["regex"]}
    promtool("check", "config", file)


def test_the_autoscaler_gets_its_lag_by_the_adapter_s_rule_that_is_shown(folder, promtool):
    (rule,) = adapter_rules()
    name, matchers = re.fullmatch(r"(\w+)\{(.*)\}", rule["seriesQuery"]).groups()
    (asked_for,) = re.findall(r"metric: \{name: (\w+)\}", (CHART / "templates" / "replicas.yaml").read_text())
    assert name == asked_for  # without a rule for names, a metric is called as its series
    assert rule["resources"]["overrides"] == {"namespace": {"resource": "namespace"}}
    query = rule["metricsQuery"].replace("<<.Series>>", name).replace("<<.LabelMatchers>>", 'namespace="shop"')
    found_by_the_operator = OF_PROMETHEUS | {"namespace", "pod"}
    known = {name: known_labels()[name] | found_by_the_operator}
    assert mistakes(query, known) == mistakes(rule["seriesQuery"], known) == []
    lag = name + '{namespace="%s",pod="%s",topic="otlp_spans",partition="%s"}'
    here = [("shop", "a", 0, 400), ("shop", "b", 1, 100), ("bank", "a", 0, 7)]
    tried(
        folder,
        promtool,
        interval="1m",
        input_series=[{"series": lag % (*at, part), "values": f"{n}x10"} for *at, part, n in here],
        promql_expr_test=[{"expr": query, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 500}]}],
    )
    assert matchers == 'namespace!=""'


def adapter_rules() -> list[dict[str, Any]]:
    """The rules for prometheus-adapter in the chart's documentation."""
    shown = (block.text for block in blocks("deploy/helm/sidecheck/README.md", "yaml"))
    (found,) = (text for text in shown if text.startswith("rules:"))  # the others are templates
    return yaml.safe_load(found)["rules"]["external"]
