"""What Grafana is given is what it knows: the boards by its own published schema, provisioning by its documented keys.

Grafana itself is in no package index. Its schema is: grafana-foundation-sdk is made of it, and reads a board into
its own types. What they have no place for is gone when they are written again.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from boards import BOARDS, GRAFANA
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()  # the kinds of panels and queries

SOURCE_KEYS = {
    "access",
    "basicAuth",
    "basicAuthUser",
    "database",
    "editable",
    "isDefault",
    "jsonData",
    "name",
    "orgId",
    "secureJsonData",
    "type",
    "uid",
    "url",
    "user",
    "version",
    "withCredentials",
}
"""https://grafana.com/docs/grafana/latest/administration/provisioning/#example-data-source-configuration-file"""
PROMETHEUS_KEYS = {
    "cacheLevel",
    "customQueryParameters",
    "disableMetricsLookup",
    "disableRecordingRules",
    "exemplarTraceIdDestinations",
    "httpMethod",
    "incrementalQuerying",
    "incrementalQueryOverlapWindow",
    "manageAlerts",
    "prometheusType",
    "prometheusVersion",
    "queryTimeout",
    "timeInterval",
}
EXEMPLAR_KEYS = {"name", "url", "urlDisplayLabel", "datasourceUid"}
"""https://grafana.com/docs/grafana/latest/datasources/prometheus/configure/#provision-the-prometheus-data-source"""
PROVIDER_KEYS = {
    "allowUiUpdates",
    "disableDeletion",
    "folder",
    "folderUid",
    "name",
    "options",
    "orgId",
    "type",
    "updateIntervalSeconds",
}
OPTION_KEYS = {"path", "foldersFromFilesStructure"}
"""https://grafana.com/docs/grafana/latest/administration/provisioning/#dashboards"""


def gone(given: Any, back: Any, place: str = "") -> Iterator[str]:
    """The places of what is given and is not there, or is something else, in what came back."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            yield from gone(value, back.get(key), f"{place}/{key}")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from gone(one, other, f"{place}/{number}")
    elif given != back:
        yield place


def unknown(board: dict[str, Any]) -> list[str]:
    """The places of a board that Grafana's schema does not know."""
    return list(gone(board, json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))))


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_is_made_of_what_grafana_knows(path):
    assert unknown(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "place",
    [
        "/titles",
        "/panels/1/descriptions",
        "/panels/1/options/reduceOption",
        "/panels/1/fieldConfig/defaults/units",
        "/panels/1/targets/0/expression",
        "/templating/list/0/labels",
        "/links/0/tag",
    ],
)
def test_a_key_that_is_misspelt_is_found(place):
    board = deepcopy(json.loads(BOARDS[0].read_text(encoding="utf-8")))
    *way, key = place.strip("/").split("/")
    at: Any = board
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[key] = "x"
    assert unknown(board) == [place]


def provisioned(kind: str) -> dict[str, Any]:
    return yaml.safe_load((GRAFANA / "provisioning" / kind / "sidecheck.yaml").read_text(encoding="utf-8"))


def test_the_datasource_is_told_in_documented_keys():
    file = provisioned("datasources")
    (source,) = file.pop("datasources")
    assert file == {"apiVersion": 1}
    assert source.keys() <= SOURCE_KEYS
    assert {"name", "type", "access"} <= source.keys()  # these are required
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert source["jsonData"].keys() <= PROMETHEUS_KEYS
    assert all(each.keys() <= EXEMPLAR_KEYS for each in source["jsonData"]["exemplarTraceIdDestinations"])
    assert source["jsonData"]["httpMethod"] in {"GET", "POST"}


def test_the_boards_are_provided_in_documented_keys():
    file = provisioned("dashboards")
    (provider,) = file.pop("providers")
    assert file == {"apiVersion": 1}
    assert provider.keys() <= PROVIDER_KEYS
    assert {"name", "options"} <= provider.keys()  # these are required
    assert provider["type"] == "file"
    assert provider["options"].keys() <= OPTION_KEYS
