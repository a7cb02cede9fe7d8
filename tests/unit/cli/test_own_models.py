"""Own-laboratory models on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.imaging.images import encode_png
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.own.own_model import CARD_FILE
from allcell.own.shelf import shelf
from allcell.settings import settings
from allcell.synth import FieldSpec, render
from tests.own_models import BYTES, Person, card, taught


def run(*arguments, **given):
    return CliRunner().invoke(app, [*map(str, arguments)], **given)


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    yield shelf()
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize("command", [["models"], ["models", "list"]])
def test_the_list_has_those_of_the_laboratory_last(kept, command):
    bare = run(*command)
    assert bare.exit_code == 0
    assert "lab-" not in bare.stdout
    assert not kept.folder.exists()
    made = kept.add(BYTES, card(), Person("ada@lab"))
    done = run(*command)
    assert done.stdout.startswith(bare.stdout)
    line = done.stdout.splitlines()[-1]
    assert line.startswith(f"{made.card.id}: Klinikum A, for this laboratory; taught from live")
    assert "0.59" in line
    assert "0.89" in line
    assert "8 fields" in line


def test_the_list_as_json(kept):
    made = kept.add(BYTES, card())
    rows = json.loads(run("models", "--json").stdout)
    assert [row["name"] for row in rows] == [
        *(spec.name for spec in (*MODELS, *CLASSIFIERS)),
        made.card.id,
    ]
    own = rows[-1]
    assert (own["title"], own["sha256"], own["parent"]) == ("Klinikum A", made.card.sha256, "live")
    assert own["test"] is None


def test_the_list_names_what_is_damaged(kept):
    made = kept.add(BYTES, card())
    (made.folder / CARD_FILE).write_text("{")
    done = run("models")
    assert done.exit_code == 0
    assert f"{made.card.id}: The card of the model" in done.stderr
    assert run("models", "delete", made.card.id, "--yes").exit_code == 0
    assert "lab-" not in run("models").stderr


def test_the_card_in_words_and_as_json(kept):
    made = kept.add(BYTES, card())
    said = run("models", "info", "klinikum a").stdout
    for words in (
        "Taught from: allcell live, with 8 fields",
        "0.59 (0.49 to 0.64) before",
        "0.89 (0.79 to 0.94) after",
        "Better on blasts",
        "by field, in 4 parts",
        "allidb1",
        made.card.id,
    ):
        assert words in said
    assert json.loads(run("models", "info", made.card.id, "--json").stdout)["schema"] == 1


@pytest.mark.parametrize(
    "command",
    [["info"], ["export", "x.zip"], ["rename", "y"], ["give", "ada"], ["delete", "--yes"]],
)
def test_a_model_that_is_not_there_is_named(kept, command):
    done = run("models", command[0], "nothing", *command[1:])
    assert done.exit_code == 1
    assert "no model of this laboratory named 'nothing'" in done.stderr
    assert "None is kept here." in done.stderr
    made = kept.add(BYTES, card())
    done = run("models", command[0], "nothing", *command[1:])
    assert f"There are: {made.card.id} (Klinikum A)." in done.stderr


@pytest.mark.child
def test_a_model_goes_out_and_comes_back(kept, tmp_path):
    made = kept.add(taught(), card())
    done = run("models", "export", "Klinikum A", tmp_path / "a.zip")
    assert done.exit_code == 0, done.stderr
    assert run("models", "delete", "Klinikum A", input="n\n").exit_code == 1
    assert kept.models() == (made,)
    assert run("models", "delete", "Klinikum A", "--yes").exit_code == 0
    assert kept.models() == ()
    done = run("models", "import", tmp_path / "a.zip", "--name", "Back")
    assert done.exit_code == 0, done.stderr
    (came,) = kept.models()
    assert done.stdout.strip() == came.card.id
    assert (came.card.name, came.card.imported) == ("Back", True)
    assert "stranger's" in run("models", "info", "Back").stdout
    again = run("models", "import", tmp_path / "a.zip", "--name", "Back")
    assert again.exit_code == 1
    assert "named Back already" in again.stderr


def test_names_and_owners(kept):
    kept.add(BYTES, card())
    assert run("models", "rename", "Klinikum A", "Nord").exit_code == 0
    assert run("models", "give", "Nord", "ada@lab").exit_code == 0
    assert kept.get("Nord").card.owner == "ada@lab"
    assert run("models", "give", "Nord", "--everyone").exit_code == 0
    assert kept.get("Nord").card.owner == "*"
    assert run("models", "give", "Nord").exit_code == 2
    assert run("models", "rename", "Nord", "live").exit_code == 1


def test_detect_takes_it_by_name(kept, tmp_path):
    made = kept.add(taught(), card())
    image = render(FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4, neutrophils=2)).image
    (tmp_path / "smear.png").write_bytes(encode_png(image))
    done = run("detect", tmp_path / "smear.png", "--model", "Klinikum A", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["model"] == made.card.id
    done = run("detect", tmp_path / "smear.png", "--model", "Klinikum B")
    assert done.exit_code == 1
    assert f"{made.card.id} (Klinikum A)" in done.stderr


@pytest.mark.slow
def test_evaluate_takes_it_too(kept, tmp_path):
    made = kept.add(taught(), card())
    folder = tmp_path / "set"
    for part in ("images", "labels"):
        (folder / part / "test").mkdir(parents=True)
    field = render(FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4, neutrophils=2))
    (folder / "images" / "test" / "a.png").write_bytes(encode_png(field.image))
    (folder / "labels" / "test" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "classes.txt").write_text("blast\nhealthy\n")
    done = run("evaluate", "--data", folder, "--model", "Klinikum A", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["model"] == made.card.id
