"""`allcell teach`, with a process that only pretends to learn."""

import json
import sys
from dataclasses import replace
from types import ModuleType

import pytest
from typer.testing import CliRunner

from allcell.background.progress import StopWork
from allcell.cli.base import app
from allcell.cli.kept.teach import score_table
from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.settings import settings
from allcell.teaching import child, work
from allcell.teaching.work import Teaching, teachings
from tests.user_sets import fields

SCORE = {"value": 0.5, "low": None, "high": None}


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """A labelled set of rendered fields, and a data folder."""
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    monkeypatch.setattr(work, "require_torch", lambda what: None)
    folder = tmp_path / "set"
    (folder / "images" / "train").mkdir(parents=True)
    for n, (png, field) in enumerate(fields(7)):
        (folder / "images" / "train" / f"{n}.png").write_bytes(png)
        rows = [
            (int(kind), (x1 + x2) / 960, (y1 + y2) / 720, (x2 - x1) / 480, (y2 - y1) / 360)
            for (x1, y1, x2, y2), kind in zip(
                field.truth.xyxy.tolist(), field.truth.class_id.tolist(), strict=True
            )
        ]
        write_labels(folder / "labels" / "train" / f"{n}.txt", rows)
    write_dataset_yaml(folder, splits=("train",))
    yield folder
    settings.cache_clear()


def pretend(monkeypatch, outcome="better", ends=None):
    """Let a teaching work in this process, and end as asked for."""

    def run(folder, progress, *, only_plan):
        progress.say(replace(progress.state, plan="About 3 minutes."), now=True)
        progress.begin("Trains on all fields")
        if ends is not None:
            raise ends
        if only_plan:
            progress.say(replace(progress.state, status="planned", stage=""), now=True)
            return
        classes = {"blast": {"ap": SCORE, "recall": SCORE, "precision": SCORE}}
        scores = {"classes": classes, "false_blasts_a_field": SCORE}
        verdict = {"outcome": outcome, "words": "Said.", "before": scores, "after": scores}
        report = {"verdict": verdict, "seed": work.Request.read(folder).seed}
        (folder / "report.json").write_text(json.dumps(report))
        done = replace(progress.state, status="done", stage="", progress=1.0, verdict="Said.")
        progress.say(replace(done, model="lab-x" if outcome == "better" else ""), now=True)

    module = ModuleType("allcell.teaching.run")
    module.run = run
    monkeypatch.setitem(sys.modules, "allcell.teaching.run", module)

    def start(self, *, only_plan=False):
        (self.folder / "stop").unlink(missing_ok=True)
        child.teach(self.folder, only_plan=only_plan)

    monkeypatch.setattr(Teaching, "start", start)


def teach(labelled, *options):
    return CliRunner().invoke(app, ["teach", "--data", str(labelled), "--name", "Here", *options])


def test_the_report_is_printed_and_written_and_nothing_else_stays(labelled, monkeypatch, tmp_path):
    pretend(monkeypatch)
    result = teach(labelled, "--json", str(tmp_path / "report.json"), "--seed", "4")
    assert result.exit_code == 0, result.output
    assert "7 fields with 22 blasts, 22 healthy white cells and 7 smudges." in result.stderr
    assert "About 3 minutes." in result.stderr
    assert "Said." in result.stdout
    assert "use it with --model lab-x" in result.stdout
    assert json.loads((tmp_path / "report.json").read_text())["seed"] == 4
    assert not teachings()


def test_a_model_that_is_not_better_is_not_offered(labelled, monkeypatch):
    pretend(monkeypatch, "not better")
    result = teach(labelled)
    assert result.exit_code == 0
    assert "The model is called" not in result.stdout


def test_only_the_plan_is_said_and_the_teaching_stays(labelled, monkeypatch):
    pretend(monkeypatch)
    result = teach(labelled, "--only-plan")
    assert result.stdout == "About 3 minutes.\n"
    assert len(teachings()) == 1


def test_one_that_was_stopped_goes_on_by_the_same_command(labelled, monkeypatch):
    pretend(monkeypatch, ends=StopWork())
    result = teach(labelled)
    assert result.exit_code == 1
    assert "The same command goes on where it was." in result.stderr
    (before,) = teachings()
    pretend(monkeypatch)
    started = []
    start = Teaching.start

    def noted(self, *, only_plan=False):
        started.append(self)
        start(self, only_plan=only_plan)

    monkeypatch.setattr(Teaching, "start", noted)
    assert teach(labelled).exit_code == 0
    assert started == [before]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--take", "5"), "There are 5 reviewed fields; at least 6 are needed"),
        (("--take", "9"), "The set has 7 fields"),
        (("--parent", "nobody"), "There is no model named 'nobody' that can be taught"),
        (("--cases", "cases.csv"), "No such file"),
        (("--json", "/nowhere/report.json"), "There is no folder for"),
    ],
    ids=["too few fields", "fewer than asked for", "no such parent", "no list", "no folder"],
)
def test_what_cannot_be_done_is_said_before_anything_is(labelled, monkeypatch, options, said):
    pretend(monkeypatch)
    monkeypatch.setattr(Teaching, "start", lambda self: pytest.fail("it started"))
    result = teach(labelled, *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not teachings()


def test_a_list_of_cases_without_a_case_is_refused_by_its_line(labelled, monkeypatch, tmp_path):
    pretend(monkeypatch)
    cases = tmp_path / "cases.csv"
    cases.write_text("0.png,anna\n1.png\n")
    result = teach(labelled, "--cases", str(cases))
    assert result.exit_code == 1
    assert "cases.csv, line 2: expected a file name and a case." in result.stderr


def test_the_table_has_each_score_before_and_after():
    def scores(*values):
        kinds = ("ap", "recall", "precision")
        named = {kind: {"value": value} for kind, value in zip(kinds, values, strict=True)}
        return {"classes": {"blast": named}, "false_blasts_a_field": {"value": None}}

    before, after = scores(0.1, 0.2, 0.3), scores(0.4, 0.5, None)
    heading, row, false = score_table({"verdict": {"before": before, "after": after}})
    assert heading.split() == ["AP@0.5", "recall", "precision"]
    assert " ".join(row.split()) == "blast 0.100 -> 0.400 0.200 -> 0.500 0.300 -> n/a"
    assert false == "false blasts a field: n/a -> n/a"
