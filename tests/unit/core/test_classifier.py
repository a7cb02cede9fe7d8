"""What a field looks like to the classifier, what it answers, and how its weights are checked."""

import json
import threading
import time

import numpy as np
import pytest

from allcell.classifier import FieldClassifier, centre_crop, field_input, turned
from allcell.errors import DeviceError, ModelError
from allcell.models import registry
from allcell.models.registry import CLASSIFIERS, ClassifierSpec, get_classifier
from allcell.settings import settings
from allcell.synth import FieldSpec, render

TINY = ClassifierSpec(name="tiny", title="t", summary="s", height_px=48, width_px=64)
UNSHIPPED = ClassifierSpec(
    name="unshipped", title="u", summary="s", height_px=48, width_px=64, shipped=False
)


class Scripted:
    """Answers with given logits and remembers what it was shown."""

    description = "scripted"

    def __init__(self, healthy, cancerous):
        self.logits = np.array([healthy, cancerous], np.float32)
        self.seen = []

    def run(self, image):
        self.seen.append(image)
        return self.logits


@pytest.fixture
def image():
    return render(FieldSpec(width_px=200, height_px=150, red_cell_px=20, seed=3, blasts=2)).image


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        pytest.param(1944, 2592, (0, 1944), (0, 2592), id="4:3 stays whole"),
        pytest.param(1368, 1712, (42, 1326), (0, 1712), id="too high: top and bottom go"),
        pytest.param(90, 160, (0, 90), (20, 140), id="too wide: the sides go"),
    ],
)
def test_the_middle_is_taken(height, width, rows, columns):
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(height)[:, None] % 251
    image[..., 1] = np.arange(width) % 251
    assert np.array_equal(centre_crop(image), image[slice(*rows), slice(*columns)])


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(1368, 1712, id="shrunk"),
        pytest.param(30, 40, id="enlarged"),
        pytest.param(48, 64, id="as it is"),
    ],
)
def test_the_network_sees_its_own_size(height, width):
    image = np.full((height, width, 3), (200, 100, 50), np.uint8)
    seen = field_input(TINY, image)
    assert seen.shape == (48, 64, 3)
    assert (seen == (200, 100, 50)).all()


def test_shrinking_averages_whole_areas():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 200  # any other way of shrinking leaves stripes or picks one colour
    assert np.ptp(field_input(TINY, stripes)) == 0
    assert field_input(TINY, stripes)[0, 0, 0] == 100


@pytest.mark.parametrize(
    ("angle", "mirror", "expected"),
    [
        pytest.param(0, False, lambda i: i, id="no turn"),
        pytest.param(180, False, lambda i: i[::-1, ::-1], id="half a turn"),
        pytest.param(0, True, lambda i: i[:, ::-1], id="mirrored"),
        pytest.param(180, True, lambda i: i[::-1], id="both"),
    ],
)
def test_turned(image, angle, mirror, expected):
    got = turned(image, angle, mirror=mirror).astype(int)
    assert np.abs(got - expected(image)).max() <= 1


def test_a_quarter_turn_is_counter_clockwise(image):
    square = np.ascontiguousarray(image[:150, :150])
    assert np.abs(turned(square, 90).astype(int) - np.rot90(square)).max() <= 1


def test_corners_are_filled_by_surroundings(image):
    assert turned(image, 45).min(axis=2).min() > 0


@pytest.mark.parametrize(
    ("logits", "probability", "suggested"),
    [
        pytest.param((0, 0), 0.5, "cancerous", id="even: at the threshold"),
        pytest.param((1, 0), 1 / (1 + np.e), "healthy", id="softmax"),
        pytest.param((0, 2), 1 / (1 + np.exp(-2)), "cancerous", id="softmax the other way"),
        pytest.param((900, -900), 0.0, "healthy", id="no overflow"),
        pytest.param((-900, 900), 1.0, "cancerous", id="nor this way"),
    ],
)
def test_probability_and_class(image, logits, probability, suggested):
    field, timing = FieldClassifier(TINY, Scripted(*logits)).classify(image)
    assert field.probability == pytest.approx(probability, abs=1e-9)
    assert field.suggested == suggested
    stages = timing.preprocess_ms + timing.inference_ms + timing.postprocess_ms
    assert 0 < stages <= timing.total_ms + 1e-6


def test_the_threshold_is_the_models_own(image):
    strict = ClassifierSpec("strict", "t", "s", 48, 64, threshold=0.9)
    field, _ = FieldClassifier(strict, Scripted(0, 2)).classify(image)  # 0.88
    assert field.suggested == "healthy"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((9, 9), np.uint8), id="grey"),
        pytest.param(np.zeros((9, 9, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((9, 9, 3), np.float32), id="floats"),
    ],
)
def test_only_rgb_bytes(wrong):
    with pytest.raises(ValueError, match="RGB uint8"):
        FieldClassifier(TINY, Scripted(0, 0)).classify(wrong)


def test_calls_queue(image):
    class Slow(Scripted):
        inside = most = 0

        def run(self, image):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return self.logits

    engine = Slow(0, 0)
    classifier = FieldClassifier(TINY, engine)
    threads = [threading.Thread(target=classifier.classify, args=(image,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.most == 1


def test_names_are_unique_and_unknown_ones_are_refused():
    assert len({spec.name for spec in (*CLASSIFIERS, *registry.MODELS)}) == len(CLASSIFIERS) + len(
        registry.MODELS
    )
    with pytest.raises(ModelError, match="cnn"):
        get_classifier("resnet")


@pytest.fixture
def weights_dir(tmp_path, monkeypatch):
    """An empty weights folder, a cache beside it, and two small classifiers in the registry."""
    monkeypatch.setattr(registry, "CLASSIFIERS", (TINY, UNSHIPPED))
    monkeypatch.setenv("ALLCELL_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("ALLCELL_CACHE_DIR", str(tmp_path / "cache"))
    settings.cache_clear()
    yield tmp_path / "weights"
    settings.cache_clear()


@pytest.fixture
def released(weights_dir):
    """Random weights, released as a training's are."""
    torch = pytest.importorskip("torch")
    from allcell.models.cnn import FieldCnn, initialise
    from allcell.training.cnn import release_cnn

    torch.manual_seed(2)
    network = FieldCnn(48, 64)
    initialise(network)
    checkpoint = weights_dir.parent / "last.pt"
    torch.save({"network": network.state_dict()}, checkpoint)
    for name in ("tiny", "unshipped"):
        release_cnn(name, checkpoint, weights_dir)
    return weights_dir


@pytest.mark.torch
def test_onnx_and_torch_agree(released):
    by_onnx = FieldClassifier.open("tiny", threads=1)
    by_torch = FieldClassifier.open("tiny", runtime="torch", threads=1)
    assert "ONNX" in by_onnx.engine.description
    assert by_torch.engine.description.startswith("torch")
    answers = []
    for seed in range(4):
        spec = FieldSpec(width_px=200, height_px=150, red_cell_px=20, seed=seed, blasts=seed)
        field = render(spec).image
        a, b = by_onnx.classify(field)[0], by_torch.classify(field)[0]
        assert a.probability == pytest.approx(b.probability, abs=1e-4)
        answers.append(a.probability)
    assert np.ptp(answers) > 1e-3, "the answer must depend on the picture"


@pytest.mark.torch
def test_the_graph_is_compiled_once(released):
    FieldClassifier.open("tiny", threads=1)
    (graph,) = (settings().cache_dir / "onnx").iterdir()
    modified = graph.stat().st_mtime_ns
    FieldClassifier.open("tiny", threads=1)
    assert graph.stat().st_mtime_ns == modified


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.torch
def test_changed_weights_are_refused(released, runtime):
    path = released / "tiny.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not the one that was measured"):
        FieldClassifier.open("tiny", runtime=runtime)


@pytest.mark.torch
def test_weights_that_are_not_shipped_say_how_to_get_them(released):
    assert FieldClassifier.open("unshipped", runtime="torch").spec is UNSHIPPED
    (released / "unshipped.pt").unlink()
    with pytest.raises(ModelError, match="allcell train unshipped --release"):
        FieldClassifier.open("unshipped")
    (released / "tiny.pt").unlink()
    with pytest.raises(ModelError, match="git checkout"):
        FieldClassifier.open("tiny")


def test_no_weights_at_all(weights_dir):
    with pytest.raises(ModelError, match="has no weights"):
        FieldClassifier.open("tiny")
    with pytest.raises(ModelError, match="too large to be shipped"):
        FieldClassifier.open("unshipped")


@pytest.mark.torch
def test_an_unknown_device_is_an_error(released):
    with pytest.raises(DeviceError, match="tpu"):
        FieldClassifier.open("tiny", device="tpu")


@pytest.mark.torch
def test_the_manifest_holds_no_graph(released):
    manifest = json.loads((released / "manifest.json").read_text())
    assert set(manifest["tiny"]) == {"checkpoint", "parameters"}
