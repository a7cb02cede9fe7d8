"""Resamples computed all at once give what they give one by one."""

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.evaluation.bootstrap import compared_draws, compared_scores
from allcell.evaluation.compare import COMPARED
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.predictions import PredictedImage, Predictions, Setting
from allcell.models.registry import CLASSES

COUNT = 120


def fields(seed, images=12, cells=4):
    """Cells of all classes, boxes near some, beside others, of any confidence, some ignored."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(images):
        corner = random.uniform(0, 400, (cells, 2))
        truth = np.hstack([corner, corner + 40]).astype(np.float32)
        moved = truth[random.integers(0, cells, 9)] + random.normal(0, 6, (9, 1)).astype(np.float32)
        # Few values, so that some boxes are equally sure.
        sure = random.choice([0.002, 0.04, 0.3, 0.5, 0.7, 0.9], 9).astype(np.float32)
        order = np.argsort(-sure, kind="stable")
        found = Detections(moved[order], sure[order], random.integers(0, 3, 9))
        centroids = corner[:2] + 20 if number % 3 else None
        made.append(
            PredictedImage(
                f"field-{number}",
                500,
                500,
                found,
                Detections.truth(truth[1:], random.integers(0, 2, cells - 1)),
                truth[:1],
                None if centroids is None else centroids.astype(np.float32),
                1.0,
            )
        )
    return made


def evidence(made, classes=CLASSES):
    setting = Setting("made", "0" * 64, "cpu", "set", "test", 0.4, 0.5)
    return Evidence.of(Predictions(setting, tuple(made), "0" * 64, classes=classes))


@pytest.mark.parametrize(
    ("made", "classes"),
    [
        pytest.param(fields(0), CLASSES, id="all kinds"),
        pytest.param(fields(1, images=3), CLASSES, id="few images"),
        pytest.param(
            [*fields(2, images=2), *fields(3, images=2, cells=1)],
            CLASSES,
            id="resamples without a cell",
        ),
        pytest.param(
            [*fields(2, images=2), *fields(3, images=2, cells=2)],
            ("blast",),
            id="a model that does not have a class, which some resamples lack",
        ),
    ],
)
def test_all_at_once_is_one_by_one(made, classes):
    of_set = evidence(made, classes)
    slowly, fast = of_set.replicates(COUNT), compared_scores(of_set, COUNT)
    assert set(fast) == set(COMPARED)
    for name in COMPARED:
        np.testing.assert_allclose(fast[name], slowly[name], rtol=0, atol=1e-12, err_msg=name)


def test_steps_change_nothing(monkeypatch):
    of_set = evidence(fields(0))
    whole = compared_scores(of_set, COUNT)
    monkeypatch.setattr("allcell.evaluation.bootstrap._AT_ONCE", 1000)
    said = []
    parts = compared_scores(of_set, COUNT, on_draw=lambda done, of: said.append((done, of)))
    assert len(said) > 2
    assert said[-1] == (COUNT, COUNT)
    for name in COMPARED:
        np.testing.assert_array_equal(parts[name], whole[name])


def test_a_model_that_says_nothing_has_scores_too():
    silent = [
        PredictedImage(
            "field", 500, 500, Detections.empty(), i.truth, i.ignore, i.centroids, i.total_ms
        )
        for i in fields(0)
    ]
    found = compared_scores(evidence(silent), 20)
    assert set(found["blast.ap50"]) == {0.0}
    assert np.isnan(found["centroids.precision"]).all()


def test_there_are_at_least_ten_thousand_where_anything_is_decided():
    assert compared_draws(10) == compared_draws(1000) >= 10_000
    assert compared_draws(17, more=True) > compared_draws(1000, more=True) > compared_draws(17)
    assert compared_draws(9) == compared_draws(9, more=True) == 1
