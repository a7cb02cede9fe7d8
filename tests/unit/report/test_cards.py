"""A card says what the evaluator's JSON says, and nothing else."""

import json

import pytest

from allcell.errors import DataError
from allcell.models.registry import MODELS, get_classifier, get_spec
from allcell.models.weights import ModelFiles, WeightFile, read_manifest, write_manifest
from allcell.report.documents.cards import render_card
from allcell.report.documents.classifier_card import render_classifier_card
from allcell.report.documents.readme import BEGIN, END, fill
from allcell.report.metrics_files import read_metrics
from allcell.settings import PROJECT_ROOT, RESEARCH_USE, settings
from allcell.text.words import BOTH_APS, SCORE_TITLES

FILES = ModelFiles(checkpoint=WeightFile(file="live.pt", sha256="a" * 64, bytes=1), parameters=1234)


def metrics(**changes):
    """Such JSON as the evaluator writes, every number another."""

    def one(n, **more):
        counts = {"tp": n, "fp": n + 1, "fn": n + 2, "precision": 0.5, "recall": n / 1000}
        scores = {
            key: n / 100 + i / 1000
            for i, key in enumerate(("precision", "recall", "ap50", "ap50_95"))
        }
        scores |= {"ap50_as_shown": n / 100 - 0.001, "ap50_95_as_shown": n / 100 - 0.002}
        froc = {"0.5": n / 100 + 0.005}
        rest = {"froc": froc, "calibration": {"ece": n / 100 + 0.006, "bins": []}}
        return {"cells": n, **scores, "at_operating_point": counts, **rest, **more}

    classes = {"blast": one(71), "healthy": one(51), "smudge": one(31)}
    share = {"k": 1, "n": 17, "fraction": 0.0588, "low": 0.0015, "high": 0.2869}
    names = ["white_cells.recall", "centroids.recall", "centroids.precision", "map50", "map50_95"]
    names += ["map50_as_shown", "map50_95_as_shown"]
    names += [f"{c}.{key}" for c in classes for key in ("ece", *SCORE_TITLES)]
    return {
        "model_sha256": "a" * 64,
        "images": 17,
        "date": "2026-01-02T03:04:05+00:00",
        "device": "a CPU",
        "settings": {"operating_confidence": 0.35, "calibration_floor": 0.05},
        "best_f1_confidence": 0.61,
        "classes": classes,
        "intervals": {name: [0.111, 0.999] for name in names},
        "map50": 0.61,
        "map50_95": 0.62,
        "map50_as_shown": 0.59,
        "map50_95_as_shown": 0.58,
        "white_cells": {"tp": 7, "fp": 3, "fn": 2, "precision": 0.7, "recall": 0.777},
        "centroids": {"tp": 7, "fp": 3, "fn": 2, "precision": 0.743, "recall": 0.797},
        "false_blasts_per_field": 0.176,
        "fields_with_false_blast": share,
        "sensitivity": share,
        "specificity": share,
        "healthy_with_blasts": share | {"k": 9, "n": 11},
        "confusion": [[40, 3, 0, 1], [0, 41, 0, 0], [2, 0, 42, 0], [0, 4, 0, 0]],
        "mistakes": [
            {"image": 0, "truth": "blast", "called": "healthy", "kind": "wrong class"},
            {"image": 1, "truth": "blast", "called": "healthy", "kind": "wrong class"},
            {"image": 1, "truth": None, "called": "healthy", "kind": "background"},
        ],
        "fields": [{"name": "Im001_1"}, {"name": "Im002_0"}],
    } | changes


@pytest.fixture
def weights_dir(tmp_path):
    (tmp_path / "metrics").mkdir()
    return tmp_path


def keep(weights_dir, data, content, model="live"):
    (weights_dir / "metrics" / f"{model}_{data}.json").write_text(json.dumps(content))


def test_without_measurements_it_says_so(weights_dir):
    card = render_card(get_spec("live"), FILES, weights_dir)
    assert "Not measured yet." in card
    assert RESEARCH_USE in card
    assert "1,234 parameters" in card


@pytest.mark.parametrize(
    "text",
    [
        "0.712 (0.111 to 0.999)",
        "0.513 (0.111 to 0.999)",
        "2026-01-02",
        "71 | 72 | 73",
        "| blast | 71 | 0.709 (0.111 to 0.999) | 0.708 (0.111 to 0.999) | 0.710 (",
        "1 of 17",
        "9 of 11",
        "0.797 (0.111 to 0.999)",
        "0.715 at 0.5",
        "| blast | 40 | 3 | 0 | 1 |",
        "Blast called healthy white cell: 2, in Im001_1, Im002_0.",
        "Box on no white cell, called healthy white cell: 1, in Im002_0.",
    ],
)
def test_every_number_is_there(weights_dir, text):
    keep(weights_dir, "allidb1_test", metrics())
    assert text in render_card(get_spec("live"), FILES, weights_dir)


def test_other_laboratories_stand_above_the_numbers_of_allidb1(weights_dir):
    keep(weights_dir, "allidb1_test", metrics())
    card = render_card(get_spec("live"), FILES, weights_dir)
    heads = [line for line in card.splitlines() if line.startswith("## ")]
    assert heads[0] == "## In other laboratories"
    assert card.index("is not measured yet: expect") < card.index("### ALL-IDB1 test")


def with_0_3(content):
    """The JSON with what version 0.3 adds."""
    blast = content["classes"]["blast"]
    blast["froc_as_shown"], blast["reach_as_shown"] = {"0.5": 0.81, "4": 0.962}, 0.962
    blast["spread"] = {"fields": 7, "effective": 3.97, "most": 32, "image": 11}
    counted = {"blast": {"ap50_as_shown": 0.689, "ap50": 0.702}}
    return content | {"ignored": {"cells": 30, "counted": counted}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "(FROC), as shown: 0.810 at 0.5, 0.962 at 4. No threshold from 0.05 up finds more than "
            "0.962.",
            id="the user's FROC, and where it ends",
        ),
        pytest.param(
            "Intervals rest on 71 blasts in 7 fields, effectively 4 (32 of them in one).",
            id="what intervals rest on",
        ),
        pytest.param(
            "(30 on the test fields, worth +0.020 AP@0.5 as shown and +0.010 AP@0.5 as YOLOv5 "
            "counts of blasts)",
            id="what ignoring cut cells is worth",
        ),
        pytest.param("3 classes instead of 2: also smudge cells", id="a third class"),
        pytest.param("9.1 million parameters against 7.0 million", id="a larger network"),
        pytest.param("about 63 of 67 boxes, exact 95 % interval 0.854 to", id="the paper's error"),
    ],
)
def test_what_a_comparison_with_the_paper_needs_is_said(weights_dir, text):
    keep(weights_dir, "allidb1_test", with_0_3(metrics()), model="yolov5s")
    files = FILES.model_copy(update={"parameters": 9_112_697})
    card = render_card(get_spec("yolov5s"), files, weights_dir)
    assert text in card
    assert "1.000 at 4" not in card


def facts(**changes):
    """How a model was trained, as its JSON says."""
    recipe = {
        "sources": [
            {"name": "allidb1", "share": 0.66},
            {"name": "bccd", "share": 0.14},
            {"name": "pbc", "share": 0.2},
        ],
        "tiles_per_epoch": 10,
        "tile_px": 224,
        "optimizer": "AdamW",
        "batch": 16,
        "seed": 0,
        "validation": "allidb1",
    }
    run = {
        "recipe": recipe,
        "training_fields": {"allidb1": 69, "bccd": 240, "pbc": 1100},
        "epochs": 2,
        "hours": 1.0,
        "device": "cpu",
        "threads": 1,
        "versions": {"ultralytics": "8", "torch": "2"},
        "start": {"file": "best.pt"},
        "taken_epoch": 2,
    }
    return run | {"pretraining": run} | changes


@pytest.mark.parametrize(
    ("recorded", "there", "missing"),
    [
        pytest.param(
            facts(),
            ("34 % of the fine-tuning tiles from BCCD and PBC", "one training run, seed 0"),
            ("bfloat16", "had been seen"),
            id="what it was trained on",
        ),
        pytest.param(
            facts(recipe=facts()["recipe"] | {"bfloat16": True}),
            ("; trained in bfloat16;", "never used to choose anything"),
            (),
            id="in half precision",
        ),
        pytest.param(
            facts(taken="last"),
            ("its checkpoint by a rule that was made after a test score had been seen",),
            ("never used to choose anything",),
            id="no claim that its rule contradicts",
        ),
    ],
)
def test_how_it_was_trained_is_said_as_it_is_on_record(weights_dir, recorded, there, missing):
    keep(weights_dir, "training", recorded, model="yolov5m")
    card = render_card(get_spec("yolov5m"), FILES, weights_dir)
    for text in there:
        assert text in card
    for text in missing:
        assert text not in card


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        pytest.param(
            {
                "network": "YOLOv5s as ultralytics builds it",
                "parameters": 9_150_000,
                "long_side_px": 1024,
                "precision": "32 bits",
                "runtime": "torch 2",
            },
            "YOLOv5s as ultralytics builds it (9.2 million parameters, 1024 px on the long side, "
            "32 bits, torch 2) took 404 ms",
            id="both sides are named",
        ),
        pytest.param(None, "YOLOv5s (1024 px on the long side", id="JSON of an earlier version"),
    ],
)
def test_what_raced_is_named(weights_dir, reference, text):
    raced = {"ours": {"median": 6.2}, "theirs": {"median": 404.0}, "times_faster": 65.0}
    speed = {
        "runtime": "ONNX Runtime, 8-bit",
        "input_px": [640, 352],
        "total": {"median": 6.0, "p95": 7.0},
        "fps": 150.0,
        "over_engine": 1.1,
        "machine": "two cores",
        "date": "2026-01-02",
        "against_paper": raced | ({"reference": reference} if reference else {}),
    }
    (weights_dir / "metrics" / "live_speed_int8.json").write_text(json.dumps(speed))
    write_manifest(weights_dir, {"live": FILES.model_copy(update={"parameters": 667_142})})
    said = fill(f"{BEGIN}\n{END}", weights_dir)
    assert text in said
    ours = "`live` (0.7 million parameters, 640x352 px, ONNX Runtime, 8-bit) 6.2 ms: 65 times"
    assert ours in said


def test_photographs_stand_in_the_readme_once_they_are_measured(weights_dir):
    assert "**Folders**" not in fill(f"{BEGIN}\n{END}", weights_dir)
    known = {"machine": "two cores", "runtime": "ONNX Runtime", "date": "2026-01-02"}
    folder = {
        "size_px": [2592, 1944],
        "images": 200,
        "threads": 2,
        "ahead_per_s": 8.04,
        "one_by_one_per_s": 5.02,
        "resident_mb": [700.4, 701.6],
    }
    stages = {"decode": {"median": 70.4}, "size ruler": {"median": 30.2}}
    one = {"size_px": [4000, 3000], "stages": stages, "whole": {"median": 400.4}}
    for name, values in (("folder", folder), ("photograph", one)):
        path = weights_dir / "metrics" / f"live_{name}.json"
        path.write_text(json.dumps(values | known))
    said = fill(f"{BEGIN}\n{END}", weights_dir)
    assert "of 200 rendered JPEGs of 2592x1944" in said
    assert "8.0 a second, 2 at once; one by one in the same run 5.0." in said
    assert "Memory 700 MB after a tenth of them and 702 MB at the end." in said
    assert "4000x3000 takes 400 ms from file to result" in said
    assert "medians in ms: decode 70, size ruler 30." in said
    assert said.count("(two cores, ONNX Runtime, 2026-01-02)") == 2


def test_the_card_follows_the_json(weights_dir):
    changed = metrics()
    changed["classes"]["blast"]["ap50"] = 0.4321
    keep(weights_dir, "allidb1_test", changed)
    assert "0.432" in render_card(get_spec("live"), FILES, weights_dir)


def test_the_paper_stands_beside_its_model(weights_dir):
    keep(weights_dir, "allidb1_test", metrics(), model="yolov5s")
    card = render_card(get_spec("yolov5s"), FILES, weights_dir)
    paper = "| blast | AP@0.5 as YOLOv5 counts | 0.972 | 0.712 (0.111 to 0.999) | -0.260 |"
    assert f"{paper} 0.709 (0.111 to 0.999) |" in card
    assert "| healthy | R | 0.787 |" in card
    keep(weights_dir, "allidb1_test", metrics(), model="yolov6")
    card = render_card(get_spec("yolov6"), FILES, weights_dir)
    paper = "| all | AP@0.5:0.95 as YOLOv5 counts | 0.548 | 0.620 (0.111 to 0.999) | +0.072 |"
    assert f"{paper} 0.580 (0.111 to 0.999) |" in card
    assert "for large boxes" in card


@pytest.mark.parametrize("data", [("allidb1_test",), ("allidb1_test", "bccd_held_out")])
def test_the_two_aps_are_explained_once(weights_dir, data):
    for name in data:
        keep(weights_dir, name, metrics())
    assert render_card(get_spec("live"), FILES, weights_dir).count(BOTH_APS) == 1


def test_json_of_a_version_without_ap_as_shown_is_read(weights_dir):
    before = json.loads(json.dumps(metrics()).replace("_as_shown", "_unknown"))
    keep(weights_dir, "allidb1_test", before, model="yolov5s")
    card = render_card(get_spec("yolov5s"), FILES, weights_dir)
    assert "| blast | 71 | n/a | n/a | 0.710 (" in card
    write_manifest(weights_dir, {"yolov5s": FILES})
    assert "| `yolov5s` | n/a | .712 | n/a | .713 |" in fill(f"{BEGIN}\n{END}", weights_dir)


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        pytest.param("blast.ap50", "blast AP@0.5 as YOLOv5 counts", id="as YOLOv5 counts"),
        pytest.param("blast.ap50_as_shown", "blast AP@0.5 as shown", id="as shown"),
    ],
)
@pytest.mark.parametrize(
    ("stands", "verdict"),
    [
        ({"decisive": True, "edge": False}, "p 0.012"),
        ({"decisive": False, "edge": True}, "on the edge, p 0.012"),
        ({"decisive": False}, "no decisive difference"),
    ],
)
def test_what_pre_training_is_worth_is_said_as_it_is(weights_dir, stands, verdict, measure, words):
    difference = {
        "first": "yolov5s-scratch",
        "second": "yolov6",
        "measure": measure,
        "value": 0.02,
        "interval": [0.01, 0.03],
        "p_adjusted": 0.012,
        **stands,
    }
    content = {"differences": [difference]}
    (weights_dir / "metrics" / "comparison_allidb1_test.json").write_text(json.dumps(content))
    card = render_card(get_spec("yolov6"), FILES, weights_dir)
    assert f"{words} -0.020 (-0.030 to -0.010), {verdict}" in card


@pytest.mark.parametrize(
    ("images", "words"),
    [
        pytest.param(
            17,
            ("1.000 (0.949 to 1.000, exact)", "0.712 (no width)", "recall 1.000 (0.590 to 1.000"),
            id="all resamples equal",
        ),
        pytest.param(
            9,
            ("1.000 (n/a)", "0.712 (n/a)", "No intervals (n/a): too few images: 9, at least 10"),
            id="too few fields",
        ),
    ],
)
def test_a_card_gives_no_interval_that_says_certainty(weights_dir, images, words):
    content = metrics(images=images)
    content["classes"]["blast"]["recall"] = 1.0
    content["centroids"] = {"tp": 7, "fp": 3, "fn": 0, "precision": 0.7, "recall": 1.0}
    content["intervals"] = {name: [1.0, 1.0] for name in content["intervals"]}
    keep(weights_dir, "allidb1_test", content)
    card = render_card(get_spec("live"), FILES, weights_dir)
    for text in words:
        assert text in card
    assert "1.000 to 1.000" not in card


@pytest.mark.parametrize(
    ("kept", "family"),
    [
        pytest.param({"draws": 10_000}, "all 1 comparisons of models and scores", id="all at once"),
        pytest.param({}, "all pairs of models", id="by a version that adjusted each score alone"),
    ],
)
def test_what_p_is_adjusted_over_is_said_as_it_was(weights_dir, kept, family):
    difference = {
        "first": "yolov5s-scratch",
        "second": "yolov6",
        "measure": "blast.ap50",
        "value": 0.02,
        "interval": [0.01, 0.03],
        "p_adjusted": 0.012,
        "decisive": True,
    }
    content = {"differences": [difference], **kept}
    (weights_dir / "metrics" / "comparison_allidb1_test.json").write_text(json.dumps(content))
    card = render_card(get_spec("yolov6"), FILES, weights_dir)
    assert f"p Holm-adjusted over {family}): " in card


def test_a_difference_that_cannot_be_decided_says_so(weights_dir):
    difference = {
        "first": "yolov5s-scratch",
        "second": "yolov6",
        "measure": "blast.ap50",
        "value": 0.02,
        "interval": None,
        "p_adjusted": None,
        "decisive": False,
    }
    content = {"differences": [difference]}
    (weights_dir / "metrics" / "comparison_allidb1_test.json").write_text(json.dumps(content))
    card = render_card(get_spec("yolov6"), FILES, weights_dir)
    assert "blast AP@0.5 as YOLOv5 counts -0.020 (n/a), cannot be decided" in card


def test_numbers_of_other_weights_are_called_invalid(weights_dir):
    keep(weights_dir, "allidb1_test", metrics(model_sha256="b" * 64))
    assert "Measured with other weights" in render_card(get_spec("live"), FILES, weights_dir)
    keep(weights_dir, "allidb1_test", metrics())
    assert "Measured with other weights" not in render_card(get_spec("live"), FILES, weights_dir)


def test_the_readme_shows_what_a_cuda_card_does(weights_dir):
    def ms(median):
        return {"median": median, "p95": median + 0.5}

    def row(width, graph):
        return {
            "input_px": [width, 352],
            "frame_to_boxes": ms(1.25),
            "fps": 801.2,
            "graph_replay": graph,
            "eager_frame_to_boxes": ms(5.75),
        }

    result = {
        "about": {"date": "2026-01-02", "device": "A card", "torch": "9.9"},
        "models": ["live", "yolov5s"],
        "stages": {
            "speed live": {"1024": row(1024, None), "640": row(640, ms(0.75)), "took_s": 1},
            "speed yolov5s": {"left_out": "the time was up"},
            "throughput live": {"detect_many_tiles_s": 3456.7, "detect_many_batch": 64},
            "parity live": {"boxes": 100, "off": 3, "ties": 2},
            "parity yolov5s": {"error": "none"},
        },
    }
    write_manifest(weights_dir, {})
    (weights_dir / "metrics" / "gpu_check.json").write_text(json.dumps(result))
    filled = fill(f"{BEGIN}\n{END}", weights_dir)
    assert "one A card, torch 9.9, half precision, 2026-01-02; rendered fields" in filled
    small = "| `live` | 640x352 | 1.25 / 1.75 | 801 | 0.75 | 5.75 |"
    large = "| `live` | 1024x352 | 1.25 / 1.75 | 801 | no graph | 5.75 |"
    assert f"{small}\n{large}\n" in filled
    assert "3,457 tiles of 640x352 a second, to boxes, 64 at once" in filled
    assert "`live` 95 of 100, and 2 where the other of two nearly equal" in filled
    assert "yolov5s" not in filled


def test_the_readme_follows_the_json(weights_dir):
    write_manifest(weights_dir, {"yolov5s": FILES})
    text = f"before\n{BEGIN}\nof last year\n{END}\nafter\n"
    empty = fill(text, weights_dir)
    assert "of last year" not in empty
    assert empty.startswith("before")
    assert empty.endswith("after\n")
    keep(weights_dir, "allidb1_test", metrics(), model="yolov5s")
    keep(weights_dir, "bccd_held_out", metrics(images=124), model="yolov5s")
    filled = fill(text, weights_dir)
    ours = "| `yolov5s` | .710 | .711 | .712 | .713 | .510 | .511 | .512 | .513 |"
    theirs = "| *paper: YOLOv5s* | .885 | .985 | .972 | .832 | .811 | .787 | .831 | .627 |"
    assert f"{ours}\n{theirs}\n" in filled
    both = "| `yolov5s` | .709 | .712 | .708 | .713 | .509 | .512 | .508 | .513 | .797 |"
    assert filled.index(both) < filled.index(ours)
    assert filled.count(BOTH_APS) == 1
    assert "| BCCD | YOLOv5s | not on record | no blasts | no blasts | .176 | .059 |" in filled
    assert fill(filled, weights_dir) == filled


def test_the_readme_leaves_numbers_of_other_weights_out(weights_dir):
    write_manifest(weights_dir, {"live": FILES})
    keep(weights_dir, "allidb1_test", metrics(model_sha256="b" * 64))
    assert "| `live` |" not in fill(f"{BEGIN}\n{END}", weights_dir)


def test_a_readme_without_markers_is_refused(weights_dir):
    with pytest.raises(DataError, match="markers"):
        fill("nothing here", weights_dir)


FACTS = {
    "recipe": {
        "tiles_per_epoch": 1500,
        "tile_px": 224,
        "optimizer": "AdamW",
        "batch": 16,
        "seed": 3,
        "sources": [{"name": "bccd", "share": 0.35}],
        "validation": "allidb1",
    },
    "training_fields": {"bccd": 240},
    "epochs": 24,
    "taken_epoch": 21,
    "hours": 1.25,
    "device": "cpu",
    "threads": 1,
    "start": "random weights",
    "versions": {"ultralytics": "8", "torch": "2"},
}


def test_the_training_is_told_from_its_facts(weights_dir):
    path = weights_dir / "metrics" / "live_training.json"
    path.write_text(json.dumps(FACTS))
    card = render_card(get_spec("live"), FILES, weights_dir)
    for text in ("36,000 views", "seed 3", "1.2 hours", "epoch 21", "240 of bccd", "random"):
        assert text in card
    path.write_text(json.dumps(FACTS | {"pretraining": FACTS | {"epochs": 10}}))
    card = render_card(get_spec("live"), FILES, weights_dir)
    assert "15,000 views" in card
    assert "random weights" not in card


def field_metrics(**changes):
    """Such JSON as the whole-field evaluator writes."""
    share = {"k": 15, "n": 17, "fraction": 0.882353, "low": 0.636, "high": 0.985}
    counts = {"accuracy": share, "sensitivity": share | {"k": 6, "n": 7}, "specificity": share}
    copies = {"title": "as the paper counted", "accuracy": {"k": 120, "n": 136, "fraction": 0.882}}
    return {
        "model_sha256": "a" * 64,
        "images": 17,
        "date": "2026-01-02T03:04:05+00:00",
        "device": "a CPU",
        "settings": {"operating_threshold": 0.5},
        "counts": counts,
        "as_the_paper_counted": copies,
        "fields": {
            "Im003_1": {"cancerous": True, "probability": 0.21},
            "Im040_0": {"cancerous": False, "probability": 0.1},
        },
    } | changes


def test_the_classifiers_card(weights_dir):
    spec = get_classifier("cnn")
    assert "Not measured yet." in render_classifier_card(spec, FILES, weights_dir)
    keep(weights_dir, "allidb1_test", field_metrics(), model="cnn")
    card = render_classifier_card(spec, FILES, weights_dir)
    for text in ("15 of 17", "6 of 7", "120 of 136", "128 of 129", "Im003_1 (cancerous, 0.21)"):
        assert text in card
    assert "Im040_0" not in card
    keep(weights_dir, "allidb1_test", field_metrics(model_sha256="b" * 64), model="cnn")
    assert "Measured with other weights" in render_classifier_card(spec, FILES, weights_dir)


def test_cards_and_readme_on_disk_are_those_of_the_json():
    weights_dir = settings().weights_dir
    detectors = {spec.name for spec in MODELS}
    # A failure here is mended by `python -m allcell cards`.
    for name, files in read_manifest(weights_dir).items():
        card = (weights_dir / "cards" / f"{name}.md").read_text(encoding="utf-8")
        if name in detectors:
            assert card == render_card(get_spec(name), files, weights_dir)
        else:
            assert card == render_classifier_card(get_classifier(name), files, weights_dir)
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    assert fill(readme, weights_dir) == readme


def test_thresholds_are_those_that_validation_chose():
    weights_dir = settings().weights_dir
    for name in read_manifest(weights_dir):
        if name in {spec.name for spec in MODELS}:
            metrics = read_metrics(weights_dir, name, "allidb1_val")
            assert get_spec(name).confidence == pytest.approx(metrics["suggested_confidence"]), name
