"""Every runtime of this machine side by side on one model: latency, throughput, viewers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from allcell.benchmark import resident_mb
from allcell.detector import Detector
from allcell.engines.opening import Precision, Runtime, has_openvino, has_torch
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.errors import AllcellError
from allcell.imaging.images import RGBImage, decode, encode_jpeg
from allcell.imaging.preprocess import network_input
from allcell.models.registry import get_spec
from allcell.models.weights import model_files
from allcell.statistics import Milliseconds
from allcell.synth.field import random_spec, render

#: Frames a second of the paper's YOLOv5s at 1024 px on a Tesla P100.
PAPER_FPS = 80.0
_FRAME_PX, _PHOTO_PX = (1280, 720), (2592, 1944)
_PHOTO_RED_CELL_PX = 40.0
_WARM_UP = 20
_VIEWERS = (1, 4, 16)


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
        images_per_s: Photographs of 5 megapixels a second, decoded and searched one after another.
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


def ways(model: str) -> tuple[Way, ...]:
    """The ways that may run a model here; whether one works is known once it is opened.

    Args:
        model: Its name.

    Raises:
        ModelError: If it has no weights here.
    """
    small = model_files(model).onnx_int8 is not None
    found = [Way("cpu", "onnx", "int8")] * small + [Way("cpu", "onnx", "full")]
    if has_openvino():
        found += [Way("cpu", "openvino", "full"), Way("cpu", "openvino", "bf16")]
        found += [Way("cpu", "openvino", "int8")] * small
        found += [Way("intel-gpu", "openvino", "full"), Way("intel-npu", "openvino", "full")]
    if has_torch():
        # On a CPU torch only slows the others down, as its threads keep spinning.
        found += [Way("cuda", "torch", "full")]
    return tuple(found)


def compare(
    model: str,
    those: Sequence[Way],
    *,
    frames: int = 100,
    photos: int = 8,
    viewing_s: float = 2.0,
    threads: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> RuntimeComparison:
    """Measure ways to run a model in turn, frame by frame, so that noise disturbs all of them.

    Args:
        model: Its name.
        those: From `ways`.
        frames: Measured frames of each.
        photos: Measured photographs of each; 0 measures none.
        viewing_s: How long viewers look; 0 measures none.
        threads: See `Detector.open`.
        say: Called with a line of text before each stage.

    Raises:
        ModelError: If there is no such model.
    """
    spec = get_spec(model)
    red_cell_px = spec.red_cell_px * _FRAME_PX[0] / spec.default_long_side_px
    frame = render(random_spec(7, *_FRAME_PX, red_cell_px)).image
    ready = network_input(spec, frame, red_cell_px)
    speeds = [Speed(way) for way in those]
    detectors: dict[int, Detector] = {}
    for place, speed in enumerate(speeds):
        say(f"opening {speed.way.runtime}, {speed.way.precision}, {speed.way.device}")
        try:
            detector = Detector.open(
                model,
                device=speed.way.device,
                runtime=speed.way.runtime,
                precision=speed.way.precision,
                threads=threads,
            )
            for _ in range(_WARM_UP):
                detector.detect(frame, red_cell_px=red_cell_px, confidence=spec.confidence)
        except AllcellError as error:
            speed.failed = str(error)
            continue
        speed.description = detector.engine.description
        detectors[place] = detector
    say("frames")
    whole: dict[int, list[float]] = {place: [] for place in detectors}
    bare: dict[int, list[float]] = {place: [] for place in detectors}
    for _ in range(frames):
        for place, detector in detectors.items():
            bare[place].append(_ms(lambda: detector.run_bare(ready)))  # noqa: B023
            whole[place].append(_ms(lambda: _find(detector, frame, red_cell_px)))  # noqa: B023
    for place, detector in detectors.items():
        speed = speeds[place]
        speed.frame_to_boxes = Milliseconds.of(whole[place])
        speed.bare_engine = Milliseconds.of(bare[place])
        speed.fps = 1e3 / speed.frame_to_boxes.median
        first = Milliseconds.of(whole[min(detectors)])
        speed.times_first = first.median / speed.frame_to_boxes.median
        if viewing_s:
            say(f"viewers, {speed.description}")
            for viewers in _VIEWERS:
                speed.viewers_fps[viewers] = _viewed(
                    detector, frame, red_cell_px, viewers, viewing_s
                )
    if photos:
        say("photographs")
        _photographs(speeds, detectors, photos)
    return RuntimeComparison(
        model,
        machine_name(),
        processor_features(),
        installed_versions(),
        _FRAME_PX,
        (ready.shape[1], ready.shape[0]),
        _PHOTO_PX,
        frames,
        PAPER_FPS,
        resident_mb(),
        tuple(speeds),
    )


def _find(detector: Detector, image: RGBImage, red_cell_px: float) -> None:
    detector.detect(image, red_cell_px=red_cell_px, confidence=detector.spec.confidence)


def _ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def _photographs(speeds: Sequence[Speed], detectors: dict[int, Detector], photos: int) -> None:
    photo = encode_jpeg(render(random_spec(3, *_PHOTO_PX, _PHOTO_RED_CELL_PX)).image, quality=90)
    taken: dict[int, list[float]] = {place: [] for place in detectors}
    for n in range(photos + 1):  # the first is a warm-up
        for place, detector in detectors.items():
            ms = _ms(lambda: _find(detector, decode(photo), _PHOTO_RED_CELL_PX))  # noqa: B023
            if n:
                taken[place].append(ms)
    for place, times in taken.items():
        speeds[place].images_per_s = 1e3 * len(times) / sum(times)


def _viewed(
    detector: Detector, frame: RGBImage, red_cell_px: float, viewers: int, seconds: float
) -> float:
    """Frames a second for each of several viewers who look at once."""
    done = [0] * viewers
    start = time.perf_counter()

    def look(viewer: int) -> None:
        while time.perf_counter() - start < seconds:
            _find(detector, frame, red_cell_px)
            done[viewer] += 1

    threads = [threading.Thread(target=look, args=(viewer,)) for viewer in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / viewers / (time.perf_counter() - start)


def table(comparison: RuntimeComparison) -> str:
    """The comparison as text, with bars of frames a second beside the paper's."""
    rows = [
        f"{comparison.model} on {comparison.machine}; frame "
        f"{comparison.frame_px[0]}x{comparison.frame_px[1]}, input "
        f"{comparison.input_px[0]}x{comparison.input_px[1]}, {comparison.frames} frames in turn",
    ]
    works = [speed for speed in comparison.speeds if speed.frame_to_boxes is not None]
    width = max([len(speed.description) for speed in works] + [28])
    most = max([speed.fps for speed in works] + [comparison.paper_fps])

    def bar(fps: float) -> str:
        return "#" * max(1, round(24 * fps / most))

    rows.append(
        f"  {'':{width}}  frame  bare   faster  photos/s  frames/s for 1, 4, 16 viewers  frames/s"
    )
    for speed in works:
        assert speed.frame_to_boxes is not None
        assert speed.bare_engine is not None
        seen = " ".join(f"{fps:7.1f}" for fps in speed.viewers_fps.values())
        rows.append(
            f"  {speed.description:{width}} {speed.frame_to_boxes.median:6.2f} "
            f"{speed.bare_engine.median:6.2f}  {speed.times_first:5.2f}x  {speed.images_per_s:8.1f}"
            f"  {seen:29}  {speed.fps:6.0f} {bar(speed.fps)}"
        )
    paper = "the paper, Tesla P100"
    rows.append(f"  {paper:{width + 57}}  {comparison.paper_fps:6.0f} {bar(comparison.paper_fps)}")
    rows += [
        f"  not here: {way.runtime}, {way.precision}, {way.device}: {speed.failed}"
        for speed in comparison.speeds
        for way in [speed.way]
        if speed.failed
    ]
    return "\n".join(rows)
