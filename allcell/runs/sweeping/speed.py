"""How much of the bare engine's speed a sweep keeps: reading, colour and boxes cost the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt

from allcell.ahead import worker_count
from allcell.boxes import unscaled
from allcell.detector import Detector
from allcell.engines.base import BatchEngine, Engine, StreamEngine
from allcell.errors import SweepError
from allcell.imaging.preprocess import network_input
from allcell.scanning.grid import Regions
from allcell.scanning.regions import read_window
from allcell.scanning.sweep import plan_sweep, sweep, unfit_for
from allcell.slides.fitness import map_fitness
from allcell.slides.opening import open_slide
from allcell.slides.rulers import SlideRulers

#: Inputs that the bare engine gets in turn.
_INPUTS = 8
#: Rounds of each, in turns: the speed of a machine that is shared changes within minutes, so a
#: sweep is compared with the runs of the network just before and after it.
_ROUNDS = 5


@dataclass(frozen=True)
class SweepSpeed:
    """A sweep beside the bare engine.

    Attributes:
        regions: Regions of each round.
        empty_share: Share of the slide's regions that are empty and were skipped.
        sweep_per_s: Regions a second, from the file to the boxes; median.
        bare_per_s: Runs of the network a second, on inputs that are ready; median.
        share: What is kept of the bare engine's speed; median of the rounds.
        input_px: Width and height of the network's input.
    """

    regions: int
    empty_share: float
    sweep_per_s: float
    bare_per_s: float
    share: float
    input_px: tuple[int, int]


def sweep_speed(path: Path, detector: Detector, count: int) -> SweepSpeed:
    """Measure, in turns, a sweep of some regions and the bare engine.

    Args:
        path: The slide.
        detector: The model.
        count: Regions of each round.

    Raises:
        SlideError: If the slide cannot be read.
        SweepError: If it has no region to search.
    """
    threads = cv2.getNumThreads()
    slide = open_slide(path)
    try:
        cv2.setNumThreads(1)  # as in the process of a sweep
        rulers = SlideRulers()
        rulers.measure(slide)
        if not rulers.red_cell_px:
            raise SweepError("No red cells could be measured on this slide.", "Use another one.")
        regions = Regions.of(slide, rulers.red_cell_px, detector.spec)
        found = map_fitness(slide, rulers)
        plan = plan_sweep(regions, lambda one: found.of_box(one.x, one.y, one.width, one.height))
        todo = plan.searched[:count]
        if not todo:
            raise SweepError("No part of this slide is fit for counting.", "Use another one.")
        inputs = [
            _input(detector, regions, read_window(slide, regions, one, rulers).image, rulers)
            for one in todo[:_INPUTS]
        ]

        def swept() -> None:
            why = unfit_for("monolayer", rulers)
            with closing(sweep(detector, slide, regions, rulers, todo, unfit=why)) as answers:
                for _ in answers:
                    pass

        bare = _bare(detector, inputs, len(todo))
        for once in (swept, bare):  # opens the network for each core
            once()
        bare_s = [_seconds(bare)]
        sweep_s = []
        for _ in range(_ROUNDS):
            sweep_s.append(_seconds(swept))
            bare_s.append(_seconds(bare))
    finally:
        cv2.setNumThreads(threads)
        slide.close()
    around = [(before + after) / 2 for before, after in pairwise(bare_s)]
    height, width = inputs[0].shape[:2]
    return SweepSpeed(
        len(todo),
        len(plan.empty) / len(regions),
        len(todo) / median(sweep_s),
        len(todo) / median(bare_s),
        median(alone / with_all for alone, with_all in zip(around, sweep_s, strict=True)),
        (width, height),
    )


def _input(
    detector: Detector, regions: Regions, image: npt.NDArray[np.uint8], rulers: SlideRulers
) -> npt.NDArray[np.uint8]:
    return network_input(detector.spec, image, regions.red_cell_in_level_px, rulers.stain)


def _bare(
    detector: Detector, inputs: Sequence[npt.NDArray[np.uint8]], count: int
) -> Callable[[], None]:
    """Runs the network alone so many times, on as many cores at once as a sweep does."""
    engine = detector.engine
    if isinstance(engine, BatchEngine):
        fit = unscaled(inputs[0].shape[1], inputs[0].shape[0])
        most = engine.batch_size(fit)
        batch = list(islice(cycle(inputs), most))

        def on_a_card() -> None:
            for start in range(0, count, most):
                engine.run_batch(batch[: min(most, count - start)], fit, detector.floor_confidence)

        return on_a_card
    workers = worker_count()
    streams: Sequence[Engine] = [engine]
    if isinstance(engine, StreamEngine) and workers > 1:
        streams = engine.streams(workers) or [engine]

    def share(number: int) -> None:
        mine = cycle(inputs)
        for _ in range(number, count, len(streams)):
            streams[number].run(next(mine))

    def on_cores() -> None:
        with ThreadPoolExecutor(len(streams)) as pool:
            list(pool.map(share, range(len(streams))))

    return on_cores


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
