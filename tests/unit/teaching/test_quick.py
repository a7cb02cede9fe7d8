"""The quick way: what it learns from, what it fits, and the file that it writes."""

import numpy as np
import onnx
import pytest

from allcell.detections import Detections
from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import TeachingError
from allcell.models.weights import model_files, verified
from allcell.teaching.ways.examples import Examples, examples
from allcell.teaching.ways.fitting import fit
from allcell.teaching.ways.graph import LastStep, OpenedGraph
from allcell.teaching.ways.way import way_of

SIDE = 96
PLACES = (SIDE // 8) ** 2 + (SIDE // 16) ** 2


@pytest.fixture(scope="module")
def shipped():
    return verified(model_files("live").onnx).read_bytes()


@pytest.fixture(scope="module")
def opened(shipped):
    return OpenedGraph(shipped)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def seen(opened, picture):
    """What the features of the picture are."""
    return OnnxEngine(opened.features(), threads=1).run(picture)


def scores(features, steps):
    """What numpy says that last steps give."""
    first = (SIDE // 8) ** 2
    parts = (features[:, :first], features[:, first:])
    logits = [s.weight @ f + s.bias[:, None] for s, f in zip(steps, parts, strict=True)]
    return 1 / (1 + np.exp(-np.concatenate(logits, axis=1)))


def test_the_features_stand_beside_the_boxes_and_scores_that_the_model_gives(
    opened, shipped, picture, seen
):
    assert seen.shape == (4 + 3 + 64 + 64 + 128, PLACES)
    np.testing.assert_allclose(seen[:7], OnnxEngine(shipped, threads=1).run(picture), atol=1e-3)
    np.testing.assert_allclose(scores(seen[7:], opened.last_steps()), seen[4:7], atol=1e-5)


def test_a_file_with_other_last_steps_gives_the_scores_that_numpy_expects(opened, picture, seen):
    rng = np.random.default_rng(1)
    steps = [
        LastStep(
            step.weight + rng.normal(0, 0.1, step.weight.shape).astype(np.float32),
            step.bias + np.float32(1),
        )
        for step in opened.last_steps()
    ]
    got = OnnxEngine(opened.with_steps(steps), threads=1).run(picture)
    expected = scores(seen[7:], steps)
    assert np.abs(expected - seen[4:7]).max() > 0.2, "the steps change something"
    np.testing.assert_allclose(got[4:], expected, atol=1e-4)
    np.testing.assert_allclose(got[:4], seen[:4], atol=1e-3)


def test_last_steps_as_they_were_change_nothing(opened, shipped, picture):
    same = OnnxEngine(opened.with_steps(opened.last_steps()), threads=1).run(picture)
    np.testing.assert_allclose(same, OnnxEngine(shipped, threads=1).run(picture), atol=1e-3)


def test_a_network_of_another_kind_is_refused(shipped):
    model = onnx.load_model_from_string(shipped)
    for one in model.graph.initializer:
        one.name = one.name.replace("cv3", "other")
    for node in model.graph.node:
        for n, name in enumerate(node.input):
            node.input[n] = (
                name.replace("cv3", "other") if name.endswith(("weight", "bias")) else name
            )
    with pytest.raises(TeachingError, match="last step"):
        OpenedGraph(model.SerializeToString())


def output(*boxes):
    """An output with these boxes (x, y, x, y) at the first places, all scores being 0.1."""
    found = np.zeros((4 + 3 + 2, PLACES), np.float32)
    found[4:7] = 0.1
    found[:4] = np.array([[500], [500], [1], [1]])
    for place, (x1, y1, x2, y2) in boxes:
        found[:4, place] = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    return found


def learned(found, truth):
    return examples(found, truth, SIDE, 3, 2, np.random.default_rng(0))


def test_the_place_whose_box_fits_best_is_to_have_the_class_of_the_cell():
    # Place 13 of the first level lies at 12, 12: in the cell. Place 100 does not.
    cell = (0.0, 0.0, 24.0, 24.0)
    fine, coarse = learned(
        output((13, cell), (14, (0, 0, 24, 21)), (100, cell)), Detections.truth([cell], [1])
    )
    wanted = fine.wanted
    assert wanted[:, 1].max() == pytest.approx(1)
    assert (wanted[:, 1] > 0).sum() == 2
    assert not wanted[:, [0, 2]].any()
    assert not coarse.wanted.any()
    # The box elsewhere that lies on the cell counts neither way.
    assert len(fine.wanted) == (SIDE // 8) ** 2 - 1


def test_without_cells_all_places_are_empty_and_few_of_the_plain_ones_are_kept():
    found = output()
    found[4:7] = 0.001
    fine, coarse = learned(found, Detections.truth(np.zeros((0, 4), np.float32), []))
    kept = len(fine.weight) + len(coarse.weight)
    assert kept < 0.2 * PLACES
    assert not fine.wanted.any()
    assert (fine.weight > 10).all(), "they stand for the others"


def apart(count=400):
    """Two classes that the second feature tells apart, which weighs nothing as it was."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, count)
    features = rng.normal(0, 1, (count, 2)).astype(np.float32)
    features[:, 1] += 4 * kind
    wanted = np.eye(2, dtype=np.float32)[kind]
    before = LastStep(np.array([[1, 0], [-1, 0]], np.float32), np.zeros(2, np.float32))
    return Examples(features, wanted, np.ones(count, np.float32)), before


@pytest.mark.parametrize(
    ("strength", "right"), [(0.1, True), (1e6, False)], ids=["weakly drawn", "held fast"]
)
def test_a_fit_follows_the_examples_as_far_as_it_may(strength, right):
    found, before = apart()
    after = fit(found, before, strength)
    said = (found.features @ after.weight.T + after.bias).argmax(axis=1)
    share = float((said == found.wanted.argmax(axis=1)).mean())
    assert (share > 0.95) == right
    assert np.allclose(after.weight, before.weight, atol=0.01) != right


def test_the_card_says_what_decides_the_result():
    way = way_of(quick=True, fields=8, seed=3, tiles=32)
    said = way.described(way.settings)
    assert (said["tiles"], said["seed"]) == (32, 3)
    assert "strength" in said
    assert "augmentation.stain" in said
    assert "learning_rate" not in said
