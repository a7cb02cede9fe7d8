"""Many processes of one machine: whatever is lost, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from allcell.batch.inputs import inputs_at
from allcell.batch.run import run_batch
from allcell.batch.work import PartWorker
from tests.batch_runs import Killer, all_rows, setup_for, smears, workers_of

pytestmark = pytest.mark.child

PICTURES = 30


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return smears(tmp_path_factory.mktemp("many") / "smears", PICTURES)


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """The rows of a run in one process, part by part."""
    out = tmp_path_factory.mktemp("undisturbed")
    setup = setup_for(out)
    worker = PartWorker(setup)

    def one_by_one(setup, parts, *_):
        yield from map(worker.do, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("allcell.batch.run.in_processes", one_by_one)
        done = run_batch(
            setup, inputs_at(str(source)).inputs, workers=1, engine="processes", part_size=4
        )
    assert (done.images, done.failed) == (PICTURES, 1)
    return all_rows(out)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(source, undisturbed, tmp_path):
    killer = Killer(tmp_path)
    done = run_batch(
        setup_for(tmp_path),
        inputs_at(str(source)).inputs,
        workers=2,
        engine="processes",
        part_size=4,
        on_progress=killer,
    )
    assert killer.killed, "nobody was killed"
    assert (done.images, done.failed, done.parts_done) == (PICTURES, 1, done.parts)
    assert done.cells == len(undisturbed["cells"])
    # The parts are others' than those of one worker, the rows are not.
    assert all_rows(tmp_path) == undisturbed


def test_a_run_that_is_killed_goes_on_where_it_was(source, undisturbed, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "allcell", "batch", str(source), "--out", str(out)]
    command += ["--processes", "--workers", "2", "--part-size", "4"]
    command += ["--device", "cpu", "--runtime", "onnx"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    end = time.monotonic() + 120
    while len(list(out.glob("images/part-*.parquet"))) < 2 and time.monotonic() < end:
        assert process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.02)
    workers = workers_of(out)
    process.kill()
    process.wait()
    # A worker that is left alone ends by itself.
    while any(_runs(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in workers)
    before = {p: p.stat().st_mtime_ns for p in out.glob("images/part-*.parquet")}
    assert 2 <= len(before) < 8

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # the damaged one
    assert f"{len(before)} of 8 parts" in done.stderr
    assert "inputs were done before" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in before} == before, "a part was done again"
    assert all_rows(out) == undisturbed


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_that_is_stopped_leaves_no_process(source, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "allcell", "batch", str(source), "--out", str(out)]
    command += ["--processes", "--workers", "2", "--part-size", "4"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whatever runs the tests in the background may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 120
    while not workers_of(out) and time.monotonic() < end:
        time.sleep(0.02)
    workers = workers_of(out)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert not any(_runs(pid) for pid in workers)
