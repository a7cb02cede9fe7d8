"""A slide in a run: the cells of a sweep, in one row of the pictures and its rows of cells."""

from __future__ import annotations

import pytest

from allcell.batch.inputs import BatchInput, inputs_at
from allcell.batch.job import BatchPart, plan_parts
from allcell.batch.storage import Storage
from allcell.batch.work import PartWorker
from allcell.synth.scan import SmearSpec, write_slide
from tests.batch_runs import rows, setup_for, smears

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = smears(tmp_path_factory.mktemp("slides") / "smears", 2)
    write_slide(folder / "a.svs", SmearSpec(2048, 2048, layout="monolayer"))
    (folder / "broken.svs").write_bytes((folder / "a.svs").read_bytes()[:5000])
    return folder


def test_a_slide_has_a_part_of_its_own(source, tmp_path):
    inputs = inputs_at(str(source)).inputs
    parts = plan_parts(Storage(str(tmp_path)), inputs)
    assert [[i.address.rpartition("/")[2] for i in part.inputs] for part in parts] == [
        ["a.svs"],
        ["broken.svs"],
        ["damaged.jpg", "field-000.png", "field-001.png"],
    ]


def test_a_slide_is_one_picture_and_a_bad_one_a_failure(source, tmp_path):
    worker = PartWorker(setup_for(tmp_path))
    done = worker.do(BatchPart(0, (BatchInput(str(source / "a.svs")),)))
    assert (done.images, done.failed) == (1, 0)
    [slide] = rows(tmp_path, "images")
    cells = rows(tmp_path, "cells")
    assert (slide["width_px"], slide["height_px"]) == (2048, 2048)
    assert slide["cells"] == len(cells) > 20
    assert "parts of the slide" in slide["warnings"]
    assert all(0 <= c["x1_px"] < c["x2_px"] <= 2060 for c in cells)
    bad = worker.do(BatchPart(1, (BatchInput(str(source / "broken.svs")),)))
    assert (bad.images, bad.failed) == (0, 1)
    [failure] = rows(tmp_path, "failures")
    assert failure["kind"] == "SlideError"
