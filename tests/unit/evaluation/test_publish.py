"""All models measured in one go: the files that cards, README and pages read."""

import json
import re
import shutil

import pytest

from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.errors import DataError
from allcell.evaluation.evaluate import score
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.publish import publish
from allcell.imaging.images import encode_png
from allcell.settings import settings
from allcell.synth import random_spec, render

#: What differs from run to run.
_VOLATILE = re.compile(r'"(date|median_ms|total_ms)": ?("[^"]*"|[\d.]+)')


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr("allcell.evaluation.evaluate.RESAMPLES", 50)
    monkeypatch.setattr("allcell.evaluation.publish.RESAMPLES", 50)
    monkeypatch.setattr("allcell.evaluation.bootstrap.COMPARED_DRAWS", 50)
    monkeypatch.setattr("allcell.evaluation.bootstrap.MORE_DRAWS", 50)


@pytest.fixture
def weights_dir(tmp_path):
    """The live model alone."""
    source = settings().weights_dir
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("live.onnx", "live-int8.onnx", "live.pt"):
        shutil.copy(source / name, folder)
    manifest = json.loads((source / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({"live": manifest["live"]}))
    return folder


@pytest.fixture
def data_dir(tmp_path):
    root = tmp_path / "data" / "allidb1"
    for split, seed in (("val", 1), ("test", 2)):
        (root / "images" / split).mkdir(parents=True)
        for n in range(2):
            made = render(random_spec(seed + 10 * n, 480, 360, 20))
            (root / "images" / split / f"f{n}.png").write_bytes(encode_png(made.image))
            rows = [
                (int(c), (x1 + x2) / 960, (y1 + y2) / 720, (x2 - x1) / 480, (y2 - y1) / 360)
                for c, (x1, y1, x2, y2) in zip(made.truth.class_id, made.truth.xyxy, strict=True)
            ]
            write_labels(root / "labels" / split / f"f{n}.txt", rows)
    write_dataset_yaml(root, ("val", "test"))
    return root.parent


def contents(weights_dir):
    files = sorted((weights_dir / "metrics").rglob("*.json"))
    return {p.name: _VOLATILE.sub("", p.read_text()) for p in files}


@pytest.mark.slow
def test_it_writes_all_and_the_same_again(data_dir, weights_dir):
    said = []
    publish(data_dir, weights_dir, said.append)
    first = contents(weights_dir)
    assert set(first) == {
        "live_allidb1_val.json",
        "live_allidb1_test.json",
        "live_allidb1_test_int8.json",
        "comparison_allidb1_test.json",
    }
    assert sum("bccd" in line for line in said) == 1, "it says that BCCD is not there"
    publish(data_dir, weights_dir, said.append)
    assert contents(weights_dir) == first


def test_kept_answers_give_the_kept_numbers(data_dir, weights_dir):
    publish(data_dir, weights_dir, lambda line: None)
    metrics = weights_dir / "metrics"
    kept = json.loads((metrics / "live_allidb1_test.json").read_text())
    text = (metrics / "predictions" / "live_allidb1_test.json").read_text()
    assert json.loads(score(Predictions.from_json(text)).to_json()) == kept
    small = json.loads((metrics / "live_allidb1_test_int8.json").read_text())
    assert small["model_sha256"] != kept["model_sha256"], "each file is named by its own hash"


def test_without_allidb1_it_says_so(tmp_path, weights_dir):
    with pytest.raises(DataError, match="no folder"):
        publish(tmp_path / "data", weights_dir, lambda line: None)


@pytest.mark.slow
def test_a_model_without_its_weights_is_compared_by_what_is_kept(data_dir, weights_dir):
    publish(data_dir, weights_dir, lambda line: None)
    metrics = weights_dir / "metrics"
    live = json.loads((metrics / "live_allidb1_test.json").read_text())
    entry = {"file": "cnn.pt", "sha256": "5" * 64, "bytes": 1}
    manifest = json.loads((weights_dir / "manifest.json").read_text())
    manifest["cnn"] = {"checkpoint": entry, "parameters": 1}
    (weights_dir / "manifest.json").write_text(json.dumps(manifest))
    kept = {
        "model": "cnn",
        "model_sha256": entry["sha256"],
        "data_sha256": live["data_sha256"],
        "fields": {
            field["name"]: {"cancerous": field["blast_present"], "probability": 0.4}
            for field in live["fields"]
        },
    }

    def compared():
        publish(data_dir, weights_dir, lambda line: None)
        return json.loads((metrics / "comparison_allidb1_test.json").read_text())["models"]

    (metrics / "cnn_allidb1_test.json").write_text(json.dumps(kept))
    assert set(compared()) == {"live", "cnn"}
    (metrics / "cnn_allidb1_test.json").write_text(json.dumps({**kept, "data_sha256": "other"}))
    assert set(compared()) == {"live"}
