"""`allcell sweep`, of a slide of squares and in the process of the test."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import allcell.slides.opening
from allcell.__main__ import app
from allcell.records.store import case_store
from allcell.runs.sweeping import found
from allcell.runs.sweeping.work import SlideSweep, sweeps
from allcell.settings import settings
from tests.sweeping_cases import CORNERS, request_in, slide, work_here
from tests.unit.scanning.slides import SPEC

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The slide's file."""
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    case_store.cache_clear()
    request_in(tmp_path)
    monkeypatch.setattr(allcell.slides.opening, "open_slide", lambda path: slide())
    monkeypatch.setattr(found, "find_model", lambda name: SimpleNamespace(spec=SPEC))
    yield tmp_path / "slide.bin"
    settings.cache_clear()
    case_store.cache_clear()


def run(path, *options):
    return CliRunner().invoke(
        # Squares are no smear.
        app,
        ["sweep", str(path), "--everything", "--insist", "--red-cell-px", "20", *options],
    )


def test_the_cells_are_counted_written_and_kept(path, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(SlideSweep, "start", lambda self: work_here(monkeypatch, self))
    targets = [tmp_path / f"cells{suffix}" for suffix in (".geojson", ".csv", ".parquet")]
    result = run(path, "--case", "one", *(f"--out={one}" for one in targets))
    assert result.exit_code == 0, result.output
    assert f"{len(CORNERS)} white cells" in result.stdout
    assert "exact 95 % interval" in result.stdout
    assert f"case {sweeps()[0].state.case_id}" in result.stdout
    features = json.loads(targets[0].read_text())["features"]
    corners = {tuple(map(round, one["geometry"]["coordinates"][0][0])) for one in features}
    assert corners == set(CORNERS)
    assert all(one.stat().st_size for one in targets)


def test_one_that_was_stopped_goes_on_by_the_same_command(path, monkeypatch) -> None:
    monkeypatch.setattr(
        SlideSweep, "start", lambda self: work_here(monkeypatch, self, stop_after=4)
    )
    first = run(path)
    assert first.exit_code == 1
    assert "The same command goes on where it was." in first.stderr
    monkeypatch.setattr(SlideSweep, "start", lambda self: work_here(monkeypatch, self))
    again = run(path)
    assert again.exit_code == 0
    assert f"{len(CORNERS)} white cells" in again.stdout
    assert len(sweeps()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--out", "cells.xml"], "of no kind", id="another kind of file"),
        pytest.param(["--out", "no/cells.csv"], "no folder", id="a folder that is not there"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(path, monkeypatch, options, said) -> None:
    monkeypatch.setattr(SlideSweep, "start", lambda self: pytest.fail("it started"))
    result = run(path, *options)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_slide_that_is_no_smear_gets_no_numbers(path, monkeypatch) -> None:
    """As a picture of it would get none; and the reason is said."""
    monkeypatch.setattr(SlideSweep, "start", lambda self: work_here(monkeypatch, self))
    result = CliRunner().invoke(app, ["sweep", str(path), "--everything", "--red-cell-px", "20"])
    assert result.exit_code == 1
    assert "This slide gets no numbers." in result.output
    assert "white cells," not in result.stdout
    assert "is strongly compressed" in run(path).output, "counted, and marked"
