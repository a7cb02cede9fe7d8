"""Charts of several models: told apart without colour, each the same whichever are drawn."""

import pandas as pd
import pytest

from allcell.ui.compare.charts import SpeedPoint, forest, speed_against_score
from allcell.ui.shell.charts import COLOURS, lines, looks, upper_share

NAMES = [f"model {n}" for n in range(9)]


def drawn(names, marks=True):
    line = (pd.Series([0.0, 1.0]), pd.Series([1.0, 0.5]))
    return lines(
        dict.fromkeys(names, line),
        title="",
        x_title="",
        y_title="",
        marks=dict.fromkeys(names, (0.5, 0.75)) if marks else None,
        everyone=NAMES,
    )


def test_more_models_than_colours_still_differ():
    assert len(NAMES) > len(COLOURS)
    assert len(set(looks(NAMES).values())) == len(NAMES)
    assert len(set(looks(map(str, range(36))).values())) == 36


def test_a_model_looks_the_same_without_the_others():
    def look_of(figure, name):
        parts = [t for t in figure.data if t.name == name]
        return [(t.line.color, t.line.dash, t.marker.symbol) for t in parts]

    for name in NAMES[2:4]:
        assert look_of(drawn([name]), name) == look_of(drawn(NAMES), name)


def test_one_that_is_gone_from_the_list_is_still_drawn():
    points = [SpeedPoint("gone", 10.0, 0.9), SpeedPoint(NAMES[0], 20.0, 0.8)]
    figure = speed_against_score(points, y_title="", everyone=NAMES)
    marks = [t.marker.symbol for t in figure.data if t.name in ("gone", NAMES[0])]
    assert len(set(marks)) == 2


@pytest.mark.parametrize("marks", [True, False])
def test_the_legend_names_each_once_with_its_mark(marks):
    entries = [t for t in drawn(NAMES[:3], marks).data if t.showlegend is not False]
    assert [t.name for t in entries] == NAMES[:3]
    assert {t.mode for t in entries} == {"lines+markers" if marks else "lines"}


@pytest.mark.parametrize(
    ("values", "low"), [([0.97], 0.9), ([0.91, 1.0], 0.8), ([0.02], 0.0), ([], 0.0)]
)
def test_an_axis_of_scores_begins_below_the_lowest(values, low):
    assert upper_share(values) == (pytest.approx(low), 1.02)


def test_without_an_interval_no_bar_is_drawn():
    rows = [("sure", 0.9, (0.8, 1.0), None), ("unknown", 0.95, None, None)]
    bars = forest(rows, title="", x_title="").data[0].error_x
    for ends in (bars.array, bars.arrayminus):
        assert ends[0] == pytest.approx(0.1, abs=0.001)
        assert ends[1] is None
