"""One part from its files to its tables: the same answers as `detect`, each input once."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.batch import work
from allcell.batch.careful import Careful
from allcell.batch.inputs import inputs_at
from allcell.batch.job import BatchPart, part_file, plan_parts
from allcell.batch.storage import Storage
from allcell.batch.tables import COUNTS, SCHEMAS, parquet
from allcell.batch.work import PartWorker
from allcell.errors import ModelError
from allcell.imaging.images import encode_png
from allcell.models.classes import CELL_CLASSES
from allcell.result import BOX_COLUMNS
from tests.batch_runs import all_rows, rows, setup_for, smear, smears


@pytest.fixture
def source(tmp_path):
    return smears(tmp_path / "smears", 4)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def part_of(source):
    return BatchPart(0, tuple(inputs_at(str(source)).inputs))


def test_the_columns_are_those_of_detect():
    assert tuple(SCHEMAS["cells"].names) == (*BOX_COLUMNS, "part")
    assert list(COUNTS.values()) == [cell.plural.replace(" ", "_") for cell in CELL_CLASSES]
    assert set(COUNTS.values()) <= set(SCHEMAS["images"].names)
    for schema in SCHEMAS.values():
        assert b"Research Use Only" in schema.metadata[b"notice"]


def test_the_rows_are_those_of_detect(source, out):
    done = PartWorker(setup_for(out)).do(part_of(source))
    printed = CliRunner().invoke(
        app, ["detect", str(source), "--csv", "--device", "cpu", "--runtime", "onnx"]
    )
    expected = sorted(
        (
            *(row["image"], int(row["cell"]), row["suggested_class"], row["confidence"]),
            *(row[side] for side in ("x1_px", "y1_px", "x2_px", "y2_px")),
            *(row["lowest_confidence"], row["largest_overlap"], row["weights_sha256"]),
        )
        for row in csv.DictReader(io.StringIO(printed.stdout))
        if row["cell"] != "0"
    )
    found = [
        (
            *(row["image"].rpartition("/")[2], row["cell"], row["suggested_class"]),
            f"{row['confidence']:.4f}",
            *(f"{row[side]:.2f}" for side in ("x1_px", "y1_px", "x2_px", "y2_px")),
            *(f"{row[name]:.2f}" for name in ("lowest_confidence", "largest_overlap")),
            row["weights_sha256"],
        )
        for row in rows(out, "cells")
    ]
    assert found == expected
    assert len(expected) > 20
    assert (done.images, done.failed, done.cells) == (4, 1, len(expected))


def test_a_picture_has_its_counts_and_a_bad_file_its_reason(source, out):
    (source / "grey.png").write_bytes(encode_png(0 * smear_array() + 128))
    PartWorker(setup_for(out)).do(part_of(source))
    images = {row["image"].rpartition("/")[2]: row for row in rows(out, "images")}
    cells = rows(out, "cells")
    for name, row in images.items():
        own = [cell for cell in cells if cell["image"].endswith(name)]
        assert row["cells"] == len(own)
        if not row["withheld"]:
            for kind, column in COUNTS.items():
                assert row[column] == sum(cell["suggested_class"] == kind for cell in own)
    assert images["grey.png"]["withheld"]
    assert images["grey.png"]["blasts"] is None
    assert "not to be trusted" in images["grey.png"]["reservation"]
    [failure] = rows(out, "failures")
    assert failure["image"].endswith("damaged.jpg")
    assert failure["kind"] == "ImageError"
    assert failure["message"]
    assert failure["remedy"]


def smear_array():
    from allcell.imaging.images import decode

    return decode(smear())


def test_who_insists_gets_numbers_marked_as_such(source, out):
    (source / "grey.png").write_bytes(encode_png(0 * smear_array() + 128))
    PartWorker(setup_for(out, insist=True)).do(part_of(source))
    [grey] = [row for row in rows(out, "images") if row["image"].endswith("grey.png")]
    assert not grey["withheld"]
    assert grey["blasts"] == 0
    assert "insisted" in grey["reservation"]


def test_a_part_that_is_done_is_never_done_again(source, out, monkeypatch):
    worker, part = PartWorker(setup_for(out)), part_of(source)
    first = worker.do(part)
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    monkeypatch.setattr(work, "answers", None)
    again = worker.do(part)
    assert again.was_done
    assert (again.images, again.cells, again.failed) == (first.images, first.cells, first.failed)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == files
    assert not list((out / "begun").rglob("*.json"))


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(["cells"], id="cells without pictures"),
        pytest.param(["cells", "failures"], id="a failure that is none any more"),
    ],
)
def test_a_part_that_was_half_written_is_done_anew(source, out, left):
    (source / "damaged.jpg").unlink()
    worker, part = PartWorker(setup_for(out)), part_of(source)
    old = {
        "cells": [{"image": "half", "part": 0}],
        "failures": [{"image": str(source / "field-000.png"), "part": 0}],
    }
    for table in left:
        worker._out.write(part_file(table, 0), parquet(table, old[table]))
    done = worker.do(part)
    assert not done.was_done
    assert (done.images, done.failed) == (4, 0)
    assert rows(out, "failures") == []
    assert "half" not in {row["image"] for row in rows(out, "cells")}
    assert len(rows(out, "images")) == 4


def test_other_weights_on_another_machine_are_refused(out):
    setup = setup_for(out)
    with pytest.raises(ModelError, match="are not those that the run"):
        PartWorker(replace(setup, job=replace(setup.job, weights_sha256="0" * 64)))


@pytest.mark.child
def test_a_fault_that_is_none_of_ours_spoils_one_input_only(source, out, monkeypatch):
    expected = PartWorker(setup_for(out / "whole")).do(part_of(source))

    def broken(*_, **__):
        raise RuntimeError("a library's own error")

    monkeypatch.setattr(work, "answers", broken)  # not in the child, which tries one by one
    done = PartWorker(setup_for(out / "one by one")).do(part_of(source))
    assert (done.images, done.failed, done.cells) == (
        *(expected.images, expected.failed, expected.cells),
    )
    assert all_rows(out / "one by one") == all_rows(out / "whole")


@pytest.mark.child
def test_what_ends_its_process_is_a_failure_and_the_next_one_is_answered(source, out):
    def end(careful):
        while careful._pool is None or not careful._pool._processes:
            time.sleep(0.01)
        for process in list(careful._pool._processes.values()):
            process.kill()

    part = part_of(source)
    with Careful(setup_for(out), 0) as careful:
        killer = threading.Thread(target=end, args=(careful,))
        killer.start()
        image, cells, failure = careful.answer(part.inputs[1])
        killer.join()
        assert (image, cells) == (None, [])
        assert "ended the process" in failure["message"]
        image, cells, failure = careful.answer(part.inputs[1])
        assert failure is None
        assert image["cells"] == len(cells)


@pytest.mark.child
def test_a_part_that_ended_two_workers_is_tried_one_by_one(source, out, monkeypatch):
    worker, part = PartWorker(setup_for(out)), part_of(source)
    for n in range(2):
        worker._out.write(f"begun/part-0000000/{n}.json", b"{}")
    monkeypatch.setattr(work, "answers", None)  # it is not called here
    done = worker.do(part)
    assert (done.images, done.failed) == (4, 1)
    assert not list((out / "begun").rglob("*.json"))


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_name_that_is_no_utf8_is_answered_and_named_readably(tmp_path, out):
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"plain \\xe9.png"):
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(smear())
    inputs = inputs_at(str(folder)).inputs
    parts = plan_parts(Storage(str(out)), inputs)
    assert plan_parts(Storage(str(out)), inputs) == parts, "the plan can be read again"
    done = PartWorker(setup_for(out)).do(parts[0])
    assert (done.images, done.failed) == (2, 0)
    named = [row["image"] for row in rows(out, "images")]
    assert named == [str(folder / "caf\\xe9.png"), str(folder / "plain \\xe9.png")]
