"""What a model has seen, by the facts of its training; and the models that did without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from allcell.errors import ModelError
from allcell.models.left_out import (
    has_seen,
    left_out_dir,
    left_out_models,
    sets_seen,
    without,
)
from allcell.models.registry import get_spec
from allcell.models.weights import ModelFiles, WeightFile, verified, write_manifest

FILES = ModelFiles(checkpoint=WeightFile(file="x.pt", sha256="a" * 64, bytes=1), parameters=1)


def facts(*seen: str, validation: str = "allidb1", **more: Any) -> dict[str, Any]:
    return {
        "recipe": {"model": "live", "validation": validation},
        "training_fields": dict.fromkeys(seen, 9),
        "start": "random weights",
        **more,
    }


FILE = {"file": "best.pt", "sha256": "b" * 64}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(facts("allidb1", "pbc"), {"allidb1", "pbc"}, id="what it was trained on"),
        pytest.param(
            facts("pbc", validation="taleqani"), {"pbc", "taleqani"}, id="what chose its epoch"
        ),
        pytest.param(
            facts("allidb1", start=FILE, pretraining=facts("bccd", "synthetic")),
            {"allidb1", "bccd", "synthetic"},
            id="what it was pre-trained on",
        ),
        pytest.param(facts("allidb1", start=FILE), None, id="a start that is not on record"),
        pytest.param(
            facts("allidb1", start=FILE, pretraining=facts("bccd", start=FILE)),
            None,
            id="a pre-training whose start is not on record",
        ),
        pytest.param(
            {
                "recipe": {"model": "cnn", "data": "allidb1"},
                "training_fields": {"allidb1": 9},
                "start": "random weights",
            },
            {"allidb1"},
            id="a classifier",
        ),
    ],
)
def test_what_a_model_has_seen(given: dict[str, Any], expected: set[str] | None) -> None:
    assert sets_seen(given) == expected
    for name in ("allidb1", "chula"):
        assert has_seen(given, name) == (None if expected is None else name in expected)


def test_a_training_that_is_not_on_record_says_nothing() -> None:
    assert has_seen(None, "allidb1") is None


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    left_out_dir(tmp_path).mkdir()
    return tmp_path


def add(weights: Path, **models: dict[str, Any] | None) -> None:
    write_manifest(left_out_dir(weights), dict.fromkeys(models, FILES))
    for name, its in models.items():
        if its is not None:
            path = weights / "metrics" / f"{name}_training.json"
            path.write_text(json.dumps(its), encoding="utf-8")


def test_it_has_the_network_and_rules_of_the_shipped_one(weights: Path) -> None:
    its = facts("pbc", "bccd")
    its["recipe"]["normalise_stain"] = True
    its["suggested_confidence"] = 0.65
    add(weights, lean=its)
    [model] = left_out_models(weights)
    live = get_spec("live")
    assert (model.of, model.spec.name) == ("live", "lean")
    assert model.spec.architecture == live.architecture
    assert model.spec.normalise_stain, "it must see what it was trained on"
    assert model.spec.confidence == 0.65, "chosen where it has been, not where it has not"


def test_without_a_threshold_of_its_own_it_has_the_shipped_ones(weights: Path) -> None:
    add(weights, lean=facts("pbc"))
    [model] = left_out_models(weights)
    assert model.spec.confidence == get_spec("live").confidence


@pytest.mark.parametrize(
    ("models", "laboratory", "expected"),
    [
        pytest.param({}, "pbc", None, id="none is there"),
        pytest.param({"one": facts("pbc")}, "pbc", None, id="it has seen it"),
        pytest.param({"one": None}, "pbc", None, id="its training is not on record"),
        pytest.param({"one": facts("bccd")}, "pbc", "one", id="it never saw it"),
        pytest.param(
            {"one": facts("bccd"), "two": facts("bccd", "chula")},
            "pbc",
            "two",
            id="the one that has seen most others",
        ),
    ],
)
def test_the_model_that_never_saw_a_laboratory(
    weights: Path, models: dict[str, Any], laboratory: str, expected: str | None
) -> None:
    add(weights, **models)
    found = without(left_out_models(weights), laboratory, "live")
    assert (found and found.spec.name) == expected
    assert without(left_out_models(weights), laboratory, "yolov7") is None


def test_its_file_is_checked_like_those_that_are_shipped(weights: Path) -> None:
    add(weights, lean=facts("pbc"))
    folder = left_out_dir(weights)
    with pytest.raises(ModelError, match="missing"):
        verified(FILES.checkpoint, folder)
    (folder / "x.pt").write_bytes(b"another")
    with pytest.raises(ModelError, match="not the one that was measured"):
        verified(FILES.checkpoint, folder)
