"""`evaluate` on a set of one's own: what is said of it, and what is checked before it runs."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.imaging.images import decode, encode_png
from allcell.synth import random_spec, render
from tests.untrusted_graphs import NAMES, anchor_free, graph
from tests.user_sets import packed

#: Where the network of these tests sees a blast, in a picture of any size.
FOUND = "0 0.25 0.25 0.125 0.125\n"


@pytest.fixture
def evaluate(tmp_path):
    """Evaluates a network that answers the same to any picture, on a set of one field or more."""
    (tmp_path / "mine.onnx").write_bytes(graph(anchor_free(), metadata={"names": NAMES}))

    def run(files, *more):
        (tmp_path / "smears.zip").write_bytes(packed(files))
        given = ("--data", tmp_path / "smears.zip", "--onnx", tmp_path / "mine.onnx", *more)
        return CliRunner().invoke(app, ["evaluate", *map(str, given)])

    return run


def field(seed):
    return encode_png(render(random_spec(seed, 640, 640, 30)).image)


def smears(label=FOUND, **more):
    return {
        "data.yaml": "names: [blast, healthy]",
        "images/test/a.png": field(1),
        "labels/test/a.txt": label,
        **more,
    }


def test_a_picture_without_labels_is_said_on_both_outputs(evaluate):
    done = evaluate(smears(**{"images/test/b.png": field(2)}), "--json")
    assert done.exit_code == 0, done.output
    note = "1 of 2 pictures has no label file (b.png): counted as without cells"
    assert f"note: {note}\n" in done.stderr
    assert json.loads(done.stdout)["notes"] == [note]


def test_a_set_in_which_all_have_labels_has_no_notes(evaluate):
    done = evaluate(smears(), "--json")
    assert json.loads(done.stdout)["notes"] == []
    assert "note:" not in done.stderr


def test_that_no_box_meets_a_label_is_said(evaluate):
    done = evaluate(smears("0 0.9 0.9 0.05 0.05\n"), "--json")
    assert done.exit_code == 0, done.output
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("No box of mine meets any label.")
    assert note in done.stderr


def test_that_hardly_any_box_meets_a_label_is_said(evaluate):
    files = {}
    for n in range(6):
        files[f"images/test/{n}.png"] = field(n)
        x = 0.9 if n else 0.3  # the first beside what the network sees
        files[f"labels/test/{n}.txt"] = f"0 {x} 0.25 0.125 0.125\n"
    done = evaluate({"data.yaml": "names: [blast, healthy]", **files}, "--json")
    assert done.exit_code == 0, done.output
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("Hardly any box of mine meets a label: 1 of 12 boxes (8%), and 1 of 6")
    assert note in done.stderr


def test_labels_that_lie_on_no_cells_are_said(evaluate):
    green = cv2.resize(decode(field(1))[..., 1], (20, 20), interpolation=cv2.INTER_AREA)
    places = [(n % 20, n // 20) for n in np.argsort(green, axis=None)[-10:]]
    empty = "".join(f"0 {(x + 0.5) / 20} {(y + 0.5) / 20} 0.05 0.05\n" for x, y in places)
    done = evaluate(smears(empty), "--json")
    assert done.exit_code == 0, done.output
    said = [note for note in json.loads(done.stdout)["notes"] if "something dark" in note]
    assert len(said) == 1
    assert "in another scale" in said[0]


def test_cells_that_two_people_labelled_count_once_and_it_is_said(evaluate):
    done = evaluate(smears(FOUND + "0 0.252 0.248 0.128 0.124\n"), "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["classes"]["blast"]["cells"] == 1
    (note,) = answer["notes"]
    assert note.startswith("1 of 2 labels nearly coincides")
    assert note in done.stderr


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        pytest.param(["Blast="], "There is no class Blast, but blast", id="another case"),
        pytest.param(["blast=", "blast=healthy"], "blast is given twice", id="twice"),
    ],
)
def test_a_mapping_that_would_do_nothing_is_refused(maps, words, evaluate, monkeypatch):
    monkeypatch.setattr("allcell.cli.evaluate.predict", lambda *a, **k: pytest.fail("it ran"))
    done = evaluate(smears(), *(f"--map={one}" for one in maps))
    assert done.exit_code == 1
    assert words in done.stderr


def test_a_mapping_of_a_class_without_a_cell_is_said(evaluate):
    done = evaluate(smears(), "--map", "blsat=healthy", "--map", "blast = healthy", "--json")
    assert done.exit_code == 0, done.output
    note, *_ = json.loads(done.stdout)["notes"]
    assert note == "no labelled cell is of the class blsat (--map); there is blast"
    assert json.loads(done.stdout)["classes"]["healthy"]["cells"] == 1


def test_a_class_can_be_left_out_in_one_word(evaluate):
    # `--map=blast=` ends as an empty option does.
    done = evaluate(smears(), "--map=blast=")
    assert done.exit_code == 0, done.output
    assert "there is no labelled cell" in done.stderr


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("nowhere/boxes.json", "There is no folder for", id="no such folder"),
        pytest.param(".", "is a folder", id="a folder"),
    ],
)
def test_where_boxes_go_is_checked_before_the_model_runs(
    target, words, evaluate, tmp_path, monkeypatch
):
    monkeypatch.setattr("allcell.cli.evaluate.predict", lambda *a, **k: pytest.fail("it ran"))
    done = evaluate(smears(), "--predictions", tmp_path / target)
    assert done.exit_code == 1
    assert words in done.stderr


def test_scores_are_printed_though_the_boxes_cannot_be_written(evaluate, tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    done = evaluate(smears(), "--predictions", tmp_path / "boxes.json")
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert done.stdout.startswith("mine on smears/test: 1 images")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["evaluate", "--data", ""], id="evaluate"),
        pytest.param(["evaluate", "--data="], id="evaluate, in one word"),
        pytest.param(["detect", ""], id="detect"),
        pytest.param(["data", "import-allidb1", ""], id="a command of a command"),
    ],
)
def test_an_empty_path_is_not_this_folder(arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "is empty" in done.stderr
