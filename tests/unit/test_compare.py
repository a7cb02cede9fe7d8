"""Differences between models: real ones are called so, chance is not."""

import json

import numpy as np
import pytest

from allcell.evaluation.compare import (
    COMPARED,
    Comparison,
    compare_fields,
    compare_measures,
)


def models(**gains):
    """Measures and replicates of models that share the luck of the images."""
    luck = np.random.default_rng(0).normal(0, 0.1, 2000)
    own = {name: np.random.default_rng(i).normal(0, 0.01, 2000) for i, name in enumerate(gains)}
    measured = {name: dict.fromkeys(COMPARED, 0.5 + gain) for name, gain in gains.items()}
    replicates = {
        name: {key: 0.5 + gain + luck + own[name] for key in COMPARED}
        for name, gain in gains.items()
    }
    return measured, replicates


def test_a_pair_is_told_apart_though_the_images_vary_more_than_they_do():
    found = compare_measures(*models(good=0.1, fair=0.0, equal=0.0))
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
    assert "blast.ap50" not in {d.measure for d in compare_measures(measured, replicates)}


def test_fields_are_compared_one_by_one():
    second = [i < 2 for i in range(9)]
    (pair,) = compare_fields({"first": [True] * 9, "second": second})
    assert (pair.only_first, pair.only_second) == (7, 0)
    assert pair.p == pytest.approx(2 * 0.5**7)


def test_holm_is_over_all_pairs():
    right = {"a": [True], "b": [False], "c": [False]}
    assert [f.p_adjusted for f in compare_fields(right)] == [1.0, 1.0, 1.0]


def test_json_is_plain():
    found = compare_measures(*models(a=0.2, b=0.0))
    text = Comparison("allidb1", "test", "0" * 64, {"a": "1", "b": "2"}, found, ()).to_json()
    row = json.loads(text)["differences"][0]
    assert (row["first"], row["second"], row["measure"]) == ("a", "b", COMPARED[0])
    assert len(row["interval"]) == 2
