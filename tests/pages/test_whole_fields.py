"""The Detect page with the whole-field CNN, and the overview and curves of the Models page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.classifier import FieldClassifier
from allcell.models.registry import CLASSIFIERS, get_classifier
from allcell.models.weights import ModelFiles, describe, write_manifest
from allcell.report.paper import METRICS
from allcell.text.words import BOTH_APS
from allcell.ui.detect import whole_fields

TRUE, FALSE = 2.0, -2.0  # logits of a field that is cancerous, and of one that is not


class Answering:
    """A network that calls every field cancerous, and counts how often it was asked."""

    description = "answering engine"

    def __init__(self) -> None:
        self.runs = 0

    def run(self, image: Any) -> Any:
        """Logits of healthy and cancerous."""
        self.runs += 1
        assert image.shape == (300, 400, 3)
        return np.array([FALSE, TRUE], np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """The network behind the page."""
    engine = Answering()
    classifier = FieldClassifier(get_classifier("cnn"), engine)
    monkeypatch.setattr(whole_fields, "get_field_classifier", lambda name: classifier)
    return engine


def choose_cnn(app: AppTest) -> None:
    app.toggle(key="detect.whole_field_models").set_value(True).run()
    app.selectbox[0].set_value("cnn").run()


def test_a_model_that_judges_whole_fields_has_to_be_asked_for(
    app: AppTest, upload: Callable[..., AppTest], network: Answering, smear: bytes
) -> None:
    upload(("a.png", smear))
    titles = [spec.title for spec in CLASSIFIERS]
    assert not set(titles) & set(app.selectbox[0].options)
    assert not [m.value for m in app.markdown if any(title in m.value for title in titles)]
    choose_cnn(app)
    assert network.runs == 1
    app.toggle(key="detect.whole_field_models").set_value(False).run()
    assert not app.exception
    assert app.selectbox[0].value == "live", "back to one that shows its cells"


def everything(app: AppTest) -> str:
    groups = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def test_the_cnn_answers_for_the_whole_field_and_counts_nothing(
    app: AppTest, upload: Callable[..., AppTest], network: Answering, smear: bytes
) -> None:
    upload(("a.png", smear))
    choose_cnn(app)
    assert not app.exception
    text = everything(app)
    assert "Suggested class of the whole field: cancerous" in text
    assert [(m.label, m.value) for m in app.metric] == [("Probability of cancerous", "0.98")]
    assert "finds no cells and counts none" in text
    assert "Not calibrated" in text
    assert not app.slider, "a threshold for boxes would mean nothing"
    app.run()
    assert network.runs == 1, "an answer is kept"


def test_a_broken_file_does_not_keep_the_others_from_their_answer(
    app: AppTest, upload: Callable[..., AppTest], network: Answering, smear: bytes
) -> None:
    upload(("a.png", smear), ("broken.png", smear[:200]))
    choose_cnn(app)
    assert not app.exception
    (table,) = [d.value for d in app.dataframe]
    assert list(table["Suggested class of the field"]) == ["cancerous", ""]
    assert "broken.png" in table["Note"][1]


@pytest.fixture
def weights(tmp_path: Path, limits: Any) -> Path:
    """A folder with the CNN's and live's files and metrics, made up."""
    limits(weights_dir=tmp_path, cache_dir=tmp_path / "cache")
    manifest = {}
    for name in ("live", "cnn"):
        (tmp_path / f"{name}.pt").write_bytes(name.encode() * 1000)
        file = describe(tmp_path / f"{name}.pt")
        manifest[name] = ModelFiles(checkpoint=file, parameters=1_500_000, onnx=file)
    write_manifest(tmp_path, manifest)
    (tmp_path / "metrics").mkdir()
    at = {"tp": 19, "fp": 1, "fn": 1, "precision": 0.95, "recall": 0.95}
    both = {"cells": 20, "at_operating_point": at}
    scores = {
        "model_sha256": manifest["live"].checkpoint.sha256,
        "images": 12,
        "false_blasts_per_field": 0.08,
        "fields_with_false_blast": {"k": 1, "n": 12, "fraction": 0.08, "low": 0.0, "high": 0.38},
        "classes": {
            "blast": {**both, **dict.fromkeys(METRICS, 0.987), "ap50_as_shown": 0.912},
            "healthy": {**both, **dict.fromkeys(METRICS, 0.876), "ap50_as_shown": 0.834},
        },
        "intervals": {f"blast.{metric}": [0.9, 1.0] for metric in (*METRICS, "ap50_as_shown")}
        | {f"healthy.{metric}": [0.8, 0.95] for metric in (*METRICS, "ap50_as_shown")},
        "fields": [{"blast_present": True, "blast_suggested": n < 2} for n in range(12)],
    }
    (tmp_path / "metrics" / "live_allidb1_test.json").write_text(json.dumps(scores))
    right = {
        "model_sha256": manifest["cnn"].checkpoint.sha256,
        "counts": {"accuracy": {"k": 15, "n": 17, "low": 0.636, "high": 0.985}},
        "as_the_paper_counted": {"accuracy": {"k": 118, "n": 136}},
    }
    (tmp_path / "metrics" / "cnn_allidb1_test.json").write_text(json.dumps(right))
    return tmp_path


def overview(app: AppTest) -> Any:
    app.run().switch_page("pages/models.py").run()
    assert not app.exception
    return next(d.value for d in app.dataframe if "Model" in d.value).set_index("Model")


def test_the_overview_has_the_scores_of_the_weights_that_are_here(
    app: AppTest, weights: Path
) -> None:
    table = overview(app)
    live = table.loc["allcell live"]
    assert live["Blasts, AP@0.5 as shown"] == "0.912 (0.900 to 1.000)"
    assert live["Healthy WBC, AP@0.5 as shown"] == "0.834 (0.800 to 0.950)"
    assert live["Blasts, AP@0.5 as YOLOv5 counts"] == "0.987 (0.900 to 1.000)"
    assert live["Healthy WBC, AP@0.5 as YOLOv5 counts"] == "0.876 (0.800 to 0.950)"
    names = list(table.columns)
    assert names.index("Blasts, AP@0.5 as shown") < names.index("Blasts, AP@0.5 as YOLOv5 counts")
    assert sum(caption.value.count(BOTH_APS) for caption in app.caption) == 1
    assert live["Whole fields right"] == "2 of 12"
    cnn = table.loc[get_classifier("cnn").title]
    assert cnn["Whole fields right"] == "15 of 17 (0.64 to 0.98)"
    assert table.loc["YOLOv5s", "State"] == "not here"
    beside = app.dataframe[-1].value.set_index("Right answers")
    assert list(beside["Published"]) == ["", "128 of 129"]
    assert list(beside["Measured"]) == ["15 of 17", "118 of 136"]


def test_the_overview_leaves_scores_of_other_weights_out(app: AppTest, weights: Path) -> None:
    path = weights / "metrics" / "live_allidb1_test.json"
    path.write_text(path.read_text().replace('"model_sha256": "', '"model_sha256": "0'))
    assert overview(app).loc["allcell live", "Blasts, AP@0.5 as shown"] == ""


def test_the_overview_reads_scores_of_a_version_without_ap_as_shown(
    app: AppTest, weights: Path
) -> None:
    path = weights / "metrics" / "live_allidb1_test.json"
    path.write_text(path.read_text().replace("_as_shown", "_unknown"))
    live = overview(app).loc["allcell live"]
    assert live["Blasts, AP@0.5 as shown"] == ""
    assert live["Blasts, AP@0.5 as YOLOv5 counts"] == "0.987 (0.900 to 1.000)"


def test_training_curves_are_drawn_where_they_are_kept(app: AppTest, weights: Path) -> None:
    overview(app)
    assert not app.get("plotly_chart")
    columns = ["epoch", "metrics/mAP50(B)", "metrics/mAP50-95(B)", "metrics/precision(B)"]
    columns += ["metrics/recall(B)", "train/box_loss", "train/cls_loss"]
    columns += ["val/box_loss", "val/cls_loss"]
    rows = "\n".join(",".join(str(n / 10) for _ in columns) for n in (1, 2))
    for name in ("live", "yolov5s", "yolov5s-scratch"):
        path = weights / "metrics" / f"{name}_training.csv"
        path.write_text(f"{','.join(columns)}\n{rows}\n")
    overview(app)
    assert len(app.get("plotly_chart")) == 2, "Figure 6; a model's own wait until they are opened"
    for name in ("live", "yolov5s", "yolov5s-scratch"):
        app.session_state[f"models.learned.{name}"] = True
    app.run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2 + 3 * 2
