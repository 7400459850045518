"""The kinds of panel that the boards are made of. Owns how they look; what they ask is the boards' business.

A query is an expression and the legend of its series. A board's datasource is a variable, so that one file serves any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
PAGES = "sidecheck"
"""The variable that tells where the pages are; see ``frame.pages``."""
GREEN, ORANGE, RED = "green", "orange", "red"
SHARE, RATE, SECONDS, BYTES, COUNT, DOLLARS = "percentunit", "cps", "s", "bytes", "short", "currencyUSD"


@dataclass(frozen=True)
class Query:
    """One expression. ``exemplar``: with trace ids, which link to the trace's page by the datasource's settings."""

    expr: str
    legend: str = ""
    exemplar: bool = False

    def built(self, number: int, *, instant: bool = False, format_: PromQueryFormat | None = None) -> Any:
        """The query as a panel's target."""
        made = prometheus.Dataquery().datasource(SOURCE).ref_id(chr(ord("A") + number)).expr(self.expr)
        made = made.legend_format(self.legend).exemplar(self.exemplar)
        made = made.instant() if instant else made.range()
        return made.format(format_) if format_ else made


@dataclass(frozen=True)
class Steps:
    """Colours by value: ``first`` below all limits, then that of each limit. ``lines``: drawn into a graph."""

    first: str
    limits: Sequence[tuple[float, str]]

    def built(self) -> dashboard.ThresholdsConfig:
        """The steps as a panel's thresholds."""
        steps = [model.Threshold(None, self.first), *(model.Threshold(value, color) for value, color in self.limits)]
        return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


PASS_RATE = Steps(RED, ((0.8, ORANGE), (0.95, GREEN)))
NONE_IS_GOOD = Steps(GREEN, ((1e-9, RED),))


def graph(
    title: str,
    text: str,
    *queries: Query,
    unit: str = COUNT,
    steps: Steps | None = None,
    stacked: bool = False,
    width: int = 12,
    most: float | None = None,
    leads_to: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Lines over time, the latest value of each in the legend.

    ``most`` is where the axis ends, ``leads_to`` the filters of the list of traces that a line leads to.
    """
    panel = timeseries.Panel().title(title).description(text).datasource(SOURCE).unit(unit).min(0)
    panel = panel.span(width).height(8).line_width(1).fill_opacity(30 if stacked else 8)
    panel = panel.legend(_legend()).tooltip(_tooltip())
    if most is not None:
        panel = panel.max(most)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if steps:
        line = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps.built()).thresholds_style(line)
    if leads_to:
        panel = panel.data_links([_traces(leads_to)])
    for number, query in enumerate(queries):
        panel = panel.with_target(query.built(number))
    return panel


def number(title: str, text: str, query: str, unit: str = COUNT, steps: Steps | None = None) -> stat.Panel:
    """One figure, of the time that the board shows."""
    panel = stat.Panel().title(title).description(text).datasource(SOURCE).unit(unit).span(4).height(4)
    panel = panel.thresholds((steps or Steps(GREEN, ())).built()).graph_mode(looks.BigValueGraphMode.NONE)
    panel = panel.reduce_options(_latest())
    return panel.with_target(Query(query).built(0, instant=True))


def bars(title: str, text: str, query: Query, unit: str = COUNT, width: int = 12) -> bargauge.Panel:
    """A bar for each series, over the time that the board shows."""
    panel = bargauge.Panel().title(title).description(text).datasource(SOURCE).unit(unit).min(0)
    panel = panel.span(width).height(8).orientation(looks.VizOrientation.HORIZONTAL)
    panel = panel.display_mode(looks.BarGaugeDisplayMode.BASIC).thresholds(Steps("blue", ()).built())
    panel = panel.reduce_options(_latest())
    return panel.with_target(query.built(0, instant=True))


def listing(
    title: str, text: str, query: str, width: int = 12, leads_to: Mapping[str, str] | None = None
) -> table.Panel:
    """A table with a row for each series, its labels as columns; for ``leads_to`` see ``graph``."""
    panel = table.Panel().title(title).description(text).datasource(SOURCE).unit(COUNT).decimals(0)
    panel = panel.span(width).height(8).with_target(Query(query).built(0, instant=True, format_=PromQueryFormat.TABLE))
    if leads_to:
        panel = panel.data_links([_traces(leads_to)])
    tidy = {"excludeByName": {"Time": True}, "renameByName": {"Value": "number"}}
    return panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=tidy))


def spread(title: str, text: str, query: Query, unit: str = SECONDS, width: int = 12) -> heatmap.Panel:
    """A histogram over time, its buckets as rows."""
    panel = heatmap.Panel().title(title).description(text).datasource(SOURCE).span(width).height(8)
    panel = panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    panel = panel.cell_values(heatmap.CellValues().unit(COUNT))
    panel = panel.color(heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Oranges").steps(32))
    return panel.with_target(query.built(0, format_=PromQueryFormat.HEATMAP))


def _traces(filters: Mapping[str, str]) -> dashboard.DashboardLink:
    """A link to sidecheck's list of the traces that these filters leave, of the time that the board shows.

    What stands in braces is Grafana's: ``raw`` as it is, ``percentencode`` as the value of a query.
    """
    chosen = [f"{name}={value}" for name, value in filters.items()]
    query = "&".join([*chosen, "since=${__from:date:iso}", "until=${__to:date:iso}"])
    link = dashboard.DashboardLink("Open the traces in sidecheck").url(f"${{{PAGES}:raw}}/traces?{query}")
    return link.target_blank(True)


def _latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _legend() -> common.VizLegendOptions:
    made = common.VizLegendOptions().show_legend(True).placement(looks.LegendPlacement.BOTTOM)
    return made.display_mode(looks.LegendDisplayMode.TABLE).calcs(["lastNotNull"])


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
