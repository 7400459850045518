"""Charts: where bars, lines and labels go."""

import pytest

from exporters.review.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, Series, bars, lines, shares

AXES = Axes(["10:00", "10:01", "10:02", "10:03"], every=2)
FLOOR = HEIGHT - BOTTOM


def as_text(value: float) -> str:
    return f"{value:g}"


def test_bars_stand_on_the_axis_and_on_each_other():
    chart = bars(AXES, "n", "Traces", [Series("good", [3, 0, 1, 2]), Series("bad", [1, 0, 0, 2])], as_text)
    good, bad = (shape.boxes for shape in chart.shapes)
    assert [round(box.y + box.height, 1) for box in good] == [FLOOR] * 3
    assert bad[0].y + bad[0].height == pytest.approx(good[0].y)
    assert min(box.y for box in bad) >= TOP
    assert all(box.x >= LEFT and box.x + box.width <= WIDTH - RIGHT for box in (*good, *bad))


def test_the_axis_ends_at_a_round_number_above_all_figures():
    chart = lines(AXES, "n", "Latency", [Series("p50", [1, 2, 3, 7])], as_text)
    assert [tick.label for tick in chart.y_ticks] == ["0", "2", "4", "6", "8"]


def test_a_line_is_interrupted_where_a_figure_is_missing_and_a_lone_figure_is_a_dot():
    (shape,) = lines(AXES, "n", "Latency", [Series("p50", [1, 2, None, 4])], as_text).shapes
    assert [len(points.split()) for points in shape.lines] == [2]
    assert len(shape.dots) == 1


@pytest.mark.parametrize(("lowest", "begins"), [(0.999, 0.96), (0.93, 0.92), (0.85, 0.8), (0.3, 0), (0, 0)])
def test_the_axis_of_shares_begins_at_a_round_share_below_all_of_them(lowest, begins):
    chart = shares(AXES, "n", "Rates", [Series("pii", [1, lowest, None, 1])], as_text)
    assert float(chart.y_ticks[0].label) == begins
    assert chart.y_ticks[-1].label == "1"


def test_more_lines_than_can_be_told_apart_stand_in_the_table_alone():
    chart = lines(AXES, "n", "Rates", [Series(f"check {n}", [n] * 4) for n in range(9)], as_text)
    assert (len(chart.shapes), len(chart.names)) == (6, 9)
    assert chart.rows[0] == ("10:00", tuple(str(n) for n in range(9)))


def test_the_table_says_where_there_is_no_figure():
    chart = lines(AXES, "n", "Latency", [Series("p50", [1, None, 0, 2])], as_text)
    assert [cells for _, cells in chart.rows] == [("1",), ("-",), ("0",), ("2",)]
    assert chart.bands[1].says == "10:01: "


def test_a_chart_without_figures_is_empty():
    assert bars(AXES, "n", "Traces", [Series("good", [0, 0, 0, 0])], as_text).is_empty
    assert lines(AXES, "n", "Latency", [Series("p50", [None] * 4)], as_text).is_empty


def test_ticks_are_as_far_apart_as_the_axes_say():
    assert [tick.label for tick in Axes(["10-01 00:00", "10-01 12:00", "10-02 00:00"], every=2, short=5).ticks()] == [
        "10-01",
        "10-02",
    ]


def test_the_incomplete_part_is_shaded_from_the_left():
    chart = bars(Axes(list("abcd"), incomplete=2), "n", "Traces", [Series("good", [1, 1, 1, 1])], as_text)
    assert chart.left_out is not None
    assert (chart.left_out.x, chart.left_out.width) == (LEFT, (WIDTH - LEFT - RIGHT) / 2)
