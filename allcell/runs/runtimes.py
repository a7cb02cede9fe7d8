"""Every runtime of this machine side by side on one model: latency, throughput, viewers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from allcell.analysis import analyse_many, judged
from allcell.benchmark import FRAME_SIZE_PX, resident_mb
from allcell.detector import Detector
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.errors import AllcellError
from allcell.imaging.images import RGBImage, decode
from allcell.imaging.preprocess import network_input
from allcell.own.finding import find_model
from allcell.own.opening import open_model
from allcell.runs.photographs import PHOTO_PX, PHOTO_RED_CELL_PX, photograph
from allcell.runs.runtime_speeds import RuntimeComparison, Speed, Way
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
