"""What is measured of the ways to run a model on this machine, and which ways there are."""

from __future__ import annotations

from dataclasses import dataclass, field

from allcell.engines.opening import Precision, Runtime, has_openvino, has_torch
from allcell.own.finding import find_model
from allcell.statistics import Milliseconds

#: Where a slow call takes so many times the median, something else was at work.
_NOISY = 2.0
_TITLES = {
    **{"onnx": "ONNX Runtime", "openvino": "OpenVINO", "torch": "torch"},
    **{"cpu": "CPU", "cuda": "CUDA", "intel-gpu": "Intel GPU", "intel-npu": "Intel NPU"},
    **{"full": "", "int8": "8-bit"},
}


@dataclass(frozen=True)
class Way:
    """One way to run a model.

    Attributes:
        device: As of `Detector.open`, like the rest.
        runtime: Such as onnx.
        precision: Such as bf16.
    """

    device: str
    runtime: Runtime
    precision: Precision

    @property
    def title(self) -> str:
        """In words, such as "OpenVINO · CPU · 8-bit"; a precision is named if it is not full."""
        parts = (self.runtime, self.device, self.precision)
        return " · ".join(filter(None, (_TITLES.get(part, part) for part in parts)))


@dataclass
class Speed:
    """How fast one way is.

    Attributes:
        way: Which.
        description: Runtime, version and device, as the engine says it.
        frame_to_boxes: From a 1280x720 frame to boxes, alternating with the other ways.
        bare_engine: The runtime's call alone, alternating likewise.
        fps: Frames a second: 1000 over the median of `frame_to_boxes`.
        times_first: How many times as fast as the first way, by the medians of `frame_to_boxes`.
        images_per_s: Photographs of 5 megapixels a second as in a folder, from file to boxes.
        viewers_fps: Frames a second for each viewer, by the number of viewers who look at once.
        failed: Why it cannot run here; then nothing else is known.
    """

    way: Way
    description: str = ""
    frame_to_boxes: Milliseconds | None = None
    bare_engine: Milliseconds | None = None
    fps: float = 0.0
    times_first: float = 0.0
    images_per_s: float = 0.0
    viewers_fps: dict[int, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class RuntimeComparison:
    """What was measured in one run.

    Attributes:
        model: Name of the model.
        machine: Processor and cores.
        features: Instructions of the processor that make networks fast.
        versions: Of what is installed.
        frame_px: Width and height of a frame.
        input_px: Width and height of the network's input for it.
        photo_px: Width and height of a photograph.
        frames: Measured frames of each way.
        paper_fps: The paper's frames a second, on a Tesla P100.
        resident_mb: Memory of the process at the end, with all ways open.
        speeds: One for each way, today's first.
    """

    model: str
    machine: str
    features: tuple[str, ...]
    versions: dict[str, str]
    frame_px: tuple[int, int]
    input_px: tuple[int, int]
    photo_px: tuple[int, int]
    frames: int
    paper_fps: float
    resident_mb: float
    speeds: tuple[Speed, ...]

    @property
    def disturbed(self) -> str:
        """That something else was at work while it was measured, in words; empty if not."""
        bare = [speed.bare_engine for speed in self.speeds if speed.bare_engine is not None]
        if all(each.p95 <= _NOISY * each.median for each in bare):
            return ""
        return (
            "Something else kept this machine busy: one call in twenty took more than twice the "
            "usual time. Measure again when it is quiet."
        )


def ways(model: str) -> tuple[Way, ...]:
    """The ways that may run a model here; whether one works is known once it is opened.

    Args:
        model: Its name.

    Raises:
        ModelError: If it has no weights here.
    """
    known = find_model(model)
    if known.own is not None and known.own.card.imported:
        return (Way("cpu", "onnx", "full"),)
    small = known.files().onnx_int8 is not None
    found = [Way("cpu", "onnx", "int8")] * small + [Way("cpu", "onnx", "full")]
    if has_openvino():
        found += [Way("cpu", "openvino", "full"), Way("cpu", "openvino", "bf16")]
        found += [Way("cpu", "openvino", "int8")] * small
        found += [Way("intel-gpu", "openvino", "full"), Way("intel-npu", "openvino", "full")]
    if has_torch() and known.own is None:
        # On a CPU torch only slows the others down, as its threads keep spinning.
        found += [Way("cuda", "torch", "full")]
    return tuple(found)
