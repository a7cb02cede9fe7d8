"""A card says what the evaluator's JSON says, and nothing else."""

import json

import pytest

from allcell.errors import DataError
from allcell.models.registry import get_spec
from allcell.models.weights import ModelFiles, WeightFile
from allcell.report.cards import render_card
from allcell.report.readme import BEGIN, END, fill
from allcell.settings import RESEARCH_USE

FILES = ModelFiles(checkpoint=WeightFile(file="live.pt", sha256="a" * 64, bytes=1), parameters=1234)


def metrics(**changes):
    counts = {"tp": 7, "fp": 3, "fn": 2, "precision": 0.7, "recall": 0.777}
    scores = {"precision": 0.912, "recall": 0.934, "ap50": 0.956, "ap50_95": 0.678}
    one = {"cells": 9, **scores, "at_operating_point": counts}
    share = {"k": 1, "n": 17, "fraction": 0.0588, "low": 0.0015, "high": 0.2869}
    return {
        "model_sha256": "a" * 64,
        "images": 17,
        "date": "2026-01-02T03:04:05+00:00",
        "device": "a CPU",
        "settings": {"operating_confidence": 0.35},
        "best_f1_confidence": 0.61,
        "classes": {"blast": one, "healthy": one, "smudge": one},
        "white_cells": counts,
        "centroids": counts,
        "false_blasts_per_field": 0.176,
        "fields_with_false_blast": share,
        "sensitivity": share,
        "specificity": share,
    } | changes


@pytest.fixture
def weights_dir(tmp_path):
    (tmp_path / "metrics").mkdir()
    return tmp_path


def keep(weights_dir, data, content):
    (weights_dir / "metrics" / f"live_{data}.json").write_text(json.dumps(content))


def test_without_measurements_it_says_so(weights_dir):
    card = render_card(get_spec("live"), FILES, weights_dir)
    assert "Not measured yet." in card
    assert RESEARCH_USE in card
    assert "1,234 parameters" in card


@pytest.mark.parametrize("text", ["0.956", "0.678", "2026-01-02", "7 | 3 | 2", "1 of 17", "0.176"])
def test_every_number_is_there(weights_dir, text):
    keep(weights_dir, "allidb1_test", metrics())
    assert text in render_card(get_spec("live"), FILES, weights_dir)


def test_the_card_follows_the_json(weights_dir):
    changed = metrics()
    changed["classes"]["blast"] = {**changed["classes"]["blast"], "ap50": 0.4321}
    keep(weights_dir, "allidb1_test", changed)
    assert "0.432" in render_card(get_spec("live"), FILES, weights_dir)


def test_numbers_of_other_weights_are_called_invalid(weights_dir):
    keep(weights_dir, "allidb1_test", metrics(model_sha256="b" * 64))
    assert "Measured with other weights" in render_card(get_spec("live"), FILES, weights_dir)
    keep(weights_dir, "allidb1_test", metrics())
    assert "Measured with other weights" not in render_card(get_spec("live"), FILES, weights_dir)


def test_the_readme_follows_the_json(weights_dir):
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    empty = fill(text, weights_dir)
    assert "old" not in empty
    assert empty.startswith("before")
    assert empty.endswith("after\n")
    keep(weights_dir, "allidb1_test", metrics())
    keep(weights_dir, "bccd_held_out", metrics(images=124))
    filled = fill(text, weights_dir)
    assert "| `live` | .956 | .678 | .956 | .678 | .777 | .700 |" in filled
    assert "BCCD, 124 fields | .176 | .777" in filled
    assert fill(filled, weights_dir) == filled


def test_a_readme_without_markers_is_refused(weights_dir):
    with pytest.raises(DataError, match="markers"):
        fill("nothing here", weights_dir)


def test_the_training_curve_names_its_best_epoch(weights_dir):
    rows = "epoch,time,metrics/mAP50-95(B)\n1,60,0.5\n2,7200,0.7\n3,10800,0.6\n"
    (weights_dir / "metrics" / "live_training.csv").write_text(rows)
    card = render_card(get_spec("live"), FILES, weights_dir)
    assert "3 epochs, 3.0 hours" in card
    assert "epoch 2" in card
