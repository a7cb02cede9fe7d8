"""Actors of Ray: the same rows as processes of Python's own, whatever is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from allcell.batch.inputs import inputs_at
from allcell.batch.run import run_batch
from allcell.batch.work import PartWorker
from allcell.errors import ModelError
from tests.batch_runs import HAS_RAY, WITHOUT_RAY, Killer, all_rows, setup_for, smears

# On a machine under load Ray sometimes does not start in its own time, which is not ours to mend.
pytestmark = [pytest.mark.child, pytest.mark.flaky(reruns=1)]
needs_ray = pytest.mark.skipif(not HAS_RAY, reason=WITHOUT_RAY)

PICTURES = 30


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return smears(tmp_path_factory.mktemp("many") / "smears", PICTURES)


@needs_ray
def test_a_worker_that_is_killed_loses_and_doubles_nothing(source, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "out"
    worker = PartWorker(setup_for(plain))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "allcell.batch.run.in_processes",
            lambda setup, parts, *_: (worker.do(part) for part in parts),
        )
        run_batch(
            setup_for(plain),
            inputs_at(str(source)).inputs,
            workers=1,
            engine="processes",
            part_size=4,
        )
    killer = Killer(out)
    done = run_batch(
        setup_for(out),
        inputs_at(str(source)).inputs,
        workers=2,
        engine="ray",
        part_size=4,
        on_progress=killer,
    )
    assert killer.killed, "nobody was killed"
    assert (done.images, done.failed, done.parts_done) == (PICTURES, 1, done.parts)
    assert all_rows(out) == all_rows(plain)
    assert not list(Path("/tmp").glob(f"allcell-ray-{os.getpid()}-*")), "Ray's folder is left"
    assert not (Path.home() / ".ray").exists(), "a password of Ray's is left"


@needs_ray
def test_what_a_worker_cannot_do_is_said_as_without_ray(source, tmp_path):
    setup = setup_for(tmp_path)
    other = replace(setup, job=replace(setup.job, weights_sha256="0" * 64))
    with pytest.raises(ModelError, match="are not those that the run"):
        run_batch(other, inputs_at(str(source)).inputs, workers=1, engine="ray")
