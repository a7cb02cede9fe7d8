"""How fast a model is on this machine: each stage timed frame by frame, after a warm-up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detector import Detector
from allcell.environment.versions import machine_name
from allcell.imaging.preprocess import network_input
from allcell.statistics import Milliseconds

#: Width and height of a typical camera's frame.
FRAME_SIZE_PX = (1280, 720)


@dataclass(frozen=True)
class BenchmarkResult:
    """Speed of one model at one input size, batch 1.

    Attributes:
        model: Its name.
        runtime: Runtime, version and device.
        machine: Processor and number of cores.
        frame_px: Width and height of the source frame.
        input_px: Width and height of the network's input.
        frames: Frames measured after the warm-up.
        preprocess: Scaling and padding.
        inference: The network, as the detector called it.
        postprocess: Decoding and non-maximum suppression.
        total: From frame to boxes.
        bare_engine: The runtime's call alone on a prepared input, alternating with the frames.
        fps: Frames per second: their number divided by the sum of their total times.
        over_engine: Median total over median bare engine.
        resident_mb: Resident memory of the process at the end.
    """

    model: str
    runtime: str
    machine: str
    frame_px: tuple[int, int]
    input_px: tuple[int, int]
    frames: int
    preprocess: Milliseconds
    inference: Milliseconds
    postprocess: Milliseconds
    total: Milliseconds
    bare_engine: Milliseconds
    fps: float
    over_engine: float
    resident_mb: float


def resident_mb(pid: int | None = None) -> float:
    """Resident memory of a process in MB, this one by default (Linux; 0 elsewhere)."""
    try:
        with open(f"/proc/{pid or 'self'}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def benchmark(
    detector: Detector,
    frame: npt.NDArray[np.uint8],
    *,
    red_cell_px: float,
    frames: int = 200,
    warm_up: int = 20,
    on_frame: Callable[[int, int], None] | None = None,
) -> BenchmarkResult:
    """Measure a detector on one frame, again and again.

    Args:
        detector: The model.
        frame: RGB uint8 (H, W, 3).
        red_cell_px: Red-cell diameter in pixels of the frame; not measured, as in a running stream.
        frames: How many are measured.
        warm_up: How many run first, not measured.
        on_frame: Called with the number of frames done and their total; may raise to stop.

    Raises:
        ModelError: If the network fails.
    """
    height, width = frame.shape[:2]
    ready = network_input(detector.spec, frame, red_cell_px)
    stages: dict[str, list[float]] = {"pre": [], "run": [], "post": [], "total": []}
    bare: list[float] = []
    for n in range(warm_up + frames):
        start = time.perf_counter()
        detector.run_bare(ready)
        bare.append(1e3 * (time.perf_counter() - start))
        _, timing = detector.detect(
            frame, red_cell_px=red_cell_px, confidence=detector.spec.confidence
        )
        stages["pre"].append(timing.preprocess_ms)
        stages["run"].append(timing.inference_ms)
        stages["post"].append(timing.postprocess_ms)
        stages["total"].append(timing.total_ms)
        if on_frame:
            on_frame(n + 1, warm_up + frames)
    kept = {name: Milliseconds.of(values[warm_up:]) for name, values in stages.items()}
    engine = Milliseconds.of(bare[warm_up:])
    return BenchmarkResult(
        detector.spec.name,
        detector.engine.description,
        machine_name(),
        (width, height),
        (ready.shape[1], ready.shape[0]),
        frames,
        kept["pre"],
        kept["run"],
        kept["post"],
        kept["total"],
        engine,
        1e3 * frames / sum(stages["total"][warm_up:]),
        kept["total"].median / engine.median,
        resident_mb(),
    )


@dataclass(frozen=True)
class Race:
    """Two ways to get the same boxes, timed in alternation on the same machine.

    Attributes:
        ours: From frame to boxes with our detector.
        theirs: From frame to boxes with the reference.
        times_faster: Median of theirs over median of ours.
    """

    ours: Milliseconds
    theirs: Milliseconds
    times_faster: float


def race(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 12) -> Race:
    """Time two callables in alternation, so that noise on the machine affects both equally.

    Args:
        ours: Called ten times a round, since it is the faster one.
        theirs: Called once a round.
        rounds: Measured rounds; one more runs first as a warm-up.
    """

    def timed(call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - start)

    def both() -> Iterator[tuple[list[float], float]]:
        for _ in range(rounds + 1):
            yield [timed(ours) for _ in range(10)], timed(theirs)

    measured = list(both())[1:]
    mine = Milliseconds.of([t for many, _ in measured for t in many])
    other = Milliseconds.of([t for _, t in measured])
    return Race(mine, other, other.median / mine.median)
