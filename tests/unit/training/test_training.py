"""Tiles and the training loop, on a small synthetic dataset."""

import csv
import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import allcell.cli.train  # noqa: F401  (registers the command)
from allcell.cli.base import app
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.data.yolo_sets import read_yolo
from allcell.detections import Detections
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.models.left_out import left_out_dir, left_out_models
from allcell.models.weights import sha256, verified
from allcell.synth import random_spec, render
from allcell.training.augment import Augmentation, paint_over_arrows, vary
from allcell.training.facts import note_taken, read_facts
from allcell.training.fields import Domain, TrainingField, canvas
from allcell.training.packed import paint_over
from allcell.training.recipe import Recipe, TileSource, load_recipe, recipes_without
from allcell.training.tiles import TileMaker, TileRecipe

PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def field(*squares, width=300, height=260):
    """Black squares on white: a box is right if it is exactly round the black."""
    image = np.full((height, width, 3), 255, np.uint8)
    for x, y, side, _ in squares:
        cv2.ellipse(
            image, (x + side // 2, y + side // 2), (side // 2, side // 2), 0, 0, 360, (0, 0, 0), -1
        )
    rows = [(x, y, x + side, y + side) for x, y, side, _ in squares]
    return TrainingField("f", image, Detections.truth(rows, [c for *_, c in squares]))


@pytest.fixture
def domains():
    fields = tuple(
        field((40 + 9 * k, 50, 30, 0), (150, 90 + 7 * k, 36, 1), (220, 200, 28, 2))
        for k in range(5)
    )
    return (Domain("a", fields, 20.0),)


def test_a_tile_depends_on_seed_epoch_and_index_alone(domains):
    one = TileMaker(domains, [1], TileRecipe(side_px=96), 7)
    two = TileMaker(domains, [3], TileRecipe(side_px=96), 7)
    for epoch, index in [(0, 0), (0, 1), (3, 1)]:
        assert np.array_equal(one.make(epoch, index)[0], two.make(epoch, index)[0])
    assert not np.array_equal(one.make(0, 0)[0], one.make(0, 1)[0])
    assert not np.array_equal(one.make(0, 0)[0], one.make(1, 0)[0])


def test_boxes_stay_on_the_cells_at_every_angle(domains):
    recipe = TileRecipe(side_px=128, paste=0.0, augmentation=PLAIN, weights=(1, 1, 1, 0))
    maker = TileMaker(domains, [1], recipe, 0)
    seen = 0
    for index in range(60):
        image, truth = maker.make(0, index)
        dark = image.max(axis=2) < 60
        for x1, y1, x2, y2 in truth.xyxy:
            if min(x1, y1) < 1 or max(x2, y2) > 127:
                continue
            seen += 1
            inside = dark[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
            ys, xs = np.nonzero(inside)
            # A disc fills its box on every side, to within a pixel and a half.
            assert xs.min() <= 2.5
            assert ys.min() <= 2.5
            assert inside.shape[1] - xs.max() <= 3.5
            assert inside.shape[0] - ys.max() <= 3.5
    assert seen > 40


def test_the_cell_in_the_middle_is_drawn_by_weight(domains):
    recipe = TileRecipe(side_px=64, paste=0.0, weights=(0, 1, 0, 0))
    maker = TileMaker(domains, [1], recipe, 0)
    assert all(1 in maker.make(0, index)[1].class_id for index in range(20))


def test_cells_are_pasted_across_laboratories_whatever_their_share():
    ill = Domain("ill", tuple(field((60, 50, 30, 0)) for _ in range(3)), 20.0)
    healthy = Domain("healthy", tuple(field((60, 50, 30, 1)) for _ in range(3)), 20.0)
    recipe = TileRecipe(side_px=128, paste=1.0, paste_across=True, augmentation=PLAIN)
    maker = TileMaker((ill, healthy), [0.0001, 1], recipe, 0)
    pasted = [int(c) for index in range(40) for c in maker.make(0, index)[1].class_id]
    # All tiles are cut from healthy fields, so every blast in them was pasted.
    assert 0.25 < pasted.count(0) / len(pasted) < 0.5
    by_share = TileMaker(
        (ill, healthy), [0.0001, 1], TileRecipe(side_px=128, paste=1.0, augmentation=PLAIN), 0
    )
    assert not [c for index in range(40) for c in by_share.make(0, index)[1].class_id if c == 0]


def test_mild_tiles_show_a_laboratory_as_it_is():
    ill = Domain("ill", (field((60, 50, 30, 0)),), 20.0)
    healthy = Domain("healthy", (field((60, 50, 30, 1)),), 20.0)
    strong = Augmentation(grey=1.0, stain=0, background=0, gamma=0, hue=0, saturation=0, jpeg=0)
    classes = {}
    for mild in (0.0, 1.0):
        recipe = TileRecipe(128, paste=1.0, paste_across=True, mild=mild, augmentation=strong)
        maker = TileMaker((ill, healthy), [0.0001, 1], recipe, 0)
        classes[mild] = {int(c) for index in range(30) for c in maker.make(0, index)[1].class_id}
    assert classes == {0.0: {0, 1}, 1.0: {1}}
    assert Augmentation(stain=0.4).scaled(0.5).stain == 0.2


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ({}, {False: 1.0}),
        ({"raw_share": 0.5}, {False: 1.0}),
        ({"normalise_stain": True}, {True: 1.0}),
        ({"normalise_stain": True, "raw_share": 0.25}, {True: 0.75, False: 0.25}),
    ],
    ids=["as stained", "nothing to share", "one stain", "both"],
)
def test_a_recipe_says_how_fields_are_stained(values, shares):
    source = TileSource(name="a", share=1, known_red_cell_px=20)
    recipe = Recipe(model="live", sources=(source,), epochs=1, tiles_per_epoch=1, **values)
    assert recipe.ways_of_staining() == shares


@pytest.mark.parametrize(
    "augment", [{"colour": 1}, {"stain": -0.1}], ids=["unknown name", "below zero"]
)
def test_a_recipe_with_a_variation_that_does_not_exist_is_refused(augment):
    source = TileSource(name="a", share=1, known_red_cell_px=20)
    with pytest.raises(ValueError, match="augment"):
        Recipe(model="live", sources=(source,), epochs=1, tiles_per_epoch=1, augment=augment)


def test_pieces_of_cells_are_not_pasted():
    whole = Domain("whole", (field((60, 50, 30, 1)),), 20.0)
    cut = Domain("cut", (field((0, 50, 30, 0)),), 20.0)
    recipe = TileRecipe(side_px=128, paste=1.0, paste_across=True, augmentation=PLAIN)
    maker = TileMaker((whole, cut), [1, 0.0001], recipe, 0)
    assert not [c for index in range(40) for c in maker.make(0, index)[1].class_id if c == 0]


def test_small_fields_are_laid_side_by_side():
    small = tuple(field((20, 20, 30, 1), width=90, height=80) for _ in range(3))
    domain = Domain("pbc", small, 20.0)
    laid = canvas(domain, small[0], 200, np.random.default_rng(0))
    assert min(laid.image.shape[:2]) >= 200
    assert len(laid.truth) == 9
    assert laid.image[35, 35].max() == 0
    assert laid.image[35 + 80, 35 + 90].max() == 0


def test_augmentation_keeps_the_shape_and_changes_the_colours():
    image = render(random_spec(0, 320, 240, 24)).image
    rng = np.random.default_rng(0)
    many = np.stack([vary(image, rng, Augmentation()) for _ in range(8)])
    assert many.shape == (8, 240, 320, 3)
    assert many.dtype == np.uint8
    assert np.ptp(many.mean(axis=(1, 2)), axis=0).min() > 15


def test_arrows_are_painted_over_and_cells_are_not():
    clean = render(random_spec(4, 1280, 960, 40)).image
    drawn = clean.copy()
    cv2.arrowedLine(drawn, (300, 300), (380, 420), (255, 165, 80), 22, tipLength=0.5)
    changed = np.abs(drawn.astype(int) - clean).max(axis=2) > 40
    repaired = paint_over_arrows(drawn)
    assert changed.sum() > 1000
    left = np.abs(repaired[changed].astype(int) - np.array([255, 165, 80])).max(axis=1) < 30
    assert left.mean() < 0.05
    assert np.array_equal(paint_over_arrows(clean), clean)


def test_unlabelled_cells_are_painted_over():
    image = field((100, 100, 40, 0)).image
    assert image[120, 120].max() == 0
    assert paint_over(image, np.array([[98, 98, 142, 142]], np.float32))[120, 120].min() > 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"epochs": 0}, "epochs", id="no epoch"),
        pytest.param({"lerning_rate": 1}, "lerning_rate", id="misspelt"),
        pytest.param({"sources": [{"name": "x", "share": 0}]}, "share", id="no share"),
        pytest.param({"leaves_out": "nowhere"}, "no laboratory", id="leaves out nobody we know"),
        pytest.param({"leaves_out": "allidb1"}, "uses", id="validates on what it leaves out"),
        pytest.param(
            {"leaves_out": "pbc", "sources": [{"name": "pbc", "share": 1}]},
            "uses",
            id="trains on what it leaves out",
        ),
    ],
)
def test_a_wrong_recipe_is_refused(change, message):
    good = {"model": "live", "sources": [{"name": "x", "share": 1}], "epochs": 1}
    with pytest.raises(ValueError, match=message):
        Recipe(**{**good, "tiles_per_epoch": 1, **change})


def test_recipes_are_found_by_name():
    assert load_recipe("live").model == "live"
    with pytest.raises(DataError, match="live"):
        load_recipe("nobody")


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "data" / "made"
    for split, seeds in (("train", range(4)), ("val", range(4, 6))):
        (root / "images" / split).mkdir(parents=True)
        for seed in seeds:
            made = render(random_spec(seed, 480, 360, 20))
            (root / "images" / split / f"{seed}.png").write_bytes(encode_png(made.image))
            size = np.array([480, 360] * 2)
            boxes = made.truth.xyxy / size
            rows = [
                (int(c), (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
                for c, (x1, y1, x2, y2) in zip(made.truth.class_id, boxes, strict=True)
            ]
            write_labels(root / "labels" / split / f"{seed}.txt", rows)
    write_dataset_yaml(root, ("train", "val"))
    assert len(read_yolo(root, "train")) == 4
    return tmp_path


@pytest.mark.torch
def test_train_stop_and_go_on(dataset):
    """Two epochs in one go, and one after the other: the same rows, the second run resumed."""
    pytest.importorskip("ultralytics")
    from allcell.training.trainer import train

    recipe = Recipe(
        model="live",
        sources=(TileSource(name="made", share=1, known_red_cell_px=20),),
        validation="made",
        epochs=2,
        tiles_per_epoch=8,
        tile_px=96,
        batch=4,
    )
    run = dataset / "run"
    epochs = []

    class StoppedError(Exception):
        pass

    def stop(epoch, total, metrics):
        epochs.append(epoch)
        if epoch == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(recipe, dataset / "data", run, threads=1, on_epoch=stop)
    best = train(recipe, dataset / "data", run, threads=1, on_epoch=stop_never(epochs))
    assert best.is_file()
    assert epochs == [1, 2]
    assert train(recipe, dataset / "data", run, threads=1, on_epoch=stop) == best
    assert epochs == [1, 2], "a finished run is left as it is"
    with (run / "results.csv").open() as file:
        assert [int(float(row["epoch"])) for row in csv.DictReader(file)] == [1, 2]
    facts = read_facts(run)
    assert facts["start"] == "random weights"
    assert (facts["epochs"], facts["threads"], facts["training_fields"]) == (2, 1, {"made": 4})
    assert facts["taken_epoch"] in (1, 2)
    assert "pretraining" not in facts


@pytest.mark.torch
def test_a_recipe_with_a_start_trains_that_first(dataset, monkeypatch):
    """`allcell train` on a recipe that starts from another: both are run, and the facts say so."""
    pytest.importorskip("ultralytics")
    plain = {
        "model": "live",
        "sources": (TileSource(name="made", share=1, known_red_cell_px=20),),
        "validation": "made",
        "epochs": 1,
        "tiles_per_epoch": 8,
        "tile_px": 96,
        "batch": 4,
    }
    recipes = {"first": Recipe(**plain), "second": Recipe(**plain, start="first")}
    monkeypatch.setattr("allcell.cli.train.load_recipe", recipes.__getitem__)
    runs = dataset / "runs"
    done = CliRunner().invoke(
        app,
        [
            *("train", "second", "--threads", "1"),
            *("--data", str(dataset / "data"), "--run", str(runs / "second")),
        ],
    )
    assert done.exit_code == 0, done.output
    assert (runs / "first" / "weights" / "best.pt").is_file()
    facts = read_facts(runs / "second")
    assert facts["start"]["file"] == "best.pt"
    assert facts["pretraining"]["epochs"] == 1
    assert facts["start"]["sha256"] == sha256(runs / "first" / "weights" / "best.pt")


@pytest.mark.torch
def test_a_model_without_a_laboratory_is_released_beside_the_shipped_ones(dataset, monkeypatch):
    pytest.importorskip("ultralytics")
    recipe = Recipe(
        model="live",
        sources=(TileSource(name="made", share=1, known_red_cell_px=20),),
        validation="made",
        leaves_out="pbc",
        normalise_stain=True,
        epochs=1,
        tiles_per_epoch=8,
        tile_px=96,
        batch=4,
    )
    monkeypatch.setattr("allcell.cli.train.load_recipe", {"lean": recipe}.__getitem__)
    weights = dataset / "weights"
    monkeypatch.setattr("allcell.cli.train.weights_to_write", lambda: weights)
    done = CliRunner().invoke(
        app,
        [
            *("train", "lean", "--threads", "1", "--release"),
            *("--data", str(dataset / "data"), "--run", str(dataset / "runs" / "lean")),
        ],
    )
    assert done.exit_code == 0, done.output
    assert not (weights / "live.pt").exists(), "the shipped model stays as it is"
    assert not (weights / "manifest.json").exists()
    [model] = left_out_models(weights)
    assert (model.spec.name, model.of, model.seen) == ("lean", "live", {"made"})
    assert model.spec.normalise_stain
    checkpoint = verified(model.files.checkpoint, left_out_dir(weights))
    assert checkpoint.name == "lean.pt"
    facts = json.loads((weights / "metrics" / "lean_training.json").read_text())
    assert model.spec.confidence == facts["suggested_confidence"]
    assert (weights / "metrics" / "lean_training.csv").is_file()


def stop_never(epochs):
    return lambda epoch, total, metrics: epochs.append(epoch)


@pytest.mark.torch
def test_a_missing_dataset_says_how_to_make_it(tmp_path):
    pytest.importorskip("ultralytics")
    from allcell.training.trainer import train

    with pytest.raises(DataError, match="allcell data"):
        train(load_recipe("live"), tmp_path, tmp_path / "run")


def test_the_taken_checkpoint_is_written_down(tmp_path):
    (tmp_path / "facts.json").write_text("{}")
    (tmp_path / "results.csv").write_text(
        "epoch,time,metrics/mAP50-95(B)\n1,5,0.2\n2,10,0.6\n3,15,0.5\n"
    )
    assert read_facts(tmp_path)["taken_epoch"] == 2
    note_taken(tmp_path, tmp_path / "weights" / "last.pt", 0.35)
    assert read_facts(tmp_path)["taken_epoch"] == 3
    assert read_facts(tmp_path)["suggested_confidence"] == 0.35
    note_taken(tmp_path, tmp_path / "weights" / "best.pt", 0.4)
    assert read_facts(tmp_path)["taken_epoch"] == 2


def test_each_laboratory_is_left_out_by_one_recipe():
    recipes = recipes_without()
    assert {laboratory for _, laboratory in recipes} == set(LABORATORIES)
    assert {model for model, _ in recipes} == {"live"}
    for (_, laboratory), name in recipes.items():
        recipe = load_recipe(name)
        assert recipe.leaves_out == laboratory
        others = {source.name for source in recipe.sources}
        assert others == set(LABORATORIES) - {laboratory}, "same data but for the one left out"


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("live", "live", id="a model"),
        pytest.param("live-without-pbc", "live-without-pbc", id="a model without a laboratory"),
        pytest.param("cnn", "cnn", id="a classifier"),
        pytest.param("yolov5s-pretrain", None, id="not a model by itself"),
    ],
)
def test_what_a_recipe_is_released_as(name, expected):
    pytest.importorskip("ultralytics")
    from allcell.training.release import released_as

    if expected:
        assert released_as(name, load_recipe(name)) == expected
        return
    with pytest.raises(DataError, match="only prepares yolov5s"):
        released_as(name, load_recipe(name))


@pytest.mark.torch
def test_a_model_that_would_see_other_pictures_than_its_training_is_not_released():
    pytest.importorskip("ultralytics")
    from allcell.training.release import released_as

    recipe = load_recipe("yolov6")
    other = recipe.model_copy(update={"normalise_stain": not recipe.normalise_stain})
    with pytest.raises(DataError, match="normalise_stain"):
        released_as("yolov6", other)


@pytest.mark.torch
def test_in_bfloat16_the_loss_sees_32_bits():
    import torch

    from allcell.training.trainer import _in_bfloat16

    layer = torch.nn.Linear(4, 4)
    seen = []

    def forward(batch):
        if isinstance(batch, dict):
            return run(batch["img"])["boxes"][0].sum()
        answer = layer(batch)
        seen.append(answer.dtype)
        return {"boxes": [answer], "n": 1}

    run = _in_bfloat16(forward, "cpu")
    loss = run({"img": torch.ones(2, 4)})
    assert seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    loss.backward()
    assert layer.weight.grad.dtype == torch.float32
