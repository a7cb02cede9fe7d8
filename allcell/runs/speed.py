"""A series of benchmarks in a background thread, with progress and a way to stop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from allcell.benchmark import FRAME_SIZE_PX, BenchmarkResult, benchmark
from allcell.detector import Detector
from allcell.errors import AllcellError, ModelError
from allcell.imaging.images import RGBImage
from allcell.runs.guard import BackgroundRun, StoppedError
from allcell.synth.field import random_spec, render

log = logging.getLogger(__name__)

#: Diameter of a red cell in a 1280x720 frame through a usual objective.
_USUAL_RED_CELL_PX = 40.0


@dataclass(frozen=True)
class SpeedJob:
    """One model at one input size.

    Attributes:
        model: Name of the model.
        long_side_px: Long side of the network's input; None for the model's default.
        title: Title for display; the name if empty.
    """

    model: str
    long_side_px: int | None = None
    title: str = ""


@dataclass(eq=False)
class SpeedRun(BackgroundRun):
    """Benchmarks one after the other; stops by itself once the user's tab is gone.

    Attributes:
        jobs: What is measured, in this order.
        open_detector: Loads a model by name, untimed; called in the run's thread.
        frames: Timed frames per job, after the warm-up.
        warm_up: Untimed frames before them.
        results: Finished jobs, by position in `jobs`.
    """

    jobs: Sequence[SpeedJob]
    open_detector: Callable[[str], Detector]
    frames: int = 60
    warm_up: int = 8
    results: dict[int, BenchmarkResult] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Number of jobs that have a result or failed."""
        return len(self.results) + len(self.failures)

    def _release(self) -> None:
        self.open_detector = _closed

    def _weights(self) -> Sequence[float]:
        return [1.0] * len(self.jobs)

    def _do(self) -> None:
        for position, job in enumerate(self.jobs):
            self.position, self.share = position, 0.0
            try:
                self.results[position] = self._measure(job)
            except AllcellError as error:
                self.failures[position] = f"{error.message} {error.remedy}"
            except StoppedError:
                raise
            except Exception as error:  # the other models can still be measured
                log.exception("Measuring the model %s failed.", job.model)
                self.failures[position] = f"The model failed ({type(error).__name__})."
            gc.collect()
        self.position, self.share = len(self.jobs), 0.0

    def _measure(self, job: SpeedJob) -> BenchmarkResult:
        self._guard.check()
        detector = self.open_detector(job.model)
        width, height = FRAME_SIZE_PX
        spec = detector.spec
        red_cell_px = spec.red_cell_px * width / (job.long_side_px or spec.default_long_side_px)
        if spec.fixed_input_px is not None:
            red_cell_px = _USUAL_RED_CELL_PX  # affects only what the frame looks like
        with self._guard.over(detector):
            return benchmark(
                detector,
                _frame(width, height, red_cell_px),
                red_cell_px=red_cell_px,
                frames=self.frames,
                warm_up=self.warm_up,
                on_frame=self._on_frame,
            )

    def _on_frame(self, done: int, of: int) -> None:
        self.share = done / of
        self._guard.check()


def _closed(name: str) -> Detector:
    raise ModelError(f"The run of {name} has ended.", "Start another one.")


def _frame(width_px: int, height_px: int, red_cell_px: float) -> RGBImage:
    return render(random_spec(7, width_px, height_px, red_cell_px)).image
