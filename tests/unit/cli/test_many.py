"""`allcell batch`, in this process: what is said, and the exit codes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.batch import run
from allcell.batch.on_ray import has_ray
from allcell.batch.work import PartWorker
from tests.batch_runs import HAS_RAY, all_rows, rows, smear, smears


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Workers in this process."""

    def one_by_one(setup, parts, *_):
        worker = PartWorker(setup)
        yield from map(worker.do, parts)

    monkeypatch.setattr(run, "in_processes", one_by_one)


def batch(*arguments):
    options = ("--processes", "--device", "cpu", "--runtime", "onnx")
    return CliRunner().invoke(app, ["batch", *map(str, arguments), *options])


def test_a_folder_becomes_tables(tmp_path):
    smears(tmp_path / "smears", 3)
    (tmp_path / "smears" / "damaged.jpg").unlink()
    done = batch(tmp_path / "smears", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert (
        f"{tmp_path / 'out'}: 3 pictures with {len(rows(tmp_path / 'out', 'cells'))} cells"
        in done.stdout
    )
    assert "For Research Use Only" in done.stderr
    assert "1 of 1 parts, 3 of 3 inputs" in done.stderr


def test_a_failure_is_counted_and_can_be_tried_again(tmp_path):
    out = tmp_path / "out"
    smears(tmp_path, 1)
    (tmp_path / "damaged.jpg").unlink()
    (tmp_path / "list.txt").write_text("field-000.png\nlate.png\n")
    done = batch(tmp_path / "list.txt", "--out", out)
    assert done.exit_code == 1
    assert "1 inputs failed: see failures/" in done.stderr
    assert [row["image"] for row in rows(out, "failures")] == [str(tmp_path / "late.png")]
    (tmp_path / "late.png").write_bytes(smear(2))
    assert "1 inputs failed" in batch(tmp_path / "list.txt", "--out", out).stderr, "done is done"
    assert len(rows(out, "images")) == 1
    again = batch(tmp_path / "list.txt", "--out", out, "--again")
    assert again.exit_code == 0
    assert rows(out, "failures") == []
    assert len(rows(out, "images")) == 2


def test_a_folder_that_has_grown_is_gone_on_with(tmp_path):
    smears(tmp_path / "smears", 2)
    batch(tmp_path / "smears", "--out", tmp_path / "out")
    before = all_rows(tmp_path / "out")
    (tmp_path / "smears" / "a-new.png").write_bytes(smear(3))
    done = batch(tmp_path / "smears", "--out", tmp_path / "out")
    assert "3 inputs were done before" in done.stdout
    after = all_rows(tmp_path / "out")
    new = [row for row in after["images"] if row not in before["images"]]
    assert [row["image"] for row in new] == [str(tmp_path / "smears" / "a-new.png")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--model", "cnn"], "classifies whole fields", id="a whole-field model"),
        pytest.param(["--model", "none"], "no model named", id="no such model"),
        pytest.param(["--ray", "auto"], "not both", id="two engines"),
        pytest.param(["--runtime", "tpu"], "--runtime is", id="no such runtime"),
        pytest.param(["--conf", "0.9"], "begun with other settings", id="other settings"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, options, said):
    smears(tmp_path / "smears", 1)
    if "--conf" in options:
        batch(tmp_path / "smears", "--out", tmp_path / "out")
    arguments = ["batch", str(tmp_path / "smears"), "--out", str(tmp_path / "out"), "--processes"]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exit_code != 0
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_ray_runs_where_it_is_installed(monkeypatch):
    assert has_ray() is HAS_RAY
    assert run.engine_here("auto") == "ray"
    monkeypatch.setattr(run, "has_ray", lambda: True)
    assert run.engine_here(None) == "ray"
    monkeypatch.setattr(run, "has_ray", lambda: False)
    assert run.engine_here(None) == "processes"


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed here")
def test_without_ray_a_cluster_is_out_of_reach(tmp_path):
    smears(tmp_path / "smears", 1)
    command = ["batch", str(tmp_path / "smears"), "--out", str(tmp_path / "out"), "--ray", "auto"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "Ray is not installed" in done.stderr
    assert "ray[data]" in done.stderr
