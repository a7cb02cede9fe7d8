"""One class at any threshold."""

import numpy as np
import pytest

from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.metrics import counts_at
from allcell.evaluation.operating import operating_point, sweep
from allcell.statistics import resamples

#: Two images; of five boxes three are right, one is wrong, one counts neither way.
MATCHES = ClassMatches(
    confidence=np.array([0.9, 0.8, 0.7, 0.6, 0.3]),
    image=np.array([0, 1, 1, 0, 1]),
    correct=np.array([[True, True, False, False, True]]),
    ignored=np.array([[False, False, False, True, False]]),
    truths=np.array([2, 2]),
)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.65, 0.75, 0.95])
def test_counts_equal_the_evaluators(threshold):
    assert operating_point(MATCHES, threshold).counts == counts_at(MATCHES, threshold)


def test_f1_and_false_alarms_by_hand():
    point = operating_point(MATCHES, 0.5)
    assert (point.counts.tp, point.counts.fp, point.counts.fn) == (2, 1, 2)
    assert point.f1 == pytest.approx(4 / 7)
    assert point.false_alarms_per_image == 0.5
    assert point.precision_interval is None


def test_intervals_are_those_of_resampling_the_images():
    draws = resamples(2, 500)
    point = operating_point(MATCHES, 0.5, draws)
    # An image drawn twice: image 0 alone gives P 1, R 1/2; image 1 alone P 1/2, R 1/2.
    assert point.precision_interval == (0.5, 1.0)
    assert point.recall_interval == (0.5, 0.5)
    assert point.f1_interval == pytest.approx((0.5, 2 / 3))


def test_without_boxes_precision_is_unknown():
    point = operating_point(MATCHES, 0.99, resamples(2, 50))
    assert point.counts.precision is None
    assert point.precision_interval is None
    assert point.f1 == 0


def test_a_sweep_scores_each_hundredth():
    found = sweep(MATCHES, 0.05)
    assert (found.threshold[0], found.threshold[-1], len(found.threshold)) == (0.05, 0.95, 91)
    for n in (0, 25, 45, 90):
        point = operating_point(MATCHES, float(found.threshold[n]))
        precision = np.nan if point.counts.precision is None else point.counts.precision
        np.testing.assert_equal(found.precision[n], precision)
        assert (found.recall[n], found.f1[n]) == (point.counts.recall, point.f1)
