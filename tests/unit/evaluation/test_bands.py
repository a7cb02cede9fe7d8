"""Bands round curves: what the resamples of the images allow, no more."""

import numpy as np
import pytest

from allcell.evaluation.bands import CurveBands
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.operating import operating_point
from allcell.statistics import resamples


def matches(images=14, seed=0, boxes=90):
    """Boxes of any confidence, right more often the surer they are."""
    random = np.random.default_rng(seed)
    sure = np.sort(random.uniform(0.05, 1, boxes))[::-1]
    return ClassMatches(
        confidence=sure,
        image=random.integers(0, images, boxes),
        correct=(random.uniform(0, 1, boxes) < sure)[None, :],
        ignored=np.zeros((1, boxes), bool),
        truths=np.full(images, boxes // images),
    )


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.62, 0.9])
def test_at_a_threshold_the_band_is_the_interval_of_the_table(threshold):
    of_class = matches()
    point = operating_point(of_class, threshold, resamples(14, 1000))
    bands = CurveBands.of(of_class, 0.05).by_threshold
    for name in ("precision", "recall", "f1"):
        band = bands[name]
        (at,) = np.flatnonzero(np.isclose(band.x, threshold))
        ends = (band.low[at], band.high[at])
        assert ends == pytest.approx(getattr(point, f"{name}_interval"), abs=0.01)


def test_along_the_curves_bands_hold_the_curve_and_stay_within_0_and_1():
    bands = CurveBands.of(matches(), 0.05)
    for band in (bands.froc, bands.precision_recall):
        known = ~np.isnan(band.low)
        assert known.sum() > 50
        assert (np.diff(band.x) > 0).all()
        assert (band.low[known] <= band.high[known]).all()
        assert band.low[known].min() >= 0
        assert band.high[known].max() <= 1
    assert (bands.froc.high - bands.froc.low).max() > 0.05


@pytest.mark.parametrize(
    "of_class",
    [
        pytest.param(matches(images=9), id="too few images"),
        pytest.param(matches(boxes=0), id="neither cells nor boxes"),
    ],
)
def test_without_grounds_there_is_no_band(of_class):
    bands = CurveBands.of(of_class, 0.05)
    for band in (bands.froc, bands.precision_recall, *bands.by_threshold.values()):
        assert len(band.x) == 0
