"""Grafana's boards as their files have them: panels, queries, variables; and a Prometheus set up as in ``deploy``."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_server import Prometheus
from promql import PROMETHEUS_FOLDER

GRAFANA = Path(__file__).parents[1] / "deploy" / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
OR_ZERO = " or on() vector(0)"
"""What gives a 0 where nothing was counted yet. A query that ends in it always has an answer."""
ALL = {"$service": ".*", "$check": ".*", "$instance": ".*", "$__rate_interval": "10m", "$__range": "10m"}


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    board: str
    panel: str
    letter: str
    expr: str
    has_exemplars: bool

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} {self.letter}"

    @property
    def asked(self) -> str:
        """The expression as Grafana asks it where everything is chosen."""
        return self.asked_of(ALL)

    @property
    def counted(self) -> str:
        """The same without the zeros that stand for what was never counted: it gives only what sidecars told."""
        text = self.asked.replace(OR_ZERO, "")
        assert "vector(" not in text, text
        return text

    @property
    def is_of_kafka(self) -> bool:
        """Whether only sidecars that read from Kafka, or write to it, have what is shown."""
        return "sidecheck_kafka_" in self.expr

    def asked_of(self, chosen: Mapping[str, str]) -> str:
        """The expression as Grafana asks it with these values of its variables."""
        text = self.expr
        for variable, value in chosen.items():
            text = text.replace(variable, value)
        assert "$" not in text, text
        return text


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in BOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield path.stem, panel


def variables() -> Iterator[str]:
    for path in BOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield variable["query"]


TARGETS = [
    Target(board, panel["title"], target["refId"], target["expr"], target["exemplar"])
    for board, panel in panels()
    for target in panel["targets"]
]


def configured(folder: Path, *targets: str) -> Path:
    """``deploy/prometheus`` in a folder of its own, with other targets and in a hurry."""
    made = Path(shutil.copytree(PROMETHEUS_FOLDER, folder / "prometheus"))
    config = yaml.safe_load((made / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (made / "prometheus.yml").write_text(yaml.safe_dump(config))
    (made / "targets" / "sidecheck.yaml").write_text(yaml.safe_dump([{"targets": list(targets)}]))
    return made / "prometheus.yml"


def figures(prometheus: Prometheus, expression: str) -> list[float]:
    """The values that an expression has now, but for those that are not a number: 0 / 0 is no data."""
    values = (float(series["value"][1]) for series in prometheus.query(expression))
    return [value for value in values if not math.isnan(value)]
