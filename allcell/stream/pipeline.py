"""Speed of live video from source frame to drawn frame, without a browser."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allcell.errors import ModelError
from allcell.formats.pixels import RGBImage
from allcell.imaging.preprocess import network_input
from allcell.statistics import Milliseconds
from allcell.stream.frames import Viewer
from allcell.stream.live_settings import LiveSettings
from allcell.stream.magnification import working_size_px
from allcell.stream.model_worker import ModelWorker
from allcell.stream.slide_canvas import slide_spec
from allcell.synth.slide import SyntheticSlide

#: No frame takes this long; a model that hangs must not hang the benchmark.
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class PipelineResult:
    """Speed of the frame worker with one viewer, every frame inferred and drawn.

    Attributes:
        model: Its name.
        runtime: Runtime, version and device.
        frame_px: Width and height of the source frames.
        input_px: Width and height of the network's input.
        frames: Frames measured after the warm-up.
        boxes: Number of boxes drawn on the last frame.
        frame: Source frame to drawn frame: mailbox, thread, detection, drawing.
        bare_engine: The runtime's call alone on a ready input, alternating with the frames.
        fps: Throughput: frames divided by their total wall time, including what follows the
            drawing: quality, tally, red-cell size.
        over_engine: Median of `frame` divided by the median of `bare_engine`.
    """

    model: str
    runtime: str
    frame_px: tuple[int, int]
    input_px: tuple[int, int]
    frames: int
    boxes: int
    frame: Milliseconds
    bare_engine: Milliseconds
    fps: float
    over_engine: float

    def summary(self) -> str:
        """The numbers in two lines."""
        return (
            f"pipeline: {self.frame_px[0]}x{self.frame_px[1]} source frame to drawn frame "
            f"({self.boxes} boxes), {self.frames} frames: median {self.frame.median:.2f} ms, "
            f"p95 {self.frame.p95:.2f} ms\n  {self.fps:.1f} frames a second; "
            f"{self.over_engine:.2f} times the bare engine ({self.bare_engine.median:.2f} ms)"
        )


def benchmark_pipeline(
    worker: ModelWorker,
    source: Sequence[RGBImage],
    *,
    frames: int = 200,
    warm_up: int = 40,
) -> PipelineResult:
    """Benchmark the frame worker on some frames, shown over and over.

    Each frame is drawn with its own boxes, as live video does with a model that is fast enough for
    it. The next frame follows when everything is done, including the tally. Before each, a bare
    call of the engine is timed, so that a noisy machine disturbs both equally.

    Args:
        worker: The model.
        source: RGB uint8 (H, W, 3) of one size, such as a pan; shown back and forth.
        frames: How many are measured.
        warm_up: How many warm-up frames come first.

    Raises:
        ModelError: If the model does not answer, or fails.
    """
    viewer = Viewer(LiveSettings(worker))
    engine = worker.detector.engine
    path = itertools.cycle([*source, *source[-2:0:-1]])

    def one_frame() -> tuple[float, float]:
        """Milliseconds until it was drawn, and until everything was done."""
        start_s = time.perf_counter()
        viewer.process(next(path), _TIMEOUT_S)
        drawn_ms = 1e3 * (time.perf_counter() - start_s)
        if not viewer.settle(_TIMEOUT_S):
            raise ModelError("The model does not answer.", "Try another one.")
        if error := viewer.error:
            raise ModelError(error)
        return drawn_ms, 1e3 * (time.perf_counter() - start_s)

    for _ in range(warm_up):
        one_frame()
    height, width = source[0].shape[:2]
    spec = worker.detector.spec
    red_cell_px = viewer.status().red_cell_px
    ready = network_input(spec, source[0], working_size_px(spec, width, height, red_cell_px, None))
    frame_ms: list[tuple[float, float]] = []
    bare_ms: list[float] = []
    for _ in range(frames):
        start_s = time.perf_counter()
        engine.run(ready)
        bare_ms.append(1e3 * (time.perf_counter() - start_s))
        frame_ms.append(one_frame())
    kept = viewer.snapshot()
    boxes = len(kept.detections) if kept else 0
    viewer.close()
    frame, bare = Milliseconds.of([drawn for drawn, _ in frame_ms]), Milliseconds.of(bare_ms)
    return PipelineResult(
        spec.name,
        engine.description,
        (width, height),
        (ready.shape[1], ready.shape[0]),
        frames,
        boxes,
        frame,
        bare,
        1e3 * len(frame_ms) / sum(done for _, done in frame_ms),
        frame.median / bare.median,
    )


def pan(width_px: int, height_px: int, frames: int = 30, step_px: int = 4) -> list[RGBImage]:
    """Frames, RGB uint8 (H, W, 3), of a synthetic slide under a stage that moves to the right."""
    spec = slide_spec(width_px, height_px, seed=11)
    strip = SyntheticSlide(spec).view(0, 0, width_px + frames * step_px, height_px).image
    starts = range(0, frames * step_px, step_px)
    return [np.ascontiguousarray(strip[:, x : x + width_px]) for x in starts]
