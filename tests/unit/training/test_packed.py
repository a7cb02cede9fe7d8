"""Datasets written at the size of training are read back as if they were the originals."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import allcell.cli.make_data  # noqa: F401  (registers the command)
from allcell.cli.base import app
from allcell.data.synthetic import make_synthetic
from allcell.errors import DataError
from allcell.training.fields import load_domain
from allcell.training.packed import STORED_ZOOM, pack, pack_recipes, read_measured

SIZE_PX = 10.0


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    make_synthetic(folder / "whole", 3, seed=40)
    pack(folder / "whole", "train", folder / "packed", SIZE_PX, known_red_cell_px=32.0)
    return folder


@pytest.mark.parametrize("normalise", [False, True], ids=["as stained", "brought to one stain"])
def test_a_packed_dataset_trains_as_the_original_does(rendered, normalise):
    # Fields are enlarged from what is kept, as for a network that sees larger cells.
    for px in (SIZE_PX, SIZE_PX * STORED_ZOOM):
        original, packed = (
            load_domain(
                "x",
                rendered / kind,
                "train",
                px,
                known_red_cell_px=32.0,
                normalise_stain=normalise,
            )
            for kind in ("whole", "packed")
        )
        for a, b in zip(original.fields, packed.fields, strict=True):
            assert np.abs(np.subtract(a.image.shape, b.image.shape)).max() <= 1
            assert np.array_equal(a.truth.class_id, b.truth.class_id)
            assert a.truth.xyxy == pytest.approx(b.truth.xyxy, abs=0.6)
            height, width = (min(x) for x in zip(a.image.shape[:2], b.image.shape[:2], strict=True))
            off = np.subtract(a.image[:height, :width], b.image[:height, :width], dtype=np.int16)
            assert np.abs(off).mean() < 4


def test_fields_are_never_enlarged_to_be_kept(rendered, tmp_path):
    pack(rendered / "whole", "train", tmp_path, 100.0, known_red_cell_px=32.0)
    assert {one.red_cell_px for one in read_measured(tmp_path, "train").values()} == {32.0}


def test_a_dataset_that_is_not_packed_has_no_measurements(rendered):
    assert read_measured(rendered / "whole", "train") is None


@pytest.mark.parametrize(
    "content",
    ["{", '{"a": 1}', '{"a": {"red_cell_px": 3}}', "[]"],
    ids=["cut off", "no fields", "no stain", "a list"],
)
def test_damaged_measurements_are_named(tmp_path, content):
    (tmp_path / "train-measured.json").write_text(content)
    with pytest.raises(DataError, match=r"train-measured\.json"):
        read_measured(tmp_path, "train")


def test_the_command_packs_what_a_recipe_uses(rendered, tmp_path, monkeypatch):
    recipes = {
        "defaults": {"epochs": 1, "tiles_per_epoch": 1},
        "small": {
            "model": "live",
            "validation": "whole",
            "sources": [{"name": "whole", "share": 1, "known_red_cell_px": 32.0}],
        },
        "classifier": {
            "task": "classify",
            "model": "cnn",
            "epochs": 1,
            "batch": 1,
            "micro_batch": 1,
            "learning_rate": 1,
        },
    }
    monkeypatch.setattr("allcell.training.recipe._recipes", lambda: recipes)
    for folder in ("images", "labels"):
        (rendered / "whole" / folder / "val").mkdir(exist_ok=True)
        for path in sorted((rendered / "whole" / folder / "train").iterdir())[:1]:
            (rendered / "whole" / folder / "val" / path.name).write_bytes(path.read_bytes())
    command = ["data", "pack", "small", "--data", str(rendered), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "whole: 3 fields of train" in done.output
    assert "whole: 1 fields of val" in done.output
    assert len(json.loads((tmp_path / "whole" / "val-measured.json").read_text())) == 1
    with pytest.raises(DataError, match="not a detector"):
        list(pack_recipes(["classifier"], rendered, tmp_path))
