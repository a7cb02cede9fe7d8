import numpy as np
import pytest

from allcell.detections import Detections
from allcell.evaluation.matching import ClassMatches, ScoredImage, match
from allcell.evaluation.metrics import (
    FROC_FALSE_ALARMS,
    MatchCounts,
    average_precision,
    best_f1,
    calibration,
    centroid_recall,
    counts_at,
    curve,
    froc_sensitivity,
    threshold_curve,
)
from allcell.models.registry import BLAST, HEALTHY


def matches(*predictions, truths=(3,)):
    """One class at one IoU, from (confidence, "t" true | "f" false | "i" ignored)."""
    confidence = np.array([p[0] for p in predictions], float)
    fate = np.array([p[1] for p in predictions], dtype="<U1")
    return ClassMatches(
        confidence,
        np.zeros(len(fate), np.int64),
        (fate == "t")[None],
        (fate == "i")[None],
        np.array(truths, np.int64),
    )


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        # Recall 1/3 at precision 1 serves the 34 points 0 to .33; recall 2/3 at precision 2/3 the
        # 33 points .34 to .66; the other 34 points are never reached.
        pytest.param(
            matches((0.9, "t"), (0.8, "f"), (0.7, "t")), (34 + 33 * 2 / 3) / 101, id="by hand"
        ),
        pytest.param(
            matches((0.9, "t"), (0.8, "i"), (0.7, "t")), 67 / 101, id="ignored counts neither way"
        ),
        # Precision is 0, 1/2, 2/3, 3/4: made monotone from the right it is 3/4 throughout.
        pytest.param(
            matches((0.9, "f"), (0.8, "t"), (0.7, "t"), (0.6, "t")), 0.75, id="monotone precision"
        ),
        pytest.param(matches((0.9, "t"), (0.8, "t"), (0.7, "t")), 1.0, id="perfect"),
        pytest.param(matches((0.9, "f")), 0.0, id="only false alarms"),
        pytest.param(matches(), 0.0, id="no prediction"),
        pytest.param(matches((0.9, "f"), truths=(0,)), np.nan, id="no true cell: undefined"),
    ],
)
def test_average_precision(case, expected):
    np.testing.assert_allclose(average_precision(case), [expected], atol=1e-12)


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        pytest.param(0.95, (0, 0, 3), id="above all"),
        pytest.param(0.9, (1, 0, 2), id="a threshold includes itself"),
        pytest.param(0.75, (1, 1, 2), id="one false"),
        pytest.param(0.0, (2, 1, 1), id="all, the ignored left out"),
    ],
)
def test_counts_at_threshold(confidence, expected):
    case = matches((0.9, "t"), (0.8, "f"), (0.7, "i"), (0.6, "t"))
    counts = counts_at(case, confidence)
    assert (counts.tp, counts.fp, counts.fn) == expected


def test_counts_have_no_ratio_of_nothing():
    assert MatchCounts.of(0, 0, 2).precision is None
    assert MatchCounts.of(0, 2, 0).recall is None
    assert MatchCounts.of(3, 1, 2) == MatchCounts(3, 1, 2, 0.75, 0.6)


def test_curve_has_a_point_for_each_find():
    case = matches((0.9, "t"), (0.8, "f"), (0.7, "i"), (0.6, "t"), (0.5, "f"), truths=(3, 1))
    points = curve(case)
    assert points.confidence.tolist() == [0.9, 0.6]
    assert points.precision.tolist() == [1.0, 2 / 3]
    assert points.recall.tolist() == [0.25, 0.5]
    assert points.false_alarms_per_image.tolist() == [0.0, 0.5]


def test_boxes_of_one_confidence_come_together():
    case = matches((0.9, "t"), (0.9, "f"), truths=(1,))
    # No threshold finds the cell without the false alarm: one an image.
    assert froc_sensitivity(case).tolist() == [0, 0, 0, 1, 1, 1]


def test_a_box_counts_at_the_threshold_at_which_it_is_shown():
    cells = Detections(
        np.array([[0, 0, 9, 9]], np.float32), np.array([0.7], np.float32), np.array([0])
    )
    (blast, *_) = match([ScoredImage(cells, cells)])
    assert len(cells.at_least(0.7)) == 1
    assert counts_at(blast, 0.7).tp == 1
    assert counts_at(blast, 0.71).tp == 0


@pytest.mark.parametrize("seed", range(5))
def test_every_threshold_is_a_point_of_its_curve(seed):
    rng = np.random.default_rng(seed)
    # Confidences of two decimals: some are there twice.
    boxes = [
        (round(float(c), 2), k)
        for c, k in zip(rng.random(60), rng.choice([*"ttfi"], 60), strict=True)
    ]
    case = matches(*sorted(boxes, reverse=True), truths=(40, 30))
    points = threshold_curve(case)
    on_it = list(zip(points.recall, points.precision, points.false_alarms_per_image, strict=True))
    assert on_it[0][0] == on_it[0][2] == 0
    for threshold in np.linspace(0, 1, 41):
        counts = counts_at(case, threshold)
        if counts.precision is None:
            continue
        place = (counts.recall, counts.precision, counts.fp / len(case.truths))
        assert any(np.allclose(place, point) for point in on_it), threshold
    assert np.all(np.diff(points.recall) >= 0)
    assert np.all(np.diff(points.false_alarms_per_image) >= 0)


def test_a_curve_of_nothing_is_empty():
    assert len(threshold_curve(matches()).recall) == 0


def test_best_f1_by_hand():
    # Down to 0.3 the F1 is 2 * 1 * 1 / 2 = 1; the false alarm at 0.2 lowers it. The smoothed
    # maximum is first reached where the window of 101 points lies wholly on the plateau.
    case = matches((0.95, "t"), (0.9, "t"), (0.8, "t"), (0.2, "f"))
    result = best_f1([case])
    assert 0.3 < result.confidence < 0.8
    # Between 0.8 and 0.2 precision is interpolated from 1 to 3/4.
    expected = 0.75 + 0.25 * (result.confidence - 0.2) / 0.6
    assert result.precision == (pytest.approx(expected),)
    assert result.recall == (1.0,)


def test_best_f1_means_only_over_classes_with_true_cells():
    blast = matches((0.9, "t"), (0.8, "t"), (0.7, "t"))
    nowhere = matches((0.99, "f"), truths=(0,))
    both = best_f1([blast, nowhere])
    assert both.confidence == best_f1([blast]).confidence
    assert both.precision == (1.0, None)
    assert both.recall == (1.0, None)


def test_best_f1_above_all_confidences_of_a_class():
    sure = matches((0.95, "t"), (0.94, "t"), (0.93, "t"), *[(0.3, "f")] * 50)
    unsure = matches(*[(0.1, "f")] * 50, (0.05, "t"))
    result = best_f1([sure, unsure])
    assert result.confidence > 0.3
    assert (result.precision[1], result.recall[1]) == (1.0, 0.0)


def test_best_f1_of_a_class_never_predicted():
    assert best_f1([matches()]).recall == (0.0,)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.torch
def test_best_f1_agrees_with_ultralytics(seed, monkeypatch):
    # It would otherwise look for the network at import.
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    theirs = pytest.importorskip("ultralytics.utils.metrics").ap_per_class
    rng = np.random.default_rng(seed)
    n = 80
    confidence = np.sort(rng.uniform(size=n).astype(np.float32))[::-1]
    correct = rng.uniform(size=n) < confidence
    class_id = rng.integers(0, 2, n)
    cells = [int(correct[class_id == c].sum()) + 5 for c in (0, 1)]
    _, _, precision, recall, *_ = theirs(
        np.repeat(correct[:, None], 10, axis=1), confidence, class_id, np.repeat([0, 1], cells)
    )
    fates = np.where(correct, "t", "f")
    ours = best_f1(
        [
            matches(
                *zip(confidence[class_id == c], fates[class_id == c], strict=True),
                truths=(cells[c],),
            )
            for c in (0, 1)
        ]
    )
    assert ours.precision == pytest.approx(precision)
    assert ours.recall == pytest.approx(recall)


BOX = (10, 10, 30, 30)


@pytest.mark.parametrize(
    ("boxes", "centroids", "ignore", "expected"),
    [
        pytest.param([BOX], [(20, 20)], [], (1, 0, 0), id="found"),
        pytest.param([BOX], [(31, 20)], [], (0, 1, 1), id="just outside"),
        pytest.param([BOX], [(15, 20), (25, 20)], [], (1, 0, 1), id="one box finds one of two"),
        pytest.param([BOX, BOX], [(20, 20)], [], (1, 1, 0), id="the second box is a false alarm"),
        pytest.param(
            [(10, 10, 50, 30), (10, 10, 30, 30)],
            [(20, 20), (40, 20)],
            [],
            (2, 0, 0),
            id="the wide box leaves the nearer cell to the narrow one",
        ),
        pytest.param([BOX], [], [(20, 10, 90, 90)], (0, 0, 0), id="half on a cut cell: excused"),
        pytest.param([BOX], [], [(21, 10, 90, 90)], (0, 1, 0), id="less than half: not excused"),
        pytest.param([BOX], [(20, 20)], [BOX], (1, 0, 0), id="a find is a find on a cut cell too"),
        pytest.param([], [(20, 20)], [], (0, 0, 1), id="no box"),
        pytest.param([], [], [], (0, 0, 0), id="nothing"),
    ],
)
def test_centroids(boxes, centroids, ignore, expected):
    n = len(boxes)
    xyxy = np.array(boxes, float).reshape(-1, 4)
    distractors = Detections(
        np.array([(0, 0, 99, 99), (0, 0, 99, 99)], float),
        np.array([0.9, 0.2]),
        np.array([HEALTHY, BLAST]),
    )
    blasts = Detections(xyxy, np.full(n, 0.5), np.full(n, BLAST))
    counts = centroid_recall(
        Detections.concatenate([blasts, distractors]),
        np.array(centroids, np.float32).reshape(-1, 2),
        0.5,
        ignore=np.array(ignore, np.float32).reshape(-1, 4),
    )
    assert (counts.tp, counts.fp, counts.fn) == expected


def test_froc_by_hand():
    # Of four cells in two images: one found before any false alarm, one after the first, one after
    # the second, one never. False alarms an image: 0, 1/2, 1.
    case = matches((0.9, "t"), (0.8, "f"), (0.7, "t"), (0.6, "f"), (0.5, "t"), truths=(2, 2))
    assert FROC_FALSE_ALARMS[:4] == (0.125, 0.25, 0.5, 1.0)
    assert froc_sensitivity(case)[:4] == pytest.approx([0.25, 0.25, 0.5, 0.75])
    assert np.isnan(froc_sensitivity(matches((0.9, "f"), truths=(0,)))).all()


def test_calibration_by_hand():
    # The upper bin claims 0.85 and is right in 3 of 4; the lower claims 0.25 and never is.
    case = matches(
        (0.95, "t"), (0.95, "i"), (0.85, "t"), (0.85, "t"), (0.75, "f"), (0.3, "f"), (0.2, "f")
    )
    result = calibration(case, bins=2)
    assert [b["count"] for b in result.bins] == [2, 4]
    assert result.ece == pytest.approx((2 * 0.25 + 4 * 0.1) / 6)


def test_classes_are_matched_and_measured_by_themselves():
    box = np.array([[10, 10, 50, 50]], float)
    image = ScoredImage(
        Detections(box, np.array([0.9]), np.array([BLAST])), Detections.truth(box, [HEALTHY])
    )
    blast, healthy, _ = match([image])
    assert counts_at(blast, 0.5) == MatchCounts.of(0, 1, 0)
    assert counts_at(healthy, 0.5) == MatchCounts.of(0, 0, 1)
