"""The paper's CNN and its training, on fields of a few pixels."""
# ruff: noqa: E402 (nothing here can be imported without torch)

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from allcell.classifier import turned
from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.errors import DataError, ModelError
from allcell.imaging.images import decode, encode_png
from allcell.models import registry
from allcell.models.cnn import FieldCnn, initialise, load_network, parameter_count, with_weights
from allcell.models.registry import CLASSIFIERS, ClassifierSpec, get_classifier
from allcell.models.weights import read_manifest
from allcell.synth import FieldSpec, render
from allcell.training.cnn import accumulate, release_cnn, train_cnn, vary
from allcell.training.facts import read_facts
from allcell.training.recipe import CnnRecipe, Recipe, load_recipe

pytestmark = pytest.mark.torch

TINY = ClassifierSpec(name="tiny", title="t", summary="s", height_px=48, width_px=64)
RECIPE = CnnRecipe(
    task="classify",
    model="tiny",
    data="made",
    epochs=3,
    batch=4,
    micro_batch=2,
    learning_rate=0.001,
    seed=0,
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(registry, "CLASSIFIERS", (*CLASSIFIERS, TINY))


@pytest.fixture
def data_dir(tmp_path):
    """Six fields to learn from, two to watch, and a test split that breaks whoever opens it."""
    root = tmp_path / "data" / "made"
    for split, seeds in (("train", range(6)), ("val", range(6, 8)), ("test", ())):
        (root / "images" / split).mkdir(parents=True)
        (root / "labels" / split).mkdir(parents=True)
        for seed in seeds:
            spec = FieldSpec(
                width_px=160, height_px=120, red_cell_px=14, seed=seed, blasts=4 * (seed % 2)
            )
            name = f"{seed}.png"
            (root / "images" / split / name).write_bytes(encode_png(render(spec).image))
            rows = [(0, 0.5, 0.5, 0.2, 0.2)] if seed % 2 else [(1, 0.5, 0.5, 0.2, 0.2)]
            write_labels(root / "labels" / split / f"{seed}.txt", rows)
    (root / "images" / "test" / "secret.png").write_bytes(b"not to be read")
    write_dataset_yaml(root, ("train", "val", "test"))
    return root.parent


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        pytest.param("cnn-900x1200", 137_657_698, id="as the paper's notebook prints"),
        pytest.param("cnn", 15_187_298, id="shipped form"),
    ],
)
def test_parameters(name, parameters):
    spec = get_classifier(name)
    with torch.device("meta"):
        network = FieldCnn(spec.height_px, spec.width_px)
    assert parameter_count(network) == parameters
    assert str(spec.height_px) in spec.title


@pytest.mark.parametrize(
    ("height", "width"),
    [pytest.param(48, 64, id="multiples of 8"), pytest.param(45, 61, id="odd sides are floored")],
)
def test_any_size_of_input(height, width):
    network = FieldCnn(height, width).eval()
    pictures = torch.zeros(3, height, width, 3, dtype=torch.uint8)
    assert network(pictures).shape == (3, 2)


def test_bytes_are_rescaled_inside_the_network():
    network = FieldCnn(16, 16).eval()
    first = []
    network.features.register_forward_pre_hook(lambda _, args: first.append(args[0]))
    network(torch.full((1, 16, 16, 3), 255, dtype=torch.uint8))
    assert first[0].shape == (1, 3, 16, 16)
    assert first[0].min() == pytest.approx(1.0)
    assert first[0].max() == pytest.approx(1.0)


def test_new_weights_are_keras_own():
    network = FieldCnn(16, 16)
    initialise(network)
    dense = network.head[2]
    limit = (6 / (dense.in_features + dense.out_features)) ** 0.5
    assert dense.weight.abs().max() <= limit
    assert dense.weight.abs().max() > 0.95 * limit
    assert not dense.bias.any()


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_parts_of_a_batch_add_up_to_its_gradient(micro_batch):
    torch.manual_seed(0)
    network = FieldCnn(16, 16).eval()  # dropout draws anew for each part
    pictures = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 1, 0, 1])
    torch.nn.functional.cross_entropy(network(pictures), labels).backward()
    whole = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    parts = zip(pictures.split(micro_batch), labels.split(micro_batch), strict=True)
    accumulate(network, parts, 5)
    for expected, parameter in zip(whole, network.parameters(), strict=True):
        assert torch.allclose(parameter.grad, expected, atol=1e-6)


def test_variation_zooms_out_and_reaches_every_angle():
    disc = np.zeros((241, 241, 3), np.uint8)
    ys, xs = np.mgrid[:241, :241] - 120
    disc[xs**2 + ys**2 < 15**2] = 255
    disc[118:123, 127:132] = (255, 0, 0)  # where the mark ends up tells the angle
    areas, marked = [], []
    for seed in range(60):
        seen = vary(disc, np.random.default_rng(seed))
        areas.append((seen[..., 0] > 127).sum() / (disc[..., 0] > 127).sum())
        y, x = np.argwhere((seen[..., 0] > 127) & (seen[..., 1] < 90)).mean(axis=0)
        marked.append(np.degrees(np.arctan2(y - 120, x - 120)))
    assert 1 / 1.3**2 - 0.03 < min(areas) < 0.65
    assert 0.75 < max(areas) < 1 / 1.1**2 + 0.03
    quadrants = np.histogram(marked, [-180, -90, 0, 90, 180])[0]
    assert quadrants.min() >= 5


def test_half_of_the_fields_are_mirrored():
    image = render(FieldSpec(width_px=96, height_px=96, red_cell_px=14, seed=1)).image
    mirrored = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        seen = vary(image, rng).astype(int)
        rng = np.random.default_rng(seed)
        plain = turned(image, rng.uniform(-180, 180), zoom=1 / rng.uniform(1.1, 1.3))
        mirrored += bool(np.abs(seen - plain).mean() > 1)
    assert 10 < mirrored < 30


def curve(run):
    with (run / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "time"} for row in rows]


def network_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)["network"]


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(data_dir, tmp_path, stop_after):
    whole = train_cnn(RECIPE, data_dir, tmp_path / "whole", threads=1)

    class StoppedError(Exception):
        pass

    def stop(epoch, total, row):
        assert total == 3
        if epoch == stop_after:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_cnn(RECIPE, data_dir, tmp_path / "parts", threads=1, on_epoch=stop)
    torch.rand(7)  # a new process has another random state
    parts = train_cnn(RECIPE, data_dir, tmp_path / "parts", threads=1)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    assert [row["epoch"] for row in curve(tmp_path / "parts")] == ["1", "2", "3"]
    first, second = network_of(whole), network_of(parts)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_run_is_left_as_it_is(data_dir, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 1})
    last = train_cnn(recipe, data_dir, tmp_path / "run", threads=1)
    before = last.read_bytes()
    assert train_cnn(recipe, data_dir, tmp_path / "run", threads=1) == last
    assert last.read_bytes() == before


def test_another_seed_is_another_training(data_dir, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 1})
    train_cnn(recipe, data_dir, tmp_path / "a", threads=1)
    train_cnn(recipe.model_copy(update={"seed": 1}), data_dir, tmp_path / "b", threads=1)
    assert curve(tmp_path / "a") != curve(tmp_path / "b")


def test_a_run_is_not_gone_on_with_by_another_recipe(data_dir, tmp_path):
    train_cnn(RECIPE.model_copy(update={"epochs": 1}), data_dir, tmp_path / "run", threads=1)
    with pytest.raises(DataError, match="other settings"):
        train_cnn(RECIPE.model_copy(update={"batch": 2}), data_dir, tmp_path / "run", threads=1)


def test_a_run_of_something_else_is_not_gone_on_with(data_dir, tmp_path):
    last = tmp_path / "run" / "weights" / "last.pt"
    last.parent.mkdir(parents=True)
    torch.save({"model": FieldCnn(16, 16)}, last)  # as ultralytics keeps a detector's run
    with pytest.raises(ModelError, match="empty folder"):
        train_cnn(RECIPE, data_dir, tmp_path / "run")


def test_it_learns(data_dir, tmp_path):
    for path in (data_dir / "made" / "images").glob("*/[1357].png"):
        path.write_bytes(encode_png(decode(path) // 2))  # a difference that is learnt at once
    recipe = RECIPE.model_copy(update={"epochs": 25, "batch": 2})
    train_cnn(recipe, data_dir, tmp_path / "run", threads=1)
    rows = curve(tmp_path / "run")
    assert read_facts(tmp_path / "run")["taken_epoch"] == 25, "the last one, whatever its figures"
    assert list(rows[0]) == ["epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy"]
    assert float(rows[-1]["train/loss"]) < 0.5 < float(rows[0]["train/loss"])
    assert float(rows[-1]["val/accuracy"]) == 1.0


def test_a_missing_dataset_is_named(tmp_path):
    with pytest.raises(DataError, match="made"):
        train_cnn(RECIPE, tmp_path, tmp_path / "run")


def test_release_writes_a_plain_half_precision_state_dict(data_dir, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 1})
    last = train_cnn(recipe, data_dir, tmp_path / "run", threads=1)
    entry = release_cnn("tiny", last, tmp_path / "weights")
    path = tmp_path / "weights" / "tiny.pt"
    weights = torch.load(path, weights_only=True)
    trained = network_of(last)
    assert weights.keys() == trained.keys()
    assert all(torch.equal(weights[name], trained[name].half()) for name in weights)
    assert read_manifest(tmp_path / "weights") == {"tiny": entry}
    assert entry.parameters == sum(tensor.numel() for tensor in trained.values())
    assert str(tmp_path).encode() not in path.read_bytes()
    network = load_network(path, 48, 64)
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_weights_of_another_size_are_refused():
    with pytest.raises(ModelError, match="24x32"):
        with_weights(FieldCnn(48, 64).state_dict(), 24, 32)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save(FieldCnn(16, 16), path)  # a pickled object, not a state dict
    with pytest.raises(ModelError, match=r"evil\.pt"):
        load_network(path, 16, 16)


def test_nothing_to_release_is_an_error(tmp_path):
    last = tmp_path / "last.pt"
    with pytest.raises(DataError, match=r"last\.pt"):
        release_cnn("tiny", last, tmp_path)
    torch.save({"history": []}, last)
    with pytest.raises(ModelError, match="not those of the CNN"):
        release_cnn("tiny", last, tmp_path)


@pytest.mark.parametrize("name", ["cnn", "cnn-900x1200"])
def test_recipes_are_the_papers(name):
    recipe = load_recipe(name)
    assert isinstance(recipe, CnnRecipe)
    assert (recipe.model, recipe.epochs, recipe.batch) == (name, 40, 32)
    assert recipe.learning_rate == 0.001


def test_detectors_keep_their_own_recipes():
    assert isinstance(load_recipe("live"), Recipe)
