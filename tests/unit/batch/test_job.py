"""The plan of a run: parts that stay as they are, whatever is added."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allcell.batch.inputs import BatchInput
from allcell.batch.job import BatchJob, begin_job, done_parts, number_of, part_file, plan_parts
from allcell.batch.storage import Storage
from allcell.errors import DataError, ModelError


def inputs(*sizes):
    return [BatchInput(f"/smears/{n}.png", size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "cut"),
    [
        pytest.param([1, 1, 1, 1, 1], [3, 2], id="by number"),
        pytest.param([60, 60, 1, 1], [1, 3], id="by bytes"),
        pytest.param([500, 1, 500], [1, 1, 1], id="one that is too large alone has its own"),
        pytest.param([0, 0, 0, 0], [3, 1], id="sizes unknown"),
    ],
)
def test_parts_are_cut_by_number_and_bytes(tmp_path, sizes, cut):
    out = Storage(str(tmp_path))
    parts = plan_parts(out, inputs(*sizes), most=3, most_bytes=100)
    assert [len(part.inputs) for part in parts] == cut
    assert [one for part in parts for one in part.inputs] == inputs(*sizes)
    assert [part.number for part in parts] == list(range(len(cut)))
    # Another size of parts later changes nothing of what is planned.
    assert plan_parts(out, inputs(*sizes), most=1) == parts


def test_a_folder_that_has_grown_gets_new_parts_only(tmp_path):
    out = Storage(str(tmp_path))
    first = plan_parts(out, inputs(1, 1, 1), most=2)
    grown = [BatchInput("/smears/0-new.png", 1), *inputs(1, 1, 1)]
    second = plan_parts(out, grown, most=2)
    assert second[: len(first)] == first
    assert [(part.number, part.inputs) for part in second[len(first) :]] == [
        (2, (BatchInput("/smears/0-new.png", 1),))
    ]
    assert plan_parts(out, []) == second, "what has gone from the folder stays planned"


def test_other_settings_into_the_same_folder_are_refused(tmp_path):
    out = Storage(str(tmp_path))
    job = BatchJob.of("live")
    begin_job(out, job)
    begin_job(out, BatchJob.of("live"))
    with pytest.raises(DataError, match=r"confidence None, now 0\.3"):
        begin_job(out, replace(job, confidence=0.3))
    with pytest.raises(DataError, match="weights_sha256"):
        begin_job(out, replace(job, weights_sha256="0" * 64))


def test_a_folder_with_files_of_something_else_is_refused(tmp_path):
    out = Storage(str(tmp_path))
    out.write("images/holiday.jpg", b"")
    with pytest.raises(DataError, match="of no run"):
        begin_job(out, BatchJob.of("live"))


def test_a_model_that_is_not_there_is_told_before_anything_is_begun():
    with pytest.raises(ModelError, match="no model named"):
        BatchJob.of("no-such-model")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("part-0000012.parquet", 12, id="a part"),
        pytest.param("part-12000000.parquet", 12_000_000, id="of very many"),
        pytest.param("part-0000012.parquet.tmp", None, id="not whole"),
        pytest.param("0000012.parquet", None, id="another file"),
        pytest.param("part-x.parquet", None, id="no number"),
    ],
)
def test_only_whole_parts_count(tmp_path, name, number):
    assert number_of(name) == number
    out = Storage(str(tmp_path))
    out.write(f"images/{name}", b"")
    out.write(part_file("cells", 3), b"")
    assert done_parts(out) == ({number} if number is not None else set())
