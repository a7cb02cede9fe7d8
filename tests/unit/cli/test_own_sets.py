"""`evaluate` on a set of one's own: what is said of it, and what is checked before it runs."""

import json

import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.imaging.images import encode_png
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
