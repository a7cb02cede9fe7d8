"""Runtimes side by side: each is measured, or says why it cannot be."""

import csv
import io
import json
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from allcell.detector import Detector
from allcell.errors import DeviceError, ModelError
from allcell.runs import runtime_speeds, runtimes
from allcell.runs.runtime_speeds import Way, ways
from allcell.runs.runtimes import compare
from allcell.runs.runtimes_run import RuntimesRun
from allcell.runs.runtimes_text import COLUMNS, comparison_csv, comparison_json, table
from allcell.statistics import Milliseconds
from tests.held_engine import SPEC, Engine

ONNX, CARD = Way("cpu", "onnx", "full"), Way("intel-gpu", "openvino", "full")


@pytest.fixture
def opened(monkeypatch):
    """Detectors of the test; those of Intel's GPU are not there."""
    runs = Counter()

    class Counted(Engine):
        def __init__(self, runtime):
            super().__init__()
            self.description = f"{runtime} of the test"

        def run(self, image):
            runs[self.description] += 1
            return super().run(image)

    def open_one(name, *, device, runtime, precision, threads):
        if device == "intel-gpu":
            raise DeviceError("There is no Intel GPU.", "Choose the device cpu.")
        return Detector(SPEC, Counted(runtime))

    monkeypatch.setattr(runtimes.Detector, "open", open_one)
    # Drawing a photograph takes a second.
    monkeypatch.setattr(runtimes, "_PHOTO_PX", (400, 300))
    return runs


@pytest.mark.parametrize(
    ("way", "title"),
    [
        (ONNX, "ONNX Runtime · CPU"),
        (CARD, "OpenVINO · Intel GPU"),
        (Way("cpu", "openvino", "int8"), "OpenVINO · CPU · 8-bit"),
        (Way("cpu", "openvino", "bf16"), "OpenVINO · CPU · bf16"),
        (Way("cuda", "torch", "full"), "torch · CUDA"),
    ],
)
def test_people_read_names_not_options(way, title):
    assert way.title == title


@pytest.mark.parametrize(("slow_ms", "said"), [(6.0, ""), (30.0, "Something else kept")])
def test_a_busy_machine_is_told(opened, slow_ms, said):
    found = compare("live", [ONNX, CARD], frames=1, photos=0, viewing_s=0)
    calls = Milliseconds.of([5.0] * 18 + [slow_ms] * 2)
    speeds = (replace(found.speeds[0], bare_engine=calls), found.speeds[1])
    found = replace(found, speeds=speeds)
    assert found.disturbed.startswith(said)
    assert bool(found.disturbed) is bool(said)
    assert found.disturbed in table(found)


@pytest.mark.slow
def test_each_way_is_measured_or_says_why_not(opened):
    slow = Way("cpu", "openvino", "full")
    found = compare("live", [ONNX, slow, CARD], frames=3, photos=2, viewing_s=0.01)
    first, second, failed = found.speeds
    assert first.times_first == 1
    assert first.fps == pytest.approx(1e3 / first.frame_to_boxes.median)
    assert set(first.viewers_fps) == {1, 4, 16}
    assert first.images_per_s > 0
    assert second.description == "openvino of the test"
    assert failed.failed == "There is no Intel GPU. Choose the device cpu."
    assert opened["onnx of the test"] >= 20 + 2 * 3 + 3
    text = table(found)
    assert "openvino of the test" in text
    assert "the paper, Tesla P100" in text
    assert "not here: OpenVINO · Intel GPU: There is no Intel GPU." in text
    # Every row ends with its bar; the longest belongs to the fastest.
    bars = [line.count("#") for line in text.splitlines() if "#" in line]
    assert len(bars) == 3
    assert max(bars) == 24


@pytest.mark.parametrize(
    ("has_openvino", "has_torch", "expected"),
    [
        pytest.param(False, False, {("cpu", "onnx")}, id="light, no OpenVINO"),
        pytest.param(
            True,
            True,
            {
                ("cpu", "onnx"),
                ("cpu", "openvino"),
                ("intel-gpu", "openvino"),
                ("intel-npu", "openvino"),
                ("cuda", "torch"),
            },
            id="everything",
        ),
    ],
)
def test_what_is_installed_takes_part(monkeypatch, has_openvino, has_torch, expected):
    monkeypatch.setattr(runtime_speeds, "has_openvino", lambda: has_openvino)
    monkeypatch.setattr(runtime_speeds, "has_torch", lambda: has_torch)
    found = ways("live")
    assert {(way.device, way.runtime) for way in found} == expected
    assert found[0] == Way("cpu", "onnx", "int8")  # what others are compared with


def test_a_table_of_nothing_still_names_the_paper(opened):
    found = compare("live", [CARD], frames=1, photos=0, viewing_s=0)
    assert np.isfinite(found.paper_fps)
    assert "the paper" in table(found)


def test_the_files_name_everything(opened):
    found = compare("live", [ONNX, CARD], frames=2, photos=0, viewing_s=0.01)
    first, failed = csv.DictReader(io.StringIO(comparison_csv(found)))
    assert set(COLUMNS) <= set(first)
    assert first["runtime"] == "onnx"
    assert float(first["frames_per_s"]) == pytest.approx(found.speeds[0].fps, abs=0.01)
    assert float(first["times_paper"]) == pytest.approx(found.speeds[0].fps / 80, abs=0.01)
    assert float(first["viewers_4_frames_per_s"]) > 0
    assert first["photos_per_s"] == "", "not measured is not 0"
    assert failed["not_here_because"] == "There is no Intel GPU. Choose the device cpu."
    assert failed["frames_per_s"] == ""
    content = json.loads(comparison_json(found))
    assert content["paper_fps"] == 80
    assert content["speeds"][0]["description"] == "onnx of the test"
    assert "P100" in content["paper"]
    assert "Research Use" in content["notice"]


class Stop(Exception):  # noqa: N818 (nothing went wrong)
    """As a user's stop."""


@pytest.mark.parametrize("at", ["opening", "frames", "viewer", "photographs"])
def test_it_can_be_stopped_at_every_stage(opened, at):
    shares, before = [], threading.enumerate()

    def on_step(share, words):
        shares.append(share)
        if words.startswith(at) or (at == "viewer" and "viewers" in words):
            raise Stop

    with pytest.raises(Stop):
        compare("live", [ONNX], frames=2, photos=2, viewing_s=0.01, on_step=on_step)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    # Those of other tests may still be ending.
    begun = [t for t in threading.enumerate() if t not in before]
    assert not [t for t in begun if t.name.startswith("allcell-ahead")]


def test_a_run_shows_its_progress_and_its_result(opened):
    seen = []

    def measure(model, on_step):
        on_step(0.5, "frames")
        seen.append((run.share, run.words, run.done))
        return compare(model, [ONNX], frames=1, photos=0, viewing_s=0)

    run = RuntimesRun("live", measure)
    run.start()
    run.wait(30)
    assert seen == [(0.5, "frames", 0)]
    assert (run.done, run.failed, run.running) == (1, "", False)
    assert run.comparison.speeds[0].fps > 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(ModelError("It failed.", "Try."), "It failed. Try.", id="ours"),
        pytest.param(KeyError("x"), "Measuring failed (KeyError).", id="any other"),
    ],
)
def test_a_run_that_fails_says_why(error, said):
    def measure(model, on_step):
        raise error

    run = RuntimesRun("live", measure)
    run.start()
    run.wait(30)
    assert (run.failed, run.comparison, run.running) == (said, None, False)


def test_a_run_can_be_stopped():
    begun = threading.Event()

    def measure(model, on_step):
        while True:
            begun.set()
            on_step(0.1, "frames")

    run = RuntimesRun("live", measure)
    run.start()
    assert begun.wait(10)
    run.stop()
    run.wait(10)
    assert (run.running, run.failed, run.comparison) == (False, "", None)
