"""How fast a model is on this machine: warm-up, then every stage of frame after frame."""

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

#: The frame of a usual camera.
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
        postprocess: Decoding and suppression.
        total: Frame to boxes.
        bare_engine: The runtime's call alone on a ready input, alternating with the frames.
        fps: Frames divided by the wall time of all of them.
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
        red_cell_px: Red-cell diameter in the frame: the scale is known, as in a running stream.
        frames: How many are measured.
        warm_up: How many go before.
        on_frame: Called with the number of frames done and their total; may raise to stop.
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
    """Two ways to the same boxes, frame by frame in turn on the same machine.

    Attributes:
        ours: Frame to boxes with our detector.
        theirs: Frame to boxes with the reference.
        times_faster: Median of theirs over median of ours.
    """

    ours: Milliseconds
    theirs: Milliseconds
    times_faster: float


def race(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 12) -> Race:
    """Time two callables in turn, so that a noisy machine disturbs both alike.

    Args:
        ours: Called ten times a round, since it is the short one.
        theirs: Called once a round.
        rounds: Measured rounds; one more goes before as a warm-up.
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
