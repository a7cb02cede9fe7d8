"""The evaluator with a detector that says what the test tells it to."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from allcell.data.dataset import LabelledImage, data_sha256
from allcell.detections import Detections
from allcell.errors import DataError, ModelError
from allcell.evaluation.evaluate import evaluate, score, suggest_confidence
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.predictions import (
    FLOOR_CONFIDENCE,
    Predictions,
    Setting,
    predict,
)
from allcell.models.registry import BLAST, CLASSES, HEALTHY, SMUDGE, get_spec

A, B, C = (10, 10, 50, 50), (60, 10, 100, 50), (110, 10, 150, 50)
EDGE = (160, 10, 200, 50)


class Scripted:
    """Answers image i (told by its grey level) with the i-th script."""

    spec = get_spec("live")

    def __init__(self, scripts):
        self.scripts = scripts
        self.asked = []

    def detect(
        self, image, *, red_cell_px=None, confidence=None, iou=None, every_class=False, stain=None
    ):
        self.asked.append((red_cell_px, confidence, iou))
        rows = self.scripts[int(image[0, 0, 0])]
        detections = Detections(
            np.array([r[0] for r in rows], float).reshape(-1, 4),
            np.array([r[1] for r in rows], float),
            np.array([r[2] for r in rows], int),
        )
        return detections, SimpleNamespace(total_ms=10.0 * len(self.asked))


def labelled(folder, index, truth, ignore=(), centroids=None):
    path = folder / f"{index}.png"
    Image.new("RGB", (200, 100), (index, index, index)).save(path)
    return LabelledImage(
        path,
        Detections.truth([t[0] for t in truth], [t[1] for t in truth]),
        np.array(ignore, np.float32).reshape(-1, 4),
        None if centroids is None else np.array(centroids, np.float32).reshape(-1, 2),
    )


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr("allcell.evaluation.evaluate.RESAMPLES", 200)


@pytest.fixture
def case(tmp_path):
    images = [
        # A patient: one blast found, one called healthy, a smudge called blast, a cut cell boxed.
        labelled(tmp_path, 0, [(A, BLAST), (B, BLAST), (C, SMUDGE)], [EDGE], [(30, 30), (80, 30)]),
        # A healthy field: its cell is found; a blast below the threshold.
        labelled(tmp_path, 1, [(A, HEALTHY)], centroids=[]),
        # A healthy field with a false blast on nothing; no expert looked.
        labelled(tmp_path, 2, [(A, HEALTHY)]),
        # Only a blast on a cut cell: counts neither way.
        labelled(tmp_path, 3, [], [EDGE]),
    ]
    scripts = [
        [(A, 0.9, BLAST), (B, 0.8, HEALTHY), (C, 0.7, BLAST), (EDGE, 0.6, BLAST)],
        [(A, 0.9, HEALTHY), (B, 0.2, BLAST)],
        [(C, 0.5, BLAST)],
        [(EDGE, 0.9, BLAST)],
    ]
    return Scripted(scripts), images


SETTING = Setting("stub", "0" * 64, "cpu", "made up", "test", confidence=0.3, iou=0.5)


def run(detector, images, *, classes=("blast", "healthy", "smudge"), **changes):
    return evaluate(detector, images, replace(SETTING, **changes), classes=classes)


def test_everything_by_hand(case):
    result = run(*case)
    blast, healthy, smudge = (result.classes[n] for n in ("blast", "healthy", "smudge"))

    counts = blast.at_operating_point
    assert (counts.tp, counts.fp, counts.fn) == (1, 2, 1)
    assert blast.ap50 == pytest.approx(51 / 101)  # recall 0 to .5 at precision 1
    counts = healthy.at_operating_point
    assert (counts.tp, counts.fp, counts.fn) == (1, 1, 1)
    assert healthy.ap50 == pytest.approx(51 / 101)
    assert (smudge.cells, smudge.ap50, smudge.at_operating_point.fn) == (1, 0.0, 1)
    assert result.map50 == pytest.approx(51 / 101)

    # Found by either name: A and B of the first field, A of the second.
    assert (result.white_cells.tp, result.white_cells.fn) == (3, 1)
    assert result.centroids is not None
    assert (result.centroids.tp, result.centroids.fp, result.centroids.fn) == (1, 1, 1)
    assert (result.sensitivity.k, result.sensitivity.n) == (1, 1)
    assert (result.specificity.k, result.specificity.n) == (2, 3)
    assert result.false_blasts_per_field == 2 / 4
    assert (result.fields_with_false_blast.k, result.fields_with_false_blast.n) == (2, 4)
    assert result.median_ms == 25.0


FAR = (160, 60, 190, 90)


@pytest.mark.parametrize(
    ("script", "as_yolov5_counts", "as_shown"),
    [
        pytest.param([(A, 0.9, BLAST), (B, 0.8, BLAST)], (1, 1), (1, 1), id="one name each: alike"),
        # As shown, B is healthy: one of two blasts is found, so 51 of 101 recalls are reached. The
        # healthy cell C is found after a false alarm.
        pytest.param(
            [(A, 0.9, BLAST), (B, 0.8, HEALTHY), (B, 0.7, BLAST), (C, 0.6, HEALTHY)],
            (1, 1 / 2),
            (51 / 101, 1 / 2),
            id="the second guess is right",
        ),
        # As YOLOv5 counts, A is a healthy cell too, a false alarm before C.
        pytest.param(
            [(A, 0.9, BLAST), (A, 0.8, HEALTHY), (B, 0.7, BLAST), (C, 0.6, HEALTHY)],
            (1, 1 / 2),
            (1, 1),
            id="the second guess is wrong",
        ),
        pytest.param(
            [(A, 0.9, BLAST), (A, 0.04, HEALTHY), (B, 0.03, BLAST), (C, 0.02, HEALTHY)],
            (1, 1 / 2),
            (51 / 101, 0),
            id="what no user is shown counts for YOLOv5 only",
        ),
        # Precision 1, 1/2, 2/3: 51 recalls at 1 and 50 at 2/3, both ways.
        pytest.param(
            [(A, 0.9, BLAST), (FAR, 0.8, BLAST), (B, 0.7, BLAST)],
            ((51 + 50 * 2 / 3) / 101, 0),
            ((51 + 50 * 2 / 3) / 101, 0),
            id="a false alarm is one either way",
        ),
        pytest.param([], (0, 0), (0, 0), id="nothing found"),
    ],
)
@pytest.mark.parametrize("confidence", [0.01, 0.3, 0.95])
def test_both_aps_by_hand(tmp_path, script, as_yolov5_counts, as_shown, confidence):
    # The case without a healthy box has no healthy cell either, so that its AP is the blasts'.
    truth = [(A, BLAST), (B, BLAST)]
    healthy = any(kind == HEALTHY for *_, kind in script)
    image = labelled(tmp_path, 0, truth + [(C, HEALTHY)] * healthy)
    result = run(Scripted([script]), [image], confidence=confidence)
    blast, other = result.classes["blast"], result.classes["healthy"]
    # Boxes lie on the cells, so every IoU threshold gives the same.
    for (first, second), kind in ((as_yolov5_counts, ""), (as_shown, "_as_shown")):
        assert getattr(blast, f"ap50{kind}") == pytest.approx(first), kind
        assert getattr(blast, f"ap50_95{kind}") == pytest.approx(first), kind
        expected = (first + second) / 2 if healthy else first
        assert getattr(other, f"ap50{kind}") == (pytest.approx(second) if healthy else None)
        assert getattr(result, f"map50{kind}") == pytest.approx(expected)
        assert getattr(result, f"map50_95{kind}") == pytest.approx(expected)


def test_the_detector_is_asked_for_unsure_boxes_at_its_own_scale(case):
    detector, images = case
    run(detector, images, iou=0.6)
    assert detector.asked == [(None, FLOOR_CONFIDENCE, 0.6)] * len(images)


@pytest.mark.parametrize(
    ("step", "kept", "lowest"),
    [
        pytest.param(1 / 5000, 300, 0.0402, id="yolov5 validates the best 300"),
        pytest.param(-1 / 5000, 400, 0.1, id="beyond them all that a user can be shown"),
    ],
)
def test_how_many_boxes_of_an_image_are_kept(tmp_path, step, kept, lowest):
    script = [(A, 0.1 - i * step, BLAST) for i in range(400)]
    script.sort(key=lambda row: -row[1])
    predictions = predict(Scripted([script]), [labelled(tmp_path, 0, [(A, BLAST)])], SETTING)
    found = predictions.images[0].predictions
    assert len(found) == kept
    assert found.confidence.min() == pytest.approx(lowest)


def test_a_field_of_400_cells_is_counted_whole(tmp_path):
    places = [(30 * (i % 20), 30 * (i // 20)) for i in range(400)]
    cells = [((x, y, x + 20, y + 20), BLAST) for x, y in places]
    script = [(box, 0.9 - i / 1000, kind) for i, (box, kind) in enumerate(cells)]
    result = run(Scripted([script]), [labelled(tmp_path, 0, cells)])
    assert result.classes["blast"].at_operating_point.tp == 400


def test_class_ids_are_the_detectors(case):
    detector, images = case
    for rows in detector.scripts:
        rows[:] = [(box, confidence, 1 - class_id) for box, confidence, class_id in rows]
    swapped = run(detector, images, classes=("healthy", "blast"))
    assert swapped.classes["blast"].at_operating_point.tp == 1


def test_a_healthy_data_set_has_no_blast_figures(case):
    detector, images = case
    result = run(detector, images[2:3])
    assert result.classes["blast"].ap50 is None
    assert result.classes["blast"].ap50_95_as_shown is None
    assert result.classes["blast"].precision is None
    assert result.map50 == 0.0  # the healthy cell was missed
    assert result.sensitivity.fraction is None
    assert result.centroids is None


def test_whole_images_and_the_kinds_of_mistakes(case):
    result = run(*case)
    assert [(f.blast_present, f.blast_suggested, f.false_blast) for f in result.fields] == [
        (True, True, True),
        (False, False, False),
        (False, True, True),
        (False, False, False),
    ]
    assert result.fields[1].name == "1"
    # Rows: blast, healthy, smudge, background; columns: the same, called so.
    assert result.confusion == [[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]]
    kinds = [(m.image, m.truth, m.called, m.kind) for m in result.mistakes]
    assert sorted(kinds, key=str) == [
        (0, "blast", "healthy", "wrong class"),
        (0, "smudge", "blast", "wrong class"),
        (2, "healthy", None, "missed"),
        (2, None, "blast", "background"),
    ]
    assert (result.healthy_with_blasts.k, result.healthy_with_blasts.n) == (0, 0)


def test_healthy_cells_of_a_patient_are_counted_by_themselves(tmp_path):
    image = labelled(tmp_path, 0, [(A, BLAST), (B, HEALTHY), (C, HEALTHY)])
    result = run(Scripted([[(B, 0.9, HEALTHY), (C, 0.9, BLAST)]]), [image])
    assert (result.healthy_with_blasts.k, result.healthy_with_blasts.n) == (1, 2)


def test_intervals_hold_the_value_and_shrink_to_it_when_images_agree(case):
    detector, images = case
    result = run(detector, images * 3)
    blast = result.classes["blast"]
    for name, value in (
        ("blast.ap50", blast.ap50),
        ("blast.ap50_as_shown", blast.ap50_as_shown),
        ("map50", result.map50),
        ("map50_95_as_shown", result.map50_95_as_shown),
    ):
        low, high = result.intervals[name]
        assert low <= value <= high
    low, high = result.intervals["blast.tp"]
    assert (low, high) == (0, 6)  # in 3 of 12 images: a quarter of 12 draws, binomial
    same = run(Scripted([[(A, 0.9, HEALTHY)]] * 3), [images[1]] * 10)
    assert same.intervals["healthy.ap50"] == (1.0, 1.0)
    assert same.intervals["blast.ap50"] is None


@pytest.mark.parametrize("count", [1, 2, 9])
def test_too_few_images_have_no_intervals(case, count):
    _, images = case
    result = run(Scripted([[(A, 0.9, HEALTHY)]] * 3), [images[1]] * count)
    assert result.classes["healthy"].ap50 == pytest.approx(1.0)
    assert set(result.intervals.values()) == {None}
    words = f"none: too few images: {count}, at least 10 are needed"
    assert json.loads(result.to_json())["settings"]["bootstrap"] == words


def test_a_file_of_predictions_gives_the_same_numbers(case):
    predictions = predict(*case, SETTING)
    again = Predictions.from_json(predictions.to_json())
    assert score(again).to_json() == score(predictions).to_json()
    assert score(again, confidence=0.75).settings["operating_confidence"] == 0.75
    assert score(again, confidence=0.75).classes["blast"].at_operating_point.fp == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[1]", id="a list"),
        pytest.param('{"classes": ["person"]}', id="other classes"),
        pytest.param('{"classes": ["blast", "healthy", "smudge"]}', id="no images"),
    ],
)
def test_what_is_no_file_of_predictions_is_refused(text):
    with pytest.raises(DataError, match="not a file of predictions"):
        Predictions.from_json(text)


def test_the_threshold_is_the_lowest_of_the_good_ones(tmp_path):
    images = [labelled(tmp_path, 0, [(A, BLAST), (B, HEALTHY)])]
    # The false blast at .42 is out from .45 on; the blast itself is lost above .7.
    script = [(A, 0.7, BLAST), (B, 0.9, HEALTHY), (C, 0.42, BLAST)]
    evidence = Evidence.of(predict(Scripted([script]), images, SETTING))
    assert suggest_confidence(evidence) == pytest.approx(0.45)


def test_json_holds_what_a_reader_needs(case):
    content = json.loads(run(*case).to_json())
    assert content["settings"]["operating_confidence"] == 0.3
    assert content["settings"]["max_detections"] == 300
    assert "one cell has one class" in content["settings"]["rule_as_shown"]
    assert content["classes"]["blast"]["ap50_as_shown"] == 0.50495
    assert content["classes"]["blast"]["at_operating_point"]["precision"] == 0.333333
    assert content["classes"]["blast"]["curve"]["recall"] == [0.5]
    assert content["specificity"] == {
        "k": 2,
        "n": 3,
        "fraction": 0.666667,
        "low": 0.094299,
        "high": 0.991596,
    }
    assert content["versions"]["numpy"] == np.__version__
    assert len(content["data_sha256"]) == 64
    assert content["date"].endswith("+00:00")


@pytest.mark.parametrize("change", ["pixels", "box", "class", "ignore", "centroid"])
def test_the_data_hash_tells_any_change(tmp_path, change):
    def images(changed=""):
        image = labelled(
            tmp_path,
            7,
            [(A if changed != "box" else B, HEALTHY if changed == "class" else BLAST)],
            [] if changed == "ignore" else [EDGE],
            [(30, 31 if changed == "centroid" else 30)],
        )
        if changed == "pixels":
            Image.new("RGB", (200, 100), "red").save(image.path)
        return data_sha256([image])

    assert images() == images()
    assert images(change) != images()


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_name_that_is_no_utf8_has_a_hash(tmp_path):
    image = labelled(tmp_path, 7, [(A, BLAST)], [], [])
    odd = image.path.rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    assert data_sha256([replace(image, path=odd)]) != data_sha256(
        [replace(image, path=Path(shutil.copy(odd, tmp_path / "cafe.png")))]
    )


def test_refusals(case):
    detector, images = case
    with pytest.raises(DataError, match="no image"):
        run(detector, [])
    with pytest.raises(ModelError, match="person, dog"):
        run(detector, images, classes=("person", "dog"))


def test_curves_see_both_names_of_a_cell_and_the_user_one(case):
    detector, images = case
    detector.scripts[1][:] = [(A, 0.9, BLAST), (A, 0.8, HEALTHY)]
    result = run(detector, images[:2])
    healthy = result.classes["healthy"]
    assert healthy.curve.confidence == pytest.approx([0.8])
    assert (healthy.ap50, healthy.at_operating_point.tp) == (pytest.approx(0.5), 0)


@pytest.mark.parametrize(
    ("classes", "unknown"),
    [
        pytest.param(("blast", "healthy"), {"smudge"}, id="no smudges"),
        pytest.param(("blast",), {"healthy", "smudge"}, id="blasts alone"),
        pytest.param(("blast", "healthy", "smudge"), set(), id="all"),
    ],
)
def test_a_model_has_no_score_for_a_class_that_it_does_not_have(case, classes, unknown):
    _, images = case
    result = run(Scripted([[(A, 0.9, BLAST)], [], [], []]), images, classes=classes)
    assert {name for name, c in result.classes.items() if c.unknown} == unknown
    for name in unknown:
        c = result.classes[name]
        scores = (c.ap50, c.ap50_95, c.ap50_as_shown, c.ap50_95_as_shown, c.precision, c.recall)
        froc = {*c.froc.values(), *c.froc_as_shown.values(), c.reach_as_shown}
        assert set(scores) | froc == {None}
        assert result.intervals[f"{name}.ap50"] is None
        assert c.at_operating_point.fn == c.cells
    # A mean over a class that it cannot find would be read as its quality.
    means = (result.map50, result.map50_95, result.map50_as_shown, result.map50_95_as_shown)
    assert all((mean is None) == ("healthy" in unknown) for mean in means)
    assert result.healthy_with_blasts.n == 0
    assert result.suggested_confidence == 0.1
    assert set(result.ignored.counted) == {"blast", "healthy"} - unknown


def test_a_model_without_a_box_has_no_precision(case):
    _, images = case
    result = run(Scripted([[(A, 0.9, BLAST)], [], [], []]), images)
    blast, healthy = result.classes["blast"], result.classes["healthy"]
    assert (blast.precision, blast.recall) == (1, 0.5)
    assert (healthy.precision, healthy.recall, healthy.ap50) == (None, 0, 0)


def test_the_classes_of_a_model_are_kept_with_its_predictions(case):
    _, images = case
    kept = predict(Scripted([[]] * 4), images, SETTING, classes=("healthy", "blast"))
    again = Predictions.from_json(kept.to_json())
    assert again.classes == ("healthy", "blast")
    earlier = json.loads(kept.to_json())
    del earlier["model_classes"]
    assert Predictions.from_json(json.dumps(earlier)).classes == CLASSES
    with pytest.raises(DataError, match="classes of the model"):
        Predictions.from_json(json.dumps({**earlier, "model_classes": ["wbc"]}))
