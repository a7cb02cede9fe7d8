"""What becomes of a prediction, and parity with pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from allcell.detections import Detections
from allcell.evaluation.matching import MAX_DETECTIONS, ScoredImage, match
from allcell.evaluation.metrics import average_precision
from allcell.models.registry import BLAST, HEALTHY, SMUDGE

CELL = (100, 100, 200, 200)


def found(*rows):
    """Predictions from (box, confidence, class)."""
    return Detections(
        np.array([r[0] for r in rows], float).reshape(-1, 4),
        np.array([r[1] for r in rows], float),
        np.array([r[2] for r in rows], int),
    )


def true(*rows):
    return Detections.truth([r[0] for r in rows], [r[1] for r in rows])


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


TRUE, FALSE, IGNORED = "true", "false", "ignored"


@pytest.mark.parametrize(
    ("predictions", "truth", "ignore", "fates"),
    [
        pytest.param([(CELL, 0.9, BLAST)], [(CELL, BLAST)], [], [TRUE], id="exact"),
        pytest.param(
            [((100, 100, 200, 150), 0.9, BLAST)], [(CELL, BLAST)], [], [TRUE], id="IoU just 0.5"
        ),
        pytest.param(
            [((100, 100, 200, 149), 0.9, BLAST)], [(CELL, BLAST)], [], [FALSE], id="IoU below 0.5"
        ),
        pytest.param(
            [(CELL, 0.9, BLAST)],
            [(CELL, HEALTHY)],
            [],
            [FALSE],
            id="blast called on a healthy cell",
        ),
        pytest.param(
            [(CELL, 0.9, BLAST)], [(CELL, SMUDGE)], [], [FALSE], id="blast called on a smudge"
        ),
        pytest.param(
            [(CELL, 0.6, BLAST), (CELL, 0.9, BLAST)],
            [(CELL, BLAST)],
            [],
            [TRUE, FALSE],
            id="the second box on a cell is false, whatever the order given",
        ),
        pytest.param(
            [((100, 100, 200, 190), 0.9, BLAST), ((100, 105, 200, 200), 0.8, BLAST)],
            [(CELL, BLAST), ((100, 100, 200, 150), BLAST)],
            [],
            [TRUE, FALSE],
            id="the first takes the cell it overlaps most, though the second needs it",
        ),
        pytest.param(
            [((120, 120, 160, 160), 0.9, BLAST)],
            [],
            [CELL],
            [IGNORED],
            id="inside a cut cell, though IoU is 0.16",
        ),
        pytest.param(
            [((150, 100, 250, 200), 0.9, BLAST)], [], [CELL], [IGNORED], id="half on a cut cell"
        ),
        pytest.param(
            [((151, 100, 251, 200), 0.9, BLAST)], [], [CELL], [FALSE], id="less than half on it"
        ),
        pytest.param(
            [(CELL, 0.9, BLAST)], [(CELL, BLAST)], [CELL], [TRUE], id="a true cell goes first"
        ),
        pytest.param(
            [(CELL, 0.9, BLAST), (CELL, 0.8, BLAST), (CELL, 0.7, BLAST)],
            [],
            [CELL],
            [IGNORED] * 3,
            id="a cut cell excuses any number",
        ),
    ],
)
def test_fate_of_blast_predictions(predictions, truth, ignore, fates):
    image = ScoredImage(found(*predictions), true(*truth), boxes(*ignore))
    blasts = match([image])[BLAST]
    assert blasts.n_truth == sum(class_id == BLAST for _, class_id in truth)
    got = [
        TRUE if correct else IGNORED if ignored else FALSE
        for correct, ignored in zip(blasts.correct[0], blasts.ignored[0], strict=True)
    ]
    assert got == fates


def test_nothing_at_all():
    for matches in match([ScoredImage(Detections.empty(), Detections.empty())]):
        assert matches.correct.shape == (10, 0)
        assert matches.truths.tolist() == [0]


def test_only_the_best_detections_count():
    n = MAX_DETECTIONS + 5
    predictions = found(*[((i, 0, i + 1, 1), 1 - i / 1000, BLAST) for i in range(n)])
    blasts = match([ScoredImage(predictions, Detections.empty())])[BLAST]
    assert len(blasts.confidence) == MAX_DETECTIONS
    assert blasts.confidence.min() == pytest.approx(1 - (MAX_DETECTIONS - 1) / 1000)


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="expected 0 to 2"):
        match([ScoredImage(found((CELL, 0.5, 3)), Detections.empty())])


def random_images(seed, n_images=5):
    """Cells, cut cells, predictions near them, doubled and misnamed, and some nowhere."""
    rng = np.random.default_rng(seed)

    def some_boxes(n):
        corner = rng.uniform(0, 400, (n, 2))
        return np.concatenate([corner, corner + rng.uniform(20, 120, (n, 2))], axis=1)

    images = []
    for _ in range(n_images):
        truth, cut = some_boxes(rng.integers(0, 14)), some_boxes(rng.integers(0, 5))
        classes = rng.integers(0, 3, len(truth))
        near = np.repeat(np.concatenate([truth, cut]), 3, axis=0)
        near += rng.normal(0, 5, near.shape)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 2)
        named = np.repeat(np.concatenate([classes, rng.integers(0, 3, len(cut))]), 3)
        named = np.where(rng.uniform(size=len(named)) < 0.2, rng.integers(0, 3, len(named)), named)
        nowhere = some_boxes(rng.integers(0, 6))
        xyxy = np.concatenate([near, nowhere])
        confidence = rng.uniform(size=len(xyxy))
        if seed % 2:  # ties, whose order must not matter either
            confidence = confidence.round(1)
        class_id = np.concatenate([named, rng.integers(0, 3, len(nowhere))])
        images.append(
            ScoredImage(
                Detections(xyxy, confidence, class_id),
                Detections.truth(truth, classes),
                cut.astype(np.float32),
            )
        )
    return images


def pycocotools_precision(images):
    """Shape (10 IoU, 101 recalls, 3 classes), from pycocotools alone."""
    annotations, results = [], []
    for image_id, image in enumerate(images):
        rows = [(b, c, 0) for b, c in zip(image.truth.xyxy, image.truth.class_id, strict=True)]
        rows += [(b, c, 1) for b in image.ignore for c in range(3)]
        for box, class_id, crowd in rows:
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(class_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": crowd,
                }
            )
        p = image.predictions
        for box, score, class_id in zip(p.xyxy, p.confidence, p.class_id, strict=True):
            x1, y1, x2, y2 = box.tolist()
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(class_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(images))],
            "categories": [{"id": c, "name": str(c)} for c in range(3)],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluator.params.maxDets = [MAX_DETECTIONS]
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator.eval["precision"][:, :, :, 0, 0]


@pytest.mark.parametrize("seed", range(12))
def test_parity_with_pycocotools(seed):
    images = random_images(seed)
    matches = match(images)
    assert sum(m.ignored[0].sum() for m in matches) > 10, "the case must exercise ignored boxes"
    ours = np.array([average_precision(m) for m in matches]).T
    theirs = pycocotools_precision(images).mean(axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("floor", [0.05, 0.5])
def test_leaving_out_unsure_boxes_equals_not_matching_them(floor):
    images = random_images(0)
    sure = [ScoredImage(i.predictions.at_least(floor), i.truth, i.ignore) for i in images]
    assert sum(len(i.predictions) for i in sure) < sum(len(i.predictions) for i in images)
    for whole, direct in zip(match(images), match(sure), strict=True):
        left = whole.at_least(floor)
        for name in ("confidence", "image", "correct", "ignored", "truths"):
            np.testing.assert_array_equal(getattr(left, name), getattr(direct, name))


def test_a_resample_equals_matching_the_chosen_images():
    images = random_images(0)
    choice = np.array([3, 1, 3, 0, 2])
    chosen = match([images[i] for i in choice])
    for whole, direct in zip(match(images), chosen, strict=True):
        resampled = whole.resample(np.bincount(choice, minlength=len(images)))
        np.testing.assert_array_equal(resampled.confidence, direct.confidence)
        np.testing.assert_array_equal(choice[direct.image], resampled.image)
        np.testing.assert_array_equal(resampled.correct, direct.correct)
        np.testing.assert_array_equal(resampled.ignored, direct.ignored)
        assert resampled.n_truth == direct.n_truth
        np.testing.assert_allclose(average_precision(resampled), average_precision(direct))
