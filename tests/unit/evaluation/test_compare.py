"""Differences between models: real ones are called so, chance is not."""

import json

import numpy as np
import pytest

from allcell.evaluation.compare import (
    COMPARED,
    Comparison,
    compare_fields,
    compare_measures,
    field_is_decisive,
    least_differing,
    standing,
)
from allcell.evaluation.scored import compare_closely

DRAWS = 50_000


def models(**gains):
    """Measures and replicates of models that share the luck of the images."""
    luck = np.random.default_rng(0).normal(0, 0.1, DRAWS)
    own = {name: np.random.default_rng(i).normal(0, 0.01, DRAWS) for i, name in enumerate(gains)}
    measured = {name: dict.fromkeys(COMPARED, 0.5 + gain) for name, gain in gains.items()}
    replicates = {
        name: {key: 0.5 + gain + luck + own[name] for key in COMPARED}
        for name, gain in gains.items()
    }
    return measured, replicates


def test_a_pair_is_told_apart_though_the_images_vary_more_than_they_do():
    found = compare_measures(*models(good=0.1, fair=0.0, equal=0.0), 17)
    verdicts = {(d.first, d.second): d.decisive for d in found if d.measure == "map50"}
    assert verdicts == {("good", "fair"): True, ("good", "equal"): True, ("fair", "equal"): False}
    assert len(found) == 3 * len(COMPARED)
    first = found[0]
    assert first.value == pytest.approx(0.1)
    assert first.interval[0] > 0
    assert first.p <= first.p_adjusted < 0.05


def test_what_neither_model_defines_is_left_out():
    measured, replicates = models(a=0.0, b=0.0)
    for name in measured:
        measured[name]["blast.ap50"] = np.nan
    assert "blast.ap50" not in {d.measure for d in compare_measures(measured, replicates, 17)}


def test_both_aps_are_compared():
    measures = {d.measure for d in compare_measures(*models(a=0.1, b=0.0), 17)}
    for name in ("blast.ap50", "healthy.ap50_95", "map50", "map50_95"):
        assert {name, f"{name}_as_shown"} <= measures


def test_fields_are_compared_one_by_one():
    second = [i < 2 for i in range(9)]
    (pair,) = compare_fields({"first": [True] * 9, "second": second})
    assert (pair.only_first, pair.only_second) == (7, 0)
    assert pair.p == pytest.approx(2 * 0.5**7)


def test_holm_is_over_all_pairs():
    right = {"a": [True], "b": [False], "c": [False]}
    assert [f.p_adjusted for f in compare_fields(right)] == [1.0, 1.0, 1.0]


def test_json_is_plain():
    found = compare_measures(*models(a=0.2, b=0.0), 17)
    text = Comparison("allidb1", "test", "0" * 64, {"a": "1", "b": "2"}, found, (), DRAWS).to_json()
    row = json.loads(text)["differences"][0]
    assert (row["first"], row["second"], row["measure"]) == ("a", "b", COMPARED[0])
    assert len(row["interval"]) == 2


@pytest.mark.parametrize(
    ("images", "decisive"),
    [
        pytest.param(1, False, id="one image"),
        pytest.param(2, False, id="two images"),
        pytest.param(9, False, id="one too few"),
        pytest.param(10, True, id="just enough"),
    ],
)
def test_too_few_images_decide_nothing(images, decisive):
    for row in compare_measures(*models(good=0.1, fair=0.0), images):
        assert row.decisive == decisive
        assert row.value == pytest.approx(0.1)
        assert all((x is not None) == decisive for x in (row.interval, row.p, row.p_adjusted))


@pytest.mark.parametrize(
    ("first", "second", "p", "interval"),
    [
        pytest.param(0.7, 0.7, 1.0, (0.0, 0.0), id="one model equal to the other"),
        pytest.param(1.0, 1.0, 1.0, (0.0, 0.0), id="both perfect"),
        pytest.param(1.0, 0.5, None, None, id="perfect against one equal on every image"),
    ],
)
def test_resamples_without_width_decide_nothing(first, second, p, interval):
    measured = {"a": dict.fromkeys(COMPARED, first), "b": dict.fromkeys(COMPARED, second)}
    replicates = {
        name: {key: np.full(200, value) for key, value in of_model.items()}
        for name, of_model in measured.items()
    }
    for row in compare_measures(measured, replicates, 17):
        assert (row.p, row.p_adjusted, row.interval, row.decisive) == (p, p, interval, False)


def test_a_pair_that_cannot_be_decided_stays_in_holms_count():
    measured, replicates = models(good=0.1, fair=0.0, fixed=0.0)
    for key in COMPARED:
        replicates["fixed"][key] = replicates["fair"][key] + 0.3
    rows = [d for d in compare_measures(measured, replicates, 17) if d.measure == "map50"]
    by_pair = {(d.first, d.second): d for d in rows}
    assert by_pair["fair", "fixed"].p is None
    decided = by_pair["good", "fair"]
    assert decided.p_adjusted == pytest.approx(3 * len(COMPARED) * decided.p)


def test_holm_is_over_all_that_is_shown_together():
    """One score that is told apart by itself is not, among fifteen."""
    measured, replicates = models(a=0.0, b=0.0)
    share = 2 * 0.004 / 2
    deltas = np.where(np.arange(DRAWS) < share * DRAWS, -0.1, 0.1)
    replicates["a"]["map50"] = replicates["b"]["map50"] + deltas
    measured["a"]["map50"] = 0.6
    (row,) = [d for d in compare_measures(measured, replicates, 17) if d.measure == "map50"]
    assert row.p == pytest.approx(0.008, rel=0.02)
    assert row.p_adjusted == pytest.approx(len(COMPARED) * row.p)
    assert (row.decisive, row.edge) == (False, False)


@pytest.mark.parametrize(
    ("gain", "count"),
    [
        pytest.param(0.0, 10_000, id="far from the line: the first resamples do"),
        pytest.param(0.1, 50_000, id="it may be decisive: more are drawn"),
    ],
)
def test_more_resamples_are_drawn_where_it_is_close(gain, count):
    measured, many = models(a=gain, b=0.0)
    few = {name: {k: v[:10_000] for k, v in of.items()} for name, of in many.items()}
    found, draws = compare_closely(measured, few, lambda: many, 17)
    assert draws == count
    assert found == compare_measures(measured, many if gain else few, 17)


@pytest.mark.parametrize(
    ("p", "times", "draws", "verdict"),
    [
        pytest.param(2 / 50_001, 225, 50_000, "decisive", id="no resample against it"),
        pytest.param(2 / 2_001, 15, 2_000, "edge", id="too few resamples to say so"),
        pytest.param(0.0028, 15, 2_000, "edge", id=".042, as it was called decisive"),
        pytest.param(0.0028, 15, 50_000, "edge", id="however many resamples .042 rests on"),
        pytest.param(0.006, 15, 50_000, "edge", id=".090, as with another seed"),
        pytest.param(0.0012, 15, 50_000, "decisive", id=".018 for sure"),
        pytest.param(0.0012, 15, 2_000, "edge", id=".018, or more with another seed"),
        pytest.param(0.2, 5, 50_000, "", id="no difference"),
    ],
)
def test_what_lies_near_the_line_is_on_the_edge(p, times, draws, verdict):
    assert standing(p, min(1.0, times * p), draws) == verdict


@pytest.mark.parametrize(
    ("images", "decisive"),
    [pytest.param(9, False, id="too few fields"), pytest.param(10, True, id="enough")],
)
def test_few_fields_decide_nothing_though_the_exact_test_would(images, decisive):
    (pair,) = compare_fields({"first": [True] * images, "second": [False] * images})
    assert pair.p_adjusted < 0.01
    assert field_is_decisive(pair.p_adjusted, images) == decisive


@pytest.mark.parametrize(
    ("pairs", "least"),
    [
        pytest.param(1, 6, id="one pair: 2 / 2**6 is .031"),
        pytest.param(28, 11, id="eight models"),
    ],
)
def test_how_many_fields_mcnemar_needs(pairs, least):
    assert least_differing(pairs) == least
