"""Scoring whole fields, by a classifier that says what the test tells it to."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from allcell.classifier import FieldClass
from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.errors import DataError
from allcell.evaluation.fields import ANGLES_DEG, evaluate_fields
from allcell.evaluation.judged_fields import judge_fields
from allcell.models.registry import BLAST, HEALTHY
from allcell.statistics import clopper_pearson


class Scripted:
    """For the field of grey level i: the i-th row of probabilities, one after the other."""

    def __init__(self, rows):
        self.rows = [list(row) for row in rows]
        self.shapes = []

    def classify(self, image):
        self.shapes.append(image.shape)
        row = self.rows[int(image[image.shape[0] // 2, image.shape[1] // 2, 0])]
        probability = row.pop(0) if len(row) > 1 else row[0]
        timing = SimpleNamespace(total_ms=10.0 * len(self.shapes))
        return FieldClass(probability, "not looked at"), timing


def labelled(folder, index, name, class_id, size=(160, 120)):
    path = folder / f"{name}.png"
    Image.new("RGB", size, (index, index, index)).save(path)
    truth = Detections.truth([(10, 10, 30, 30)], [class_id])
    return LabelledImage(path, truth, np.zeros((0, 4), np.float32))


@pytest.fixture
def case(tmp_path):
    images = [
        labelled(tmp_path, 0, "found_1", BLAST),
        labelled(tmp_path, 1, "missed_1", BLAST),
        labelled(tmp_path, 2, "quiet_0", HEALTHY),
    ]
    rows = [
        [0.9] * 8,
        [0.4, 0.6, 0.6, 0.2, 0.2, 0.2, 0.2, 0.2],  # found in two of its turned copies
        [0.1] * 7 + [0.7],  # an alarm in one copy only
    ]
    return Scripted(rows), images


def run(classifier, images, **changes):
    arguments = {
        "model": "stub",
        "model_sha256": "0" * 64,
        "device": "cpu",
        "data": "made up",
        "split": "test",
        "threshold": 0.5,
    }
    return evaluate_fields(classifier, images, **(arguments | changes))


def kn(counts):
    return [(c.k, c.n) for c in (counts.accuracy, counts.sensitivity, counts.specificity)]


def test_everything_by_hand(case):
    result = run(*case)
    assert kn(result.counts) == [(2, 3), (1, 2), (1, 1)]
    assert (result.counts.accuracy.low, result.counts.accuracy.high) == clopper_pearson(2, 3)
    assert kn(result.as_the_paper_counted) == [(8 + 2 + 7, 24), (10, 16), (7, 8)]
    assert result.as_the_paper_counted.accuracy.fraction == pytest.approx(17 / 24)
    assert "8 x 3 copies of 3 fields, not independent" in result.as_the_paper_counted.title
    assert {name: field.probability for name, field in result.fields.items()} == {
        "found_1": 0.9,
        "missed_1": 0.4,
        "quiet_0": 0.1,
    }
    assert result.fields["missed_1"].cancerous
    assert len(result.fields["missed_1"].turned) == 8
    # The first of each eight, at 10, 90 and 170 ms: the field as it lies.
    assert result.median_ms == 90.0


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(0.4, [(3, 3), (2, 2), (1, 1)], id="a probability at the threshold counts"),
        pytest.param(0.95, [(1, 3), (0, 2), (1, 1)], id="high: all are called healthy"),
        pytest.param(0.05, [(2, 3), (2, 2), (0, 1)], id="low: all are called cancerous"),
    ],
)
def test_the_threshold_decides(case, threshold, expected):
    assert kn(run(*case, threshold=threshold).counts) == expected


def test_a_split_of_one_kind_has_no_figure_for_the_other(case):
    classifier, images = case
    result = run(classifier, images[2:])
    assert result.counts.sensitivity.fraction is None
    assert result.as_the_paper_counted.sensitivity.fraction is None
    assert json.loads(result.to_json())["counts"]["sensitivity"]["n"] == 0


def test_each_field_is_shown_cropped_in_eight_turns(tmp_path):
    """A mark beside the centre goes round it; what the crop cuts off is never shown."""
    item = labelled(tmp_path, 0, "marked_1", BLAST, size=(180, 100))
    picture = np.zeros((100, 180, 3), np.uint8)
    picture[:, :20] = picture[:, -20:] = (0, 255, 0)  # outside the 133 x 100 in the middle
    cv2.circle(picture, (120, 50), 5, (0, 0, 255), -1)
    Image.fromarray(picture).save(item.path)
    angles = []

    class Looking:
        def classify(self, image):
            assert image.shape == (100, 133, 3)
            assert not image[..., 1].any()
            y, x = np.argwhere(image[..., 2] > 127).mean(axis=0)
            angles.append(np.degrees(np.arctan2(49.5 - y, x - 66)) % 360)
            return FieldClass(1.0, "cancerous"), SimpleNamespace(total_ms=1.0)

    run(Looking(), [item])
    assert len(angles) == len(ANGLES_DEG) == 8
    turn = (np.array(angles) - ANGLES_DEG + 180) % 360 - 180
    assert np.abs(turn).max() < 5


def test_json_holds_what_a_reader_needs(case):
    content = json.loads(run(*case).to_json())
    assert content["settings"]["operating_threshold"] == 0.5
    assert content["settings"]["angles_deg"] == [0, 45, 90, 135, 180, 225, 270, 315]
    assert "not independent" in content["settings"]["rules"]
    assert content["fields"]["quiet_0"]["turned"][-1] == 0.7
    assert content["counts"]["accuracy"]["fraction"] == 0.666667
    assert set(content["as_the_paper_counted"]["accuracy"]) == {"k", "n", "fraction"}
    assert len(content["data_sha256"]) == 64
    assert content["versions"]["numpy"] == np.__version__
    assert content["date"].endswith("+00:00")


def test_progress_is_told(case):
    classifier, images = case
    told = []
    run(classifier, images, on_image=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_evaluate(case):
    with pytest.raises(DataError, match="no image"):
        run(case[0], [])


@pytest.mark.parametrize(
    ("threshold", "right"),
    [
        pytest.param(0.5, (True, False, True), id="as it operates"),
        pytest.param(0.4, (True, True, True), id="at the probability itself"),
        pytest.param(0.05, (True, True, False), id="low"),
    ],
)
def test_fields_as_they_lie(case, threshold, right):
    classifier, images = case
    calls = []
    judged = judge_fields(
        classifier,
        images,
        model="stub",
        model_sha256="0" * 64,
        threshold=threshold,
        on_image=lambda *n: calls.append(n),
    )
    assert judged.right == right
    assert calls == [(1, 3), (2, 3), (3, 3)]
    # Whole, as a user's picture is: the classifier takes the middle itself.
    assert classifier.shapes == [(120, 160, 3)] * 3
    counts = judged.counts
    assert (counts.accuracy.k, counts.accuracy.n) == (sum(right), 3)
    assert (counts.accuracy.low, counts.accuracy.high) == clopper_pearson(sum(right), 3)
    assert (counts.sensitivity.k, counts.sensitivity.n) == (sum(right[:2]), 2)
    assert (counts.specificity.k, counts.specificity.n) == (right[2], 1)
