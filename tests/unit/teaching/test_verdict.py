"""Before and after: better only where it is, and where chance does not explain it."""

from dataclasses import replace

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.evaluation.predictions import PredictedImage, Predictions, Setting
from allcell.statistics import sign_flip_p
from allcell.teaching.judging.folds import Folds
from allcell.teaching.judging.verdict import chosen_inside, judge

BLAST, HEALTHY = 0, 1
SETTING = Setting("live", "", "CPU", "reviewed fields", "held out", 0.45, 0.5)
NO_BOXES = np.zeros((0, 4), np.float32)


def field(number, found, wrong=0, sure=0.9):
    """Four blasts and four healthy cells, of which `found` of each are found."""
    boxes = np.array([(20 * n, 10, 20 * n + 15, 25) for n in range(8)], np.float32)
    kinds = np.array([BLAST, HEALTHY] * 4)
    keep = np.arange(8) < 2 * found
    false = np.array([(20 * n, 60, 20 * n + 15, 75) for n in range(wrong)], np.float32)
    shown = Detections(
        np.concatenate([boxes[keep], false.reshape(-1, 4)]),
        np.full(keep.sum() + wrong, sure, np.float32),
        np.concatenate([kinds[keep], np.full(wrong, BLAST)]),
    )
    truth = Detections.truth(boxes, kinds)
    return PredictedImage(f"Field {number}", 200, 100, shown, truth, NO_BOXES, None, 1.0)


def answers(found, wrong=0, sure=0.9):
    images = tuple(field(n, f, wrong, sure) for n, f in enumerate(found))
    return Predictions(SETTING, images, "same")


def parts(n, k=4):
    cut = tuple(tuple(range(p, n, k)) for p in range(k))
    return Folds(cut, False, f"by field, in {k} parts")


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([2] * 8, [4] * 8, "better"),
        ([2] * 12, [4] * 12, "better"),
        ([2, 3] * 10, [3, 4] * 10, "better"),
        ([4] * 8, [2] * 8, "not better"),
        ([3] * 12, [3] * 12, "not better"),
        ([3] * 8, [3, 3, 3, 3, 3, 3, 3, 4], "cannot be told"),
        ([3] * 8, [3, 3, 3, 3, 3, 3, 3, 2], "cannot be told"),
        ([3] * 12, [3] * 11 + [2], "not better"),
        (
            [2, 4, 3, 3, 2, 4, 3, 3, 2, 4, 3, 3],
            [4, 2, 3, 3, 4, 3, 3, 3, 2, 4, 3, 3],
            "cannot be told",
        ),
    ],
    ids=[
        "8 fields, all better",
        "12, all better",
        "20, all a little better",
        "8, all worse",
        "the same",
        "one field of 8 better",
        "one field of 8 worse",
        "one field of 12 worse",
        "some better, some worse",
    ],
)
def test_the_outcome_follows_from_the_fields(before, after, outcome):
    verdict = judge(answers(before), answers(after), parts(len(before)))
    assert verdict.outcome == outcome
    words = {"better": "Better:", "not better": "Not better:", "cannot be told": "Cannot be told"}
    assert verdict.words.startswith(words[outcome])
    assert ("Keep the model that you have." in verdict.words) == (outcome == "not better")


def test_few_fields_have_an_exact_p_and_no_interval_many_have_one():
    few = judge(answers([2] * 8), answers([4] * 8), parts(8))
    assert few.p == pytest.approx(2 / 2**8)
    assert few.difference.low is None
    assert few.after.classes["blast"].recall.low is None
    many = judge(answers([2, 3] * 6), answers([4] * 12), parts(12))
    assert many.difference.low is not None
    assert many.difference.low <= many.difference.value <= many.difference.high
    assert many.before.classes["blast"].recall.low < many.before.classes["blast"].recall.high


def test_more_boxes_everywhere_are_not_better():
    verdict = judge(answers([3] * 8), answers([4] * 8, wrong=9), parts(8))
    assert verdict.wrong_cells == (16, 72)
    assert verdict.outcome != "better"
    assert verdict.after.false_blasts_a_field.value == 9


def test_the_threshold_of_a_field_does_not_follow_from_its_own_part():
    sure = tuple(field(n, 4, sure=0.3 if n % 2 else 0.8) for n in range(8))
    own = Predictions(SETTING, sure, "same")
    # Part 0 holds the fields that are sure: its threshold comes from the others, which are not.
    cut = Folds(((0, 2, 4, 6), (1, 3, 5, 7)), False, "by field, in 2 parts")
    chosen = chosen_inside(own, cut)
    assert set(chosen[::2]) == {chosen[0]}
    noisy = replace(
        own,
        images=tuple(
            field(n, 4, wrong=6, sure=0.3) if n % 2 else image for n, image in enumerate(own.images)
        ),
    )
    assert chosen_inside(noisy, cut)[1] == chosen[1]


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1.0),
        ([0, 0, 0], 1.0),
        ([1], 1.0),
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([3, 1, 2, 5, 4, 1, 0, 0], 2 / 64),
        ([1, -1, 1, -1], 1.0),
    ],
    ids=["nothing", "all the same", "one", "six of six", "zeros tell nothing", "balanced"],
)
def test_the_sign_flip_test_is_exact(differences, p):
    assert sign_flip_p(differences) == pytest.approx(p)


def test_the_sign_flip_test_of_many_is_close_to_the_normal_one():
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 1, 60)
    from scipy.stats import ttest_1samp

    assert sign_flip_p(values.tolist()) == pytest.approx(ttest_1samp(values, 0).pvalue, abs=0.01)
