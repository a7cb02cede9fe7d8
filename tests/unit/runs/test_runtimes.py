"""Runtimes side by side: each is measured, or says why it cannot be."""

from collections import Counter

import numpy as np
import pytest

from allcell.detector import Detector
from allcell.errors import DeviceError
from allcell.runs import runtimes
from allcell.runs.runtimes import Way, compare, table, ways
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
    assert "not here: openvino, full, intel-gpu: There is no Intel GPU." in text
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
    monkeypatch.setattr(runtimes, "has_openvino", lambda: has_openvino)
    monkeypatch.setattr(runtimes, "has_torch", lambda: has_torch)
    found = ways("live")
    assert {(way.device, way.runtime) for way in found} == expected
    assert found[0] == Way("cpu", "onnx", "int8")  # what others are compared with


def test_a_table_of_nothing_still_names_the_paper(opened):
    found = compare("live", [CARD], frames=1, photos=0, viewing_s=0)
    assert np.isfinite(found.paper_fps)
    assert "the paper" in table(found)
