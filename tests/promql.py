"""What an expression of PromQL names: metrics, the labels that it matches, and those that it sums by.

Compares names with the catalogue. It is no parser: promtool and Prometheus are those.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporters.metrics.catalogue import METRICS, Kind

PROMETHEUS_FOLDER = Path(__file__).parents[1] / "deploy" / "prometheus"
RULES = (PROMETHEUS_FOLDER / "rules" / "recording.yaml", PROMETHEUS_FOLDER / "rules" / "alerts.yaml")
OF_PROMETHEUS = frozenset({"job", "instance"})
OTHERS = ("up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds")
"""Metrics that boards and rules may name, and that are not of the catalogue."""
GIVEN = {"service:sidecheck_budget:dollars": frozenset({"service"})}
"""What users record themselves, in ``budgets.yaml``."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"\b(?:up|(?:sidecheck|process)_\w+|\w+:sidecheck_\w+(?::\w+)?)\b(?!\s*\()")
_BY = re.compile(r"\bby\s*\(([^)]*)\)")
_MATCHED = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


@dataclass(frozen=True)
class Rule:
    """A rule of the files, as it is written there."""

    group: str
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.document.get("alert") or self.document["record"]

    @property
    def is_alert(self) -> bool:
        return "alert" in self.document

    @property
    def expr(self) -> str:
        return self.document["expr"]


def rules() -> Iterator[Rule]:
    """Every rule, those that record first."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for document in group["rules"]:
                yield Rule(group["name"], document)


def known_labels() -> dict[str, frozenset[str]]:
    """The labels of everything that may be named: the catalogue, its histograms' parts, and what rules record."""
    known = {**dict.fromkeys(OTHERS, OF_PROMETHEUS), **GIVEN}
    for metric in METRICS.values():
        labels = OF_PROMETHEUS | frozenset(metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            known |= {f"{metric.name}_bucket": labels | {"le"}}
            known |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
        else:
            known[metric.name] = labels
    for rule in rules():
        if not rule.is_alert:
            known[rule.name] = known.get(rule.name, frozenset()) | _recorded(rule, known)
    return known


def read_by_alerts() -> set[str]:
    """The metrics of the catalogue that alerts go by, be it through what rules record."""
    found, recorded = set[str](), [rule for rule in rules() if not rule.is_alert]
    wanted = {name for rule in rules() if rule.is_alert for name in names(rule.expr)}
    while wanted - found:
        found |= wanted
        wanted = {name for rule in recorded if rule.name in found for name in names(rule.expr)}
    return (found | {name.removesuffix("_bucket") for name in found}) & METRICS.keys()


def names(expr: str) -> set[str]:
    """The metrics that an expression names."""
    return set(_NAME.findall(_BY.sub(" ", _matchers_out(expr))))


def mistakes(expr: str, known: Mapping[str, frozenset[str]]) -> list[str]:
    """Metrics that there are not, and labels that the metrics of the expression have not."""
    found = [f"no metric {name}" for name in sorted(names(expr) - known.keys())]
    for name, matchers in re.findall(r"([a-z_:][\w:]*)\s*\{(.*?)\}", expr):
        labels = known.get(name, frozenset())
        found += [f"no label {label} on {name}" for label in _MATCHED.findall(matchers) if label not in labels]
    allowed = frozenset[str]().union(*(known.get(name, frozenset()) for name in names(expr)))
    return found + [f"no label {label} to sum by" for label in _summed_by(expr) if label not in allowed]


def _recorded(rule: Rule, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The labels of what a rule records: those that it sums by, else those of what it is made of."""
    summed = frozenset(_summed_by(rule.expr)) - {"le"}
    made_of = (known.get(name, frozenset()) for name in names(rule.expr))
    return (summed or frozenset[str]().union(*made_of)) | frozenset(rule.document.get("labels", ()))


def _summed_by(expr: str) -> list[str]:
    return [label.strip() for labels in _BY.findall(expr) for label in labels.split(",")]


def _matchers_out(expr: str) -> str:
    return re.sub(r"\{.*?\}", " ", _STRING.sub('""', expr))
