"""What the boards have in common: their name and place, the links between them, and the variables on top.

Numbers panels in their order, so that a link to one of them keeps its meaning while nothing is put before it.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model
from panels import PAGES, SOURCE

Rows = Sequence[tuple[str, Sequence[Any]]]
"""The headings, and the panels below each."""


def board(name: str, title: str, text: str, rows: Rows, *variables: Any) -> dashboard.Dashboard:
    """A board with these rows; ``name`` is part of its address."""
    made = dashboard.Dashboard(f"sidecheck: {title}").uid(f"sidecheck-{name}").description(text)
    made = made.tags(["sidecheck"]).time("now-6h", "now").refresh("1m").readonly()
    made = made.tooltip(model.DashboardCursorSync.CROSSHAIR).link(_links())
    for variable in (dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"), *variables):
        made = made.with_variable(variable)
    number = count(1)
    for heading, panels in rows:
        made = made.with_row(dashboard.Row(heading).id(next(number)))
        for panel in panels:
            made = made.with_panel(panel.id(next(number)))
    return made


def values(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable whose values come from Prometheus: several at once, and all of them at first."""
    made = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query).multi(True)
    made = made.include_all(True).all_value(".*").refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    chosen = model.VariableOption(selected=True, text="All", value="$__all")
    return made.current(chosen).sort(model.VariableSort.ALPHABETICAL_ASC)


def service() -> dashboard.QueryVariable:
    """The services to look at."""
    return values("service", "Service", "label_values(sidecheck_traces_evaluated_total, service)")


def pages() -> dashboard.TextBoxVariable:
    """Where a browser reaches sidecheck's pages, for links to them: whoever looks at the board may change it."""
    at = "http://127.0.0.1:8321"
    made = dashboard.TextBoxVariable(PAGES).label("sidecheck at").default_value(at)
    return made.current(model.VariableOption(selected=True, text=at, value=at))


def _links() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("sidecheck").type(model.DashboardLinkType.DASHBOARDS).tags(["sidecheck"])
    return link.keep_time(True).include_vars(True)
