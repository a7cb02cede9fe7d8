"""Every runtime of this machine side by side on one model: latency, throughput, viewers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from allcell.analysis import analyse_many, judged
from allcell.benchmark import FRAME_SIZE_PX, resident_mb
from allcell.detector import Detector
from allcell.engines.opening import Precision, Runtime, has_openvino, has_torch
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.errors import AllcellError
from allcell.imaging.images import RGBImage, decode
from allcell.imaging.preprocess import network_input
from allcell.own.finding import find_model
from allcell.own.opening import open_model
from allcell.runs.photographs import PHOTO_PX, PHOTO_RED_CELL_PX, photograph
from allcell.statistics import Milliseconds
from allcell.synth.field import random_spec, render

#: Frames a second of the paper's YOLOv5s at 1024 px on a Tesla P100.
PAPER_FPS = 80.0
_FRAME_PX, _PHOTO_PX = FRAME_SIZE_PX, PHOTO_PX
_WARM_UP = 20
_VIEWERS = (1, 4, 16)
#: Shares of the whole at which each stage begins, after the opening.
_FRAMES_FROM, _VIEWERS_FROM, _PHOTOS_FROM = 0.25, 0.4, 0.75
#: How often somebody who may stop it is asked.
_STEP_S = 0.2
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


def compare(
    model: str,
    those: Sequence[Way],
    *,
    frames: int = 100,
    photos: int = 12,
    viewing_s: float = 2.0,
    threads: int | None = None,
    on_step: Callable[[float, str], None] = lambda share, words: None,
) -> RuntimeComparison:
    """Measure ways to run a model in turn, frame by frame, so that noise disturbs all of them.

    Args:
        model: Its name.
        those: From `ways`.
        frames: Measured frames of each.
        photos: Measured photographs of each; 0 measures none.
        viewing_s: How long viewers look; 0 measures none.
        threads: See `Detector.open`.
        on_step: Called with the share that is done (0 to 1) and what comes next, several times a
            second and whenever that changes; may raise to stop.

    Raises:
        ModelError: If there is no such model.
    """
    spec = find_model(model).spec
    red_cell_px = spec.red_cell_px * _FRAME_PX[0] / spec.default_long_side_px
    frame = render(random_spec(7, *_FRAME_PX, red_cell_px)).image
    ready = network_input(spec, frame, red_cell_px)
    speeds = [Speed(way) for way in those]
    detectors: dict[int, Detector] = {}
    for place, speed in enumerate(speeds):
        way = speed.way
        on_step(_FRAMES_FROM * place / len(speeds), f"opening {way.title}")
        try:
            detector = open_model(
                model,
                device=way.device,
                runtime=way.runtime,
                precision=way.precision,
                threads=threads,
            )
            for _ in range(_WARM_UP):
                detector.detect(frame, red_cell_px=red_cell_px, confidence=spec.confidence)
        except AllcellError as error:
            speed.failed = str(error)
            continue
        speed.description = detector.engine.description
        detectors[place] = detector
    whole: dict[int, list[float]] = {place: [] for place in detectors}
    bare: dict[int, list[float]] = {place: [] for place in detectors}
    for n in range(frames):
        on_step(_between(_FRAMES_FROM, _VIEWERS_FROM, n / frames), "frames")
        for place, detector in detectors.items():
            bare[place].append(_ms(lambda: detector.run_bare(ready)))  # noqa: B023
            whole[place].append(_ms(lambda: _find(detector, frame, red_cell_px)))  # noqa: B023
    for n, (place, detector) in enumerate(detectors.items()):
        speed = speeds[place]
        speed.frame_to_boxes = Milliseconds.of(whole[place])
        speed.bare_engine = Milliseconds.of(bare[place])
        speed.fps = 1e3 / speed.frame_to_boxes.median
        first = Milliseconds.of(whole[min(detectors)])
        speed.times_first = first.median / speed.frame_to_boxes.median
        share = _between(_VIEWERS_FROM, _PHOTOS_FROM, n / len(detectors))
        for viewers in _VIEWERS if viewing_s else ():
            words = f"{viewers} viewers" if viewers > 1 else "1 viewer"
            step = partial(on_step, share, f"{words}, {speed.description}")
            speed.viewers_fps[viewers] = _viewed(
                detector, frame, red_cell_px, viewers, viewing_s, step
            )
    if photos:
        _photographs(speeds, detectors, photos, on_step)
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


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _find(detector: Detector, image: RGBImage, red_cell_px: float) -> None:
    detector.detect(image, red_cell_px=red_cell_px, confidence=detector.spec.confidence)


def _ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def _photographs(
    speeds: Sequence[Speed],
    detectors: dict[int, Detector],
    photos: int,
    on_step: Callable[[float, str], None],
) -> None:
    photo = photograph(3, _PHOTO_PX, PHOTO_RED_CELL_PX)
    for n, (place, detector) in enumerate(detectors.items()):
        speed = speeds[place]
        step = partial(
            on_step,
            _between(_PHOTOS_FROM, 1.0, n / len(detectors)),
            f"photographs, {speed.description}",
        )
        step()
        took = 0.0
        for measured in (False, True):  # first a warm-up, in which the cores' graphs are opened
            start = time.perf_counter()
            answers = analyse_many(
                detector,
                [photo] * photos,
                lambda data: judged(detector.spec, decode(data)),  # noqa: B023
                lambda data: "photograph",
            )
            with closing(answers):
                for _, answer in answers:
                    if isinstance(answer, AllcellError):
                        speed.failed = str(answer)
                    step()
            took = time.perf_counter() - start if measured else 0.0
        speed.images_per_s = photos / took


def _viewed(
    detector: Detector,
    frame: RGBImage,
    red_cell_px: float,
    viewers: int,
    seconds: float,
    step: Callable[[], None],
) -> float:
    """Frames a second for each of several viewers who look at once."""
    done = [0] * viewers
    over = threading.Event()

    def look(viewer: int) -> None:
        while not over.is_set():
            _find(detector, frame, red_cell_px)
            done[viewer] += 1

    step()
    threads = [threading.Thread(target=look, args=(viewer,)) for viewer in range(viewers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        while (left := start + seconds - time.perf_counter()) > 0:
            step()
            over.wait(min(left, _STEP_S))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return sum(done) / viewers / (time.perf_counter() - start)
