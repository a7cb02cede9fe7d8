"""`evaluate --laboratories` on rendered fields, with stub networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

import allcell.cli.evaluate  # noqa: F401  (registers the command)
from allcell.cli.base import app
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.detector import Detector
from allcell.evaluation.published_sets import SETS, TEST_PARTS
from allcell.imaging.images import encode_png
from allcell.models.left_out import left_out_dir
from allcell.models.registry import get_spec
from allcell.models.weights import ModelFiles, WeightFile, describe, write_manifest
from allcell.settings import settings
from allcell.synth import random_spec, render

pytestmark = pytest.mark.slow


class OneBlast:
    """Always suggests one blast in the upper left corner."""

    description = "stub"

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        output = np.zeros((4 + len(get_spec("live").classes), 1), np.float32)
        output[:5, 0] = (20, 20, 20, 20, 0.9)
        return output


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Test parts of two laboratories, one of them without blasts."""
    for name, split in (("taleqani", "test"), ("chula", "held_out")):
        root = tmp_path / "data" / name
        (root / "images" / split).mkdir(parents=True)
        for n in range(2):
            made = render(random_spec(n, 240, 180, 20))
            (root / "images" / split / f"f{n}.png").write_bytes(encode_png(made.image))
            kind = 0 if name == "taleqani" else 1
            write_labels(root / "labels" / split / f"f{n}.txt", [(kind, 0.5, 0.5, 0.1, 0.1)])
        write_dataset_yaml(root, (split,))
    return tmp_path / "data"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The live model, and a model that has seen everything but Taleqani."""
    folder = tmp_path / "weights"
    (folder / "metrics").mkdir(parents=True)
    left_out_dir(folder).mkdir()
    monkeypatch.setenv("ALLCELL_WEIGHTS_DIR", str(folder))
    settings.cache_clear()
    live = WeightFile(file="live.pt", sha256="1" * 64, bytes=1)
    write_manifest(folder, {"live": ModelFiles(checkpoint=live, parameters=1)})
    name = "live-without-taleqani"
    checkpoint = left_out_dir(folder) / f"{name}.pt"
    checkpoint.write_bytes(b"weights")
    entry = ModelFiles(checkpoint=describe(checkpoint), parameters=1)
    write_manifest(left_out_dir(folder), {name: entry})
    facts = {
        "recipe": {"model": "live", "validation": "allidb1", "normalise_stain": True},
        "training_fields": dict.fromkeys(set(LABORATORIES) - {"taleqani"}, 9),
        "start": "random weights",
        "suggested_confidence": 0.55,
    }
    (folder / "metrics" / f"{name}_training.json").write_text(json.dumps(facts))
    opened: list[Path] = []

    def open_checkpoint(path: Path, *, device: str) -> OneBlast:
        opened.append(path)
        return OneBlast()

    def open_shipped(name: str, **how: Any) -> Detector:
        return Detector(get_spec(name), OneBlast())

    monkeypatch.setattr("allcell.evaluation.publish.open_checkpoint", open_checkpoint)
    monkeypatch.setattr("allcell.evaluation.publish.Detector.open", open_shipped)
    monkeypatch.setattr("allcell.evaluation.publish.RESAMPLES", 20)
    yield folder, opened
    monkeypatch.undo()
    settings.cache_clear()


def evaluate(*options: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", "--laboratories", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_each_laboratory_is_scored_by_who_never_saw_it_and_by_the_shipped(
    data: Path, weights: Any
) -> None:
    folder, opened = weights
    said = evaluate("--data", str(data))
    assert {p.name for p in (folder / "metrics").glob("*_*_*.json")} == {
        "live_taleqani_test.json",
        "live_chula_held_out.json",
        "live-without-taleqani_taleqani_test.json",
    }
    assert [path.parent.name for path in opened] == ["left_out"]
    scored = json.loads((folder / "metrics" / "live_chula_held_out.json").read_text())
    assert scored["false_blasts_per_field"] == 1
    twin = json.loads((folder / "metrics" / "live-without-taleqani_taleqani_test.json").read_text())
    assert twin["model"] == "live-without-taleqani"
    assert twin["settings"]["operating_confidence"] == 0.55
    assert not (folder / "metrics" / "predictions" / "live-without-taleqani.json").exists()
    for line in ("bccd is not in", "chula: no model is here that never saw it"):
        assert line in said
    assert "trained without it, has seen it: never; Blasts found: .000" in said
    assert "not measured yet: live, trained without it" in said


def test_a_left_out_checkpoint_that_was_exchanged_is_refused(data: Path, weights: Any) -> None:
    folder, _ = weights
    (left_out_dir(folder) / "live-without-taleqani.pt").write_bytes(b"others")
    done = CliRunner().invoke(app, ["evaluate", "--laboratories", "--data", str(data)])
    assert done.exit_code != 0
    assert not (folder / "metrics" / "live-without-taleqani_taleqani_test.json").exists()


def test_a_folder_without_laboratories_says_what_was_expected(tmp_path: Path, weights: Any) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--laboratories", "--data", str(tmp_path)])
    assert done.exit_code != 0
    assert "allidb1, taleqani, bccd, pbc, chula" in done.output


def test_the_test_part_of_every_laboratory_is_published() -> None:
    assert set(TEST_PARTS) <= set(SETS)
    assert dict(TEST_PARTS) == {lab.name: lab.test for lab in LABORATORIES.values()}
    assert len(SETS) == len(set(SETS)) == len(LABORATORIES) + 1, "and validation"
