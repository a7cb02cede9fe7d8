"""The command line as a user calls it: output, exit codes, errors."""

import csv
import io
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from allcell import __version__
from allcell.__main__ import app
from allcell.cautions import Caution
from allcell.classifier import FieldClassifier
from allcell.data.yolo_sets import read_yolo
from allcell.evaluation.bundle import read_bundle
from allcell.imaging import images
from allcell.imaging.images import encode_png
from allcell.models.registry import CLASSIFIERS, MODELS, get_classifier
from allcell.settings import RESEARCH_USE, settings
from allcell.synth import random_spec, render
from allcell.synth.samples import SEPIA
from allcell.text.words import BOTH_APS
from allcell.untrusted import session as untrusted_session
from tests import user_sets
from tests.untrusted_graphs import NAMES, anchor_free, graph
from tests.user_sets import packed

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("smears")
    for seed in (1, 2):
        field = render(random_spec(seed, 640, 480, 30))
        (path / f"field{seed}.png").write_bytes(encode_png(field.image))
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_detect_json_has_the_documented_shape(folder):
    done = run("detect", folder, "--json", "--conf", "0.1")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"].rsplit("/", 1)[-1] for line in lines] == ["field1.png", "field2.png"]
    for line in lines:
        assert set(line) == {
            *("image", "width", "height", "model"),
            *("detections", "notice", "warnings", "withheld", "reservation", "timing_ms"),
            "provenance",
        }
        assert (line["width"], line["height"], line["model"]) == (640, 480, "live")
        assert set(line["timing_ms"]) == {"preprocess", "inference", "postprocess", "total"}
        for cell in line["detections"]:
            assert cell["class"] in {"blast", "healthy", "smudge"}
            assert 0.1 <= cell["confidence"] <= 1
            x1, y1, x2, y2 = cell["xyxy"]
            assert 0 <= x1 < x2 <= 640
            assert 0 <= y1 < y2 <= 480
    assert RESEARCH_USE in done.stderr


def test_detect_csv_is_one_table(folder):
    done = run("detect", folder, "--csv", "--conf", "0.1")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.exit_code == 0
    assert {row["image"] for row in rows} == {"field1.png", "field2.png"}


def test_a_higher_threshold_gives_fewer_cells(folder):
    def cells(conf):
        out = run("detect", folder / "field1.png", "--json", "--conf", conf).stdout
        return len(json.loads(out)["detections"])

    assert cells(0.05) > cells(0.999) == 0


def test_annotated_pictures_are_written_only_when_asked(folder, tmp_path):
    target = tmp_path / "out"
    assert run("detect", folder, "--annotated", target).exit_code == 0
    assert sorted(p.name for p in target.iterdir()) == [
        "field1-annotated.png",
        "field2-annotated.png",
    ]


def test_annotating_a_folder_into_itself_keeps_the_originals(folder, tmp_path):
    original = tmp_path / "a.png"
    original.write_bytes((folder / "field1.png").read_bytes())
    assert run("detect", tmp_path, "--annotated", tmp_path).exit_code == 0
    assert original.read_bytes() == (folder / "field1.png").read_bytes()


def test_a_missing_file_does_not_stop_the_others(folder):
    done = run("detect", "nowhere.png", folder / "field1.png", "--json")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1
    assert "nowhere.png" in done.stderr


def test_a_low_confidence_is_taken_at_its_word(folder):
    def cells(conf):
        out = run("detect", folder / "field1.png", "--json", "--conf", conf).stdout
        return len(json.loads(out)["detections"])

    assert cells(0.001) > cells(0.05)


def test_a_broken_file_is_named_and_the_others_are_done(folder, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 nothing more")
    done = run("detect", broken, folder / "field1.png", "--json")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1
    assert "broken.jpg" in done.stderr
    assert "1 of 2 inputs failed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["detect"], 2, "PATH", id="nothing named"),
        pytest.param(["detect", "x.png", "--conf", "7"], 2, "conf", id="confidence of 7"),
        pytest.param(["detect", "x.png", "--json", "--csv"], 2, "not both", id="two formats"),
        pytest.param(["detect", "nowhere.png"], 1, "nowhere.png", id="no such file"),
        pytest.param(["frobnicate"], 2, "frobnicate", id="no such command"),
        pytest.param(["evaluate", "--data", "nowhere"], 1, "nowhere", id="no such dataset"),
    ],
)
def test_errors(arguments, code, message):
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_an_unknown_model_names_those_there_are(folder):
    done = run("detect", folder, "--model", "yolov99")
    assert done.exit_code == 1
    assert "live" in done.stderr


def test_models_json():
    rows = json.loads(run("models", "--json").stdout)
    (live,) = [row for row in rows if row["name"] == "live"]
    assert len(live["sha256"]) == 64
    assert live["onnx_shipped"]


def test_models_names_every_model_and_how_it_measured():
    rows = {row["name"]: row for row in json.loads(run("models", "--json").stdout)}
    assert set(rows) == {spec.name for spec in (*MODELS, *CLASSIFIERS)}
    kept = settings().weights_dir / "metrics" / "live_allidb1_test.json"
    blast = json.loads(kept.read_text())["classes"]["blast"]
    assert rows["live"]["test"]["blast_ap50"] == blast["ap50"]
    text = run("models").stdout
    assert rows["live"]["test"]["blast_ap50_as_shown"] == blast["ap50_as_shown"]
    assert f"AP@0.5 as shown: blast {blast['ap50_as_shown']:.3f}" in text
    assert f"AP@0.5 as YOLOv5 counts: blast {blast['ap50']:.3f}" in text
    assert text.count(BOTH_APS) == 1


@pytest.mark.torch
def test_the_cnn_says_one_thing_of_a_field(folder):
    pytest.importorskip("torch")  # its ONNX is compiled on first use
    line = json.loads(run("detect", folder, "--model", "cnn", "--json").stdout.splitlines()[0])
    assert line["suggested_field_class"] in ("healthy", "cancerous")
    assert 0 <= line["probability"] <= 1
    rows = list(csv.reader(run("detect", folder, "--model", "cnn", "--csv").stdout.splitlines()))
    assert rows[0][:3] == ["image", "suggested_field_class", "probability"]
    assert "suggested class of the whole field" in run("detect", folder, "--model", "cnn").stdout
    refused = run("detect", folder, "--model", "cnn", "--conf", "0.5")
    assert refused.exit_code == 2
    assert "finds no cells" in refused.stderr


def test_benchmark_json_has_every_stage():
    report = json.loads(run("benchmark", "--frames", "3", "--imgsz", "320", "--json").stdout)
    assert report["input_px"][0] == 320
    for stage in ("preprocess", "inference", "postprocess", "total", "bare_engine"):
        assert 0 < report[stage]["median"] <= report[stage]["p95"] * 1.0001
    assert report["fps"] > 0


@pytest.mark.parametrize(
    ("names", "classes", "found"),
    [
        pytest.param(NAMES, [], ["blast", "healthy"], id="by the file's own names"),
        pytest.param("", ["smudge", "blast", ""], ["blast", "smudge"], id="as the user says"),
    ],
)
@pytest.mark.child
def test_detect_with_a_network_of_ones_own(folder, tmp_path, names, classes, found):
    file = tmp_path / "mine.onnx"
    file.write_bytes(graph(anchor_free(), metadata={"names": names} if names else None))
    said = [part for name in classes for part in ("--class", name)]
    done = run("detect", folder / "field1.png", "--json", "--onnx", file, *said)
    assert done.exit_code == 0, done.output
    line = json.loads(done.stdout)
    assert line["model"] == "mine"
    assert sorted(cell["class"] for cell in line["detections"]) == found


@pytest.mark.parametrize(
    ("content", "classes", "words"),
    [
        pytest.param(b"text", [], "it is text", id="no network"),
        pytest.param(graph(anchor_free()), [], "does not name its classes", id="no names"),
        pytest.param(graph(anchor_free()), ["blast"], "room for 3", id="too few classes"),
        pytest.param(None, [], "There is no file", id="no file"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(folder, tmp_path, content, classes, words):
    file = tmp_path / "mine.onnx"
    if content is not None:
        file.write_bytes(content)
    said = [part for name in classes for part in ("--class", name)]
    done = run("detect", folder / "field1.png", "--onnx", file, *said)
    assert done.exit_code == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *(
            pytest.param("evaluate", option, id=f"evaluate {option[0]}")
            for option in (
                ["--model", "live"],
                ["--int8"],
                ["--checkpoint", "best.pt"],
                ["--device", "cuda"],
                ["--all"],
                ["--from", "bundle.zip"],
            )
        ),
        *(
            pytest.param("detect", option, id=f"detect {option[0]}")
            for option in (["--model", "live"], ["--device", "cuda"])
        ),
    ],
)
def test_options_that_a_network_of_ones_own_would_ignore_are_refused(
    folder, tmp_path, command, option
):
    file = tmp_path / "mine.onnx"
    file.write_bytes(graph(anchor_free(), metadata={"names": NAMES}))
    where = [folder] if command == "detect" else ["--data", folder]
    done = run(command, *where, "--onnx", file, *option)
    assert done.exit_code == 1
    assert f"{option[0]} cannot be used with --onnx" in done.stderr
    if option[0] == "--device":
        assert (
            "cannot be used" not in run(command, *where, "--onnx", file, "--device", "cpu").stderr
        )


@pytest.mark.child
def test_a_network_of_ones_own_is_opened_once(folder, tmp_path, monkeypatch):
    opened = []
    original = untrusted_session.read_facts
    monkeypatch.setattr(
        untrusted_session, "read_facts", lambda content: opened.append(1) or original(content)
    )
    file = tmp_path / "mine.onnx"
    file.write_bytes(graph(anchor_free(), metadata={"names": NAMES}))
    assert run("detect", folder / "field1.png", "--onnx", file).exit_code == 0
    assert len(opened) == 1


def test_classes_need_a_network(folder):
    assert run("detect", folder, "--class", "blast").exit_code == 2


def test_evaluate_a_network_of_ones_own(tmp_path):
    data = tmp_path / "set"
    for kind in ("images", "labels"):
        (data / kind / "test").mkdir(parents=True)
    field = render(random_spec(1, 640, 640, 30))
    (data / "images" / "test" / "a.png").write_bytes(encode_png(field.image))
    # The network's boxes at 64 px, of a picture ten times as large: ALL at 16, 16, and a normal
    # cell at another place than its own.
    labels = "0 0.25 0.25 0.125 0.125\n1 0.1 0.9 0.1 0.1\n"
    (data / "labels" / "test" / "a.txt").write_text(labels)
    (data / "data.yaml").write_text("test: images/test\nnames:\n  0: blast\n  1: healthy\n")
    file = tmp_path / "mine.onnx"
    file.write_bytes(graph(anchor_free(), metadata={"names": NAMES}))
    done = run("evaluate", "--data", data, "--onnx", file, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["model"] == "mine"
    assert result["classes"]["blast"]["ap50"] == pytest.approx(1.0)
    assert result["classes"]["healthy"]["ap50"] == pytest.approx(0.0)
    text = run("evaluate", "--data", data, "--onnx", file).stdout
    # Cells, both APs as shown, then P, R and both APs as YOLOv5 counts.
    (blast,) = [line.split() for line in text.splitlines() if line.startswith("blast ")]
    assert blast[1:4] == ["1", "1.000", "1.000"]
    assert blast[-2:] == ["1.000", "1.000"]
    assert "as shown" in text.splitlines()[1]
    assert text.count(BOTH_APS) == 1


def test_evaluate_takes_a_zip_and_says_what_it_cannot_score(tmp_path):
    label = "0 0.25 0.25 0.125 0.125 0.9\n2 0.1 0.9 0.1 0.1\n"
    files = {
        "README.md": "Smears.",
        "smears\\valid\\images\\A.PNG": encode_png(render(random_spec(1, 640, 640, 30)).image),
        "smears\\valid\\labels\\A.TXT": b"\xef\xbb\xbf" + label.encode(),
        "smears\\data.yml": "names: {'0': blast, '1': healthy, '2': smudge}",
    }
    (tmp_path / "smears.zip").write_bytes(packed(files))
    (tmp_path / "mine.onnx").write_bytes(graph(anchor_free().T, metadata={"names": NAMES}))
    given = ("--data", tmp_path / "smears.zip", "--onnx", tmp_path / "mine.onnx")
    done = run("evaluate", *given, "--split", "val")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("mine on smears/valid: 1 images")
    assert "val: called valid there" in done.stderr
    (smudge,) = [line.split() for line in done.stdout.splitlines() if line.startswith("smudge ")]
    assert smudge[1:] == ["1", *["n/a"] * 9]
    assert "n/a: mine has no class smudge" in done.stdout
    missing = run("evaluate", *given)
    assert missing.exit_code == 1
    assert "no part 'test'; it has valid" in missing.stderr


def test_a_broken_picture_is_told_before_the_model_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("allcell.cli.evaluate.answer", lambda *a, **k: pytest.fail("it ran"))
    picture = encode_png(np.full((60, 80, 3), 200, np.uint8))
    files = {
        "data.yaml": "names: [blast]",
        "images/test/a.png": picture,
        "images/test/b.png": picture[:-30],
        "labels/test/a.txt": "0 0.5 0.5 0.2 0.2",
    }
    (tmp_path / "smears.zip").write_bytes(packed(files))
    done = run("evaluate", "--data", tmp_path / "smears.zip")
    assert done.exit_code == 1
    assert "'b.png' is damaged" in done.stderr


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Compare some models on a set of three rendered fields; what came of it, and the bundle."""
    # How many resamples is not the subject here.
    monkeypatch.setattr("allcell.evaluation.scored.RESAMPLES", 40)
    monkeypatch.setattr("allcell.evaluation.bootstrap.COMPARED_DRAWS", 40)
    monkeypatch.setattr("allcell.evaluation.bootstrap.MORE_DRAWS", 40)
    for name, content in user_sets.coco_files().items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    meaning = zip(user_sets.NAMES, ("blast", "healthy", "smudge"), strict=True)
    mapping = [part for pair in meaning for part in ("--map", "=".join(pair))]
    bundle = tmp_path / "all.zip"

    def run_compare(*names):
        asked = [part for name in names for part in ("--model", name)]
        data = ("--data", tmp_path / "set", *mapping)
        return run("compare", *data, "--bundle", bundle, *asked), bundle

    return run_compare


@pytest.mark.torch
def test_compare_takes_whole_field_models_too(compare):
    names = ("live", "yolov6", "cnn")
    done, bundle = compare(*names)
    assert done.exit_code == 0, done.output
    kept = read_bundle(bundle.read_bytes())
    assert [item.setting.model for item in kept.answers] == ["live", "yolov6"]
    (judged,) = kept.fields
    assert (judged.model, len(judged.probability)) == ("cnn", 3)
    assert f"cnn: {sum(judged.right)} of 3 fields classified correctly" in done.stdout
    assert "decided: too few images: 3, at least 10 are needed" in done.stdout
    assert "decisive" not in done.stdout
    assert done.stdout.count(BOTH_APS) == 1
    pairs = json.loads(kept.scored["comparison.json"])["fields"]
    assert [(p["first"], p["second"]) for p in pairs] == list(combinations(names, 2))
    again = run("evaluate", "--from", bundle)
    assert (again.exit_code, "every number matches" in again.stdout) == (0, True)


def test_whole_field_models_alone_are_not_compared(compare):
    done, bundle = compare("cnn")
    assert done.exit_code != 0
    assert "Add a detector" in done.stderr
    assert not bundle.exists()


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)], ids=["words", "json", "csv"])
def test_a_limit_that_is_reached_is_said(folder, monkeypatch, form):
    monkeypatch.setattr("allcell.engines.picture.MAX_TILE_CANDIDATES", 1)
    done = run("detect", folder, *form)
    assert done.exit_code == 0
    assert done.stderr.count("so cells may be missing.") == 2
    if form == ("--json",):
        for line in done.stdout.splitlines():
            assert "so cells may be missing." in " ".join(json.loads(line)["warnings"])


NO_SMEAR = Caution("not_a_smear", "It is no smear.", "Use another picture.", withholds=True)
MARK = "Not to be trusted: these numbers are shown because the user insisted. It is no smear."


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param((), "Numbers withheld: not to be trusted. It is no smear.", id="words"),
        pytest.param(("--json",), '"class": "withheld"', id="json"),
        pytest.param(("--csv",), ",live,1,withheld,", id="csv"),
    ],
)
def test_numbers_that_are_not_to_be_trusted_need_insisting(folder, monkeypatch, form, told):
    monkeypatch.setattr(
        "allcell.analysis.answers.picture_cautions", lambda image, scale, **_: (NO_SMEAR,)
    )
    file = folder / "field1.png"
    done = run("detect", file, *form)
    assert done.exit_code == 0, "the picture was read, and answered"
    assert told in done.stdout
    assert "blast" not in done.stdout
    assert f"warning: {file}: It is no smear. Use another picture." in done.stderr
    assert "1 of 1 inputs: numbers withheld" in done.stderr
    again = run("detect", file, *form, "--insist")
    assert "blast" in again.stdout
    assert MARK in again.stdout
    assert "withheld, not" not in again.stderr


class Cancerous:
    """A network that calls every field cancerous."""

    description = "stub"

    def run(self, image):
        return np.array([-9.0, 9.0], np.float32)


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)], ids=["words", "json", "csv"])
def test_the_whole_field_model_is_under_the_same_gate(folder, monkeypatch, form):
    classifier = FieldClassifier(get_classifier("cnn"), Cancerous())
    monkeypatch.setattr(FieldClassifier, "open", lambda name, device: classifier)
    command = ("detect", folder / "field1.png", "--model", "cnn", *form)
    assert "cancerous" in run(*command).stdout
    monkeypatch.setattr(
        "allcell.cli.detect.picture_cautions", lambda image, scale, **_: (NO_SMEAR,)
    )
    done = run(*command)
    assert "It is no smear." in done.stdout
    assert "cancerous" not in done.stdout
    assert "1.00" not in done.stdout
    assert '"probability": 1' not in done.stdout
    again = run(*command, "--insist")
    assert "cancerous" in again.stdout
    assert MARK in again.stdout


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_the_answer_on_a_whole_field_says_how_it_came_about(folder, monkeypatch, form):
    class Cancerous:
        def run(self, picture):
            return np.array([0.0, 4.0], np.float32)

    classifier = FieldClassifier(get_classifier("cnn"), Cancerous(), "ab" * 32)
    monkeypatch.setattr(FieldClassifier, "open", lambda name, device: classifier)
    done = run("detect", folder, "--model", "cnn", form)
    if form == "--json":
        made = json.loads(done.stdout.splitlines()[0])["provenance"]
    else:
        made = next(csv.DictReader(io.StringIO(done.stdout)))
    assert made["weights_sha256"] == "ab" * 32
    assert float(made["lowest_confidence"]) == 0.5
    assert made["largest_overlap"] in (None, "")
    assert made["allcell_version"] == __version__
    assert made["analysed_at_utc"].endswith("Z")


def test_a_sample_is_written_once_and_can_be_detected(tmp_path):
    target = tmp_path / "smear.png"
    assert run("sample", target).exit_code == 0
    assert "5 blasts" in run("sample", target, "--force").stderr
    again = run("sample", target)
    assert again.exit_code == 1
    assert "add --force" in again.stderr
    unknown = run("sample", tmp_path / "b.png", "--name", "no")
    assert "Choose one of: example, healthy, " in unknown.stderr


def test_a_laboratory_is_written_to_review_and_to_measure(tmp_path):
    target = tmp_path / "lab"
    assert run("sample", target, "--laboratory", "sepia").exit_code == 0
    shown = sorted(path.name for path in (target / "upload").iterdir())
    assert shown == [f"sepia-{n:02}.png" for n in range(1, 9)]
    done = {split: read_yolo(target / "labelled", split) for split in ("train", "test")}
    assert [item.path.name for item in done["train"]] == shown
    assert len(done["test"]) == 24
    first = done["train"][0]
    assert first.path.read_bytes() == (target / "upload" / shown[0]).read_bytes()
    field = render(SEPIA.field(1))
    read, made = (
        np.array(sorted([*box, kind] for box, kind in zip(one.xyxy, one.class_id, strict=True)))
        for one in (first.truth, field.truth)
    )
    assert read == pytest.approx(made, abs=0.01)

    again = run("sample", target, "--laboratory", "sepia")
    assert again.exit_code == 1
    assert "a new or an empty folder" in again.stderr
    unknown = run("sample", tmp_path / "b", "--laboratory", "no")
    assert "Choose one of: sepia." in unknown.stderr
    assert not (tmp_path / "b").exists()


def test_the_picture_in_readme_is_what_its_commands_make(tmp_path):
    run("sample", tmp_path / "smear.png")
    done = run("detect", tmp_path / "smear.png", "--annotated", tmp_path)
    assert "5 suggested blasts" in done.stdout
    made, kept = (
        images.decode(path).astype(int)
        for path in (tmp_path / "smear-annotated.png", ROOT / "docs" / "smear.png")
    )
    # A confidence may differ in its last digit on another processor.
    assert np.mean(np.abs(made - kept)) < 0.5
