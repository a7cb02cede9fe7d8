"""Sweeps of a slide of squares, in the process of the test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from allcell.background.state import STOP_FILE
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.runs.sweeping import run as steps
from allcell.runs.sweeping.child import work_on
from allcell.runs.sweeping.work import SlideSweep, SweepRequest, slide_key
from allcell.slides.slide import Slide
from tests.unit.scanning.slides import RED_CELL_PX, FindsSquares, squares

SIZE = (1200, 1000)
CORNERS = [(60 + 230 * i, 50 + 190 * j) for i in range(5) for j in range(5)]


class KilledError(BaseException):
    """As if the process were gone."""


class Model(FindsSquares):
    """Finds squares, until it is killed or asked to stop."""

    weights_sha256 = "0" * 64
    engine = SimpleNamespace(description="squares")
    kill_after = stop_after = 10**9
    stop_file = Path()

    def detect(self, image: npt.NDArray[np.uint8], **options: Any) -> tuple[Detections, Timing]:
        """See `FindsSquares.detect`."""
        answer = super().detect(image, **options)
        if len(self.seen) > self.kill_after:
            raise KilledError
        if len(self.seen) == self.stop_after:
            self.stop_file.touch()
        return answer


def slide() -> Slide:
    """The slide."""
    return squares(SIZE, CORNERS)


def request_in(folder: Path, **more: Any) -> SweepRequest:
    """A sweep of the slide, whose file is put into a folder."""
    path = folder / "slide.bin"
    if not path.exists():
        path.write_bytes(b"squares")
    known: dict[str, Any] = {"where": "everything", "red_cell_px": RED_CELL_PX}
    # Squares are no smear.
    known |= {"label": "one", "by": "reviewer", "insist": True}
    return SweepRequest(str(path), slide_key(path), **(known | more))


def work_here(monkeypatch: pytest.MonkeyPatch, sweep: SlideSweep, **how: int) -> Model:
    """Work on a sweep, or go on with it, in this process.

    Args:
        monkeypatch: Puts the slide and the model in place.
        sweep: The sweep.
        how: `kill_after` or `stop_after` so many regions.
    """
    model = Model()
    model.stop_file = sweep.folder / STOP_FILE
    for name, value in how.items():
        setattr(model, name, value)
    monkeypatch.setattr(steps, "open_slide", lambda path: slide())
    monkeypatch.setattr(steps, "open_model", lambda *_, **__: model)
    model.stop_file.unlink(missing_ok=True)
    work_on(sweep.folder)
    return model
