"""Before and after in a table and in bars, and the learning curve."""

import pytest

from allcell.ui.teaching.charts import before_and_after, learning_curve
from allcell.ui.teaching.result import headline, number
from tests.teaching_cases import measured, report


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        pytest.param(measured(0.5), "**0.50** :small[(0.45 to 0.55)]", id="with its interval"),
        pytest.param(measured(0.5, None), "**0.50**", id="too few fields for one"),
        pytest.param({"value": None, "low": None, "high": None}, "n/a", id="no such cell"),
    ],
)
def test_a_number_has_the_interval_that_there_is(score, expected):
    assert number(score).replace("\u00a0", " ") == expected


@pytest.mark.parametrize("half", [0.05, None], ids=["intervals", "none"])
def test_bars_of_both_models_stand_below_one_another(half):
    figure = before_and_after(report(half=half)["verdict"])
    before, after = figure.data
    assert list(before.y) == list(after.y)
    assert len(before.y) == 6, "three scores of two classes"
    assert (before.x[0], after.x[0]) == (0.59, 0.89)
    assert (before.error_x.array is not None) == (half is not None)
    assert ("95 %" in figure.layout.xaxis.title.text) == (half is not None)


def test_a_score_that_nobody_could_measure_has_no_bar():
    verdict = report()["verdict"]
    for side in ("before", "after"):
        verdict[side]["classes"]["healthy"] = {
            **verdict[side]["classes"]["healthy"],
            "precision": {"value": None, "low": None, "high": None},
        }
    assert len(before_and_after(verdict).data[0].y) == 5


def test_the_curve_has_one_point_for_as_many_fields():
    told = [(0, 0.5), (4, 0.7), (4, 0.8)]
    [line] = learning_curve([{"fields": n, "mean_ap": ap} for n, ap in told]).data
    assert list(zip(line.x, line.y, strict=True)) == [(0, 0.5), (4, 0.8)]


@pytest.mark.parametrize(
    ("outcome", "begins"),
    [
        ("better", "**Better on your fields.**"),
        ("not better", "**Not better on your fields.**"),
        ("cannot be told", "**Whether it is better cannot be told yet"),
    ],
)
def test_the_verdict_is_said_first_in_plain_words(outcome, begins):
    words = headline(report(outcome))
    assert words.startswith(begins)
    assert "makes 8 mistakes" in words
