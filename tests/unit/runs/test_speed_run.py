"""A series of benchmarks that can be stopped."""

import itertools
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest

from allcell.detector import Detector
from allcell.errors import ModelError
from allcell.models.registry import get_spec
from allcell.runs.speed import SpeedJob, SpeedRun
from allcell.runs.turn import turn
from allcell.settings import RESEARCH_USE
from allcell.ui.compare.speed import speed_csv
from tests.held_engine import Engine


def test_all_jobs_are_measured_at_their_size():
    run = SpeedRun(
        [SpeedJob("live"), SpeedJob("live", 320)],
        lambda name: Detector(get_spec(name), Engine()),
        frames=3,
        warm_up=1,
    )
    run.start()
    run.wait(30)
    assert not run.running
    assert run.total_share == 1
    assert run.results[0].input_px[0] == get_spec("live").default_long_side_px
    assert run.results[1].input_px[0] == 320
    assert run.results[1].frames == 3


def test_stopping_keeps_what_is_done():
    gate = threading.Event()
    # The first job runs the engine twice a frame, in 4 frames.
    engine = Engine(gate, free_runs=8)
    run = SpeedRun(
        [SpeedJob("live"), SpeedJob("live", 320), SpeedJob("live", 480)],
        lambda name: Detector(get_spec(name), engine),
        frames=3,
        warm_up=1,
    )
    run.start()
    assert engine.reached.wait(30)
    run.stop()
    gate.set()
    run.wait(30)
    assert not run.running
    assert run.stopped
    assert list(run.results) == [0]
    assert run.position == 1


@pytest.mark.parametrize("free_runs", [8, 9], ids=["the bare network", "within a frame"])
@pytest.mark.parametrize("how", ["stopped", "the tab is gone"])
@pytest.mark.slow
def test_a_run_that_does_not_end_is_interrupted(free_runs, how):
    engine = Engine(threading.Event(), free_runs)
    there = [True]
    run = SpeedRun(
        [SpeedJob("live"), SpeedJob("live", 320)],
        lambda name: Detector(get_spec(name), engine),
        frames=3,
        warm_up=1,
        is_open=lambda: there[0],
        gone_s=0.2,
    )
    run.start()
    assert engine.reached.wait(30)
    if how == "stopped":
        run.stop()
    else:
        there[0] = False
    run.wait(10)
    assert not run.running
    assert run.stopped
    assert list(run.results) == [0]
    assert not run.failures


def test_a_model_that_fails_unforeseen_does_not_end_the_series(caplog):
    class Broken(Engine):
        def run(self, image):
            raise IndexError("too many indices")

    engines = iter([Broken(), Engine()])
    run = SpeedRun(
        [SpeedJob("yolov5s"), SpeedJob("live")],
        lambda name: Detector(get_spec(name), next(engines)),
        frames=2,
        warm_up=1,
    )
    run.start()
    run.wait(30)
    assert run.failures == {0: "The model failed (IndexError)."}
    assert list(run.results) == [1]
    assert "too many indices" in caplog.text


def test_a_model_that_cannot_be_opened_does_not_end_the_series():
    def open_detector(name):
        if name == "yolov5s":
            raise ModelError("It is broken.", "Mend it.")
        return Detector(get_spec(name), Engine())

    run = SpeedRun([SpeedJob("yolov5s"), SpeedJob("live")], open_detector, frames=2, warm_up=1)
    run.start()
    run.wait(30)
    assert run.failures == {0: "It is broken. Mend it."}
    assert list(run.results) == [1]


@pytest.mark.parametrize(
    ("away", "stopped"),
    [
        pytest.param(lambda asked: asked > 6, True, id="the tab is closed"),
        pytest.param(lambda asked: asked in (4, 5), False, id="it reconnects"),
    ],
)
@pytest.mark.slow
def test_it_ends_by_itself_soon_after_nobody_is_there(away, stopped):
    asked = itertools.count(1)

    class Slow(Engine):
        def run(self, image):
            time.sleep(0.05)
            return super().run(image)

    run = SpeedRun(
        [SpeedJob("live")] * 3,
        lambda name: Detector(get_spec(name), Slow()),
        frames=6,
        warm_up=1,
        is_open=lambda: not away(next(asked)),
        gone_s=0.6,
    )
    run.start()
    run.wait(60)
    assert not run.running
    assert run.stopped == stopped
    assert (len(run.results) < 3) == stopped


def test_a_model_that_insists_on_its_input_is_measured_with_it():
    spec = replace(get_spec("live"), fixed_input_px=(64, 32), default_long_side_px=64)
    run = SpeedRun([SpeedJob("user-1")], lambda name: Detector(spec, Engine()), frames=2, warm_up=1)
    run.start()
    run.wait(30)
    assert run.results[0].input_px == (64, 32)


def test_the_table_carries_the_notice():
    table = pd.DataFrame({"Model": ["a", "b"], "Frames a second": [1.5, 2.5]})
    lines = speed_csv(table).splitlines()
    assert lines == [f"Model,Frames a second,{RESEARCH_USE}", "a,1.5,", "b,2.5,"]


@pytest.mark.parametrize("stop", [False, True])
def test_it_waits_for_another_run_on_this_computer_and_can_be_stopped_meanwhile(stop):
    engine = Engine()
    run = SpeedRun([SpeedJob("live")], lambda name: Detector(get_spec(name), engine), frames=2)
    with turn(lambda: None):
        run.start()
        until(lambda: run.waits)
        assert engine.runs == 0
        if stop:
            run.stop()
            run.wait(10)
            assert not run.running
    run.wait(30)
    assert not run.running
    assert not run.waits
    assert len(run.results) == (not stop)


def until(there, seconds=10):
    end_s = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end_s
        time.sleep(0.01)
