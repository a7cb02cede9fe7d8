"""A whole teaching in a process of its own, with the least of trainings; killed on the way."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import ModelError
from allcell.models.weights import model_files, verified
from allcell.own.shelf import shelf
from allcell.settings import settings
from allcell.teaching import work
from allcell.teaching.work import Request, begin, teachings, teachings_dir
from tests.conftest import ROOT
from tests.teaching_fields import rendered_lesson

pytestmark = pytest.mark.child

#: One step a training, and as few trainings as can be: what it learns does not matter here.
REQUEST = Request("Rendered laboratory", tiles=16, longest_s=1, insist=True)
LONGEST_S = 280


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def ended(teaching):
    started_s = time.monotonic()
    for state in teaching.follow():
        assert time.monotonic() - started_s < LONGEST_S, state
    return state


def kill(teaching):
    """Kill its process, which is asked of nobody but the folder it works in."""
    for place in os.listdir("/proc"):
        if place.isdigit():
            try:
                with open(f"/proc/{place}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if b"allcell.teaching.child" in words and str(teaching.folder).encode() in words:
                os.kill(int(place), signal.SIGKILL)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds the process in /proc")
def test_a_laboratory_is_taught_though_its_process_is_killed_on_the_way(data_dir):
    known = replace(rendered_lesson(2), name="The parent's laboratory")
    teaching = begin(rendered_lesson(6), REQUEST, known=known)
    assert teaching.state.status == "ready"
    assert teaching.state.notes[0].startswith("6 fields with ")
    teaching.start(only_plan=True)
    planned = ended(teaching)
    assert planned.status == "planned", planned
    assert planned.plan.startswith("About ")
    # The same wish is the same teaching, also after a restart of the server.
    assert begin(rendered_lesson(6), REQUEST, known=known) == teaching == teachings()[0]

    teaching.start()
    first = teaching.folder / "part-fold-0.json"
    while not first.exists():
        assert teaching.state.running, teaching.state
        time.sleep(0.05)
    kept = first.stat().st_mtime_ns
    kill(teaching)
    while teaching.alive:
        time.sleep(0.05)
    assert teaching.state.status == "interrupted"
    assert (teaching.folder / "fields").is_dir()

    teaching.start()
    while not (teaching.folder / "part-fold-1.json").exists():
        assert teaching.state.running, teaching.state
        time.sleep(0.05)
    assert first.stat().st_mtime_ns == kept
    done = ended(teaching)
    assert (done.status, done.progress) == ("done", 1.0), done
    assert done.outcome
    report = teaching.report
    assert report["verdict"]["words"] == done.verdict
    assert report["curve"][0]["fields"] == 0
    assert report["fields"] == 6

    # No picture stays, and the model is on the shelf with what is said of it.
    assert sorted(path.name for path in teaching.folder.iterdir()) == [
        "alive.lock",
        "plan.json",
        "report.json",
        "request.json",
        "state.json",
    ]
    model = shelf().get(done.model)
    assert model.card.name == "Rendered laboratory"
    assert model.card.parent == "live"
    assert model.card.training.cells == report["cells"]
    assert model.card.held_out.fields == 6
    assert model.card.verdict == done.verdict
    assert {one.laboratory for one in model.card.parents_laboratories} == {
        "rendered smears",
        "The parent's laboratory",
    }
    assert model.card.familiarity.fields == 6
    assert model.onnx().is_file()
    with pytest.raises(ModelError, match="There is a model named Rendered laboratory already"):
        begin(rendered_lesson(7), REQUEST)
    teaching.delete()
    assert not teachings()
    assert not list(teachings_dir().glob(".new*"))


def test_a_teaching_is_stopped_and_leaves_nothing_when_it_is_deleted(data_dir):
    teaching = begin(rendered_lesson(6), REQUEST)
    teaching.start()
    teaching.stop()
    assert ended(teaching).status == "stopped"
    teaching.delete()
    assert not teachings()


_SERVER = """
import os, signal
from allcell.teaching.work import Request, begin
from tests.teaching_fields import rendered_lesson
begin(rendered_lesson(6), Request("Here", tiles=16, longest_s=1)).start(only_plan=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_teaching_outlives_the_server_that_began_it(data_dir):
    ended_by = subprocess.run([sys.executable, "-c", _SERVER], cwd=ROOT, check=False).returncode
    assert ended_by == -signal.SIGKILL
    (teaching,) = teachings()
    assert teaching.state.running
    assert ended(teaching).status == "planned"
    teaching.delete()


def test_the_quick_way_teaches_where_torch_cannot_be_imported(data_dir, monkeypatch):
    for name in ("torch", "torchvision", "ultralytics"):
        (data_dir / "broken" / name).mkdir(parents=True)
        (data_dir / "broken" / name / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(data_dir / "broken"))
    monkeypatch.setattr(work, "require_torch", lambda what: pytest.fail("asked for torch"))
    teaching = begin(rendered_lesson(6), replace(REQUEST, quick=True))
    teaching.start()
    done = ended(teaching)
    assert done.status == "done", (done, (teaching.folder / "log.txt").read_text())
    model = shelf().get(done.model)
    assert model.card.method == "quick"
    assert model.card.training.settings["tiles"] == 16
    assert not model.card.familiarity.parents_known
    engine, shipped = (
        OnnxEngine(path, threads=1) for path in (model.onnx(), verified(model_files("live").onnx))
    )
    picture = np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    taught, before = engine.run(picture), shipped.run(picture)
    assert np.abs(taught[4:] - before[4:]).max() > 0.001
    np.testing.assert_allclose(taught[:4], before[:4], atol=0.5)
