"""What a sweep found so far, for whoever looks at it while it works or afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from allcell.environment.provenance import Provenance, now
from allcell.errors import AllcellError, SweepError
from allcell.models.registry import ModelSpec
from allcell.own.finding import find_model
from allcell.runs.sweeping.work import GRID_FILE, Sweep
from allcell.scanning.grid import Regions
from allcell.scanning.results import read_answers
from allcell.scanning.seen import SeenCells
from allcell.slides.slide import Slide


@dataclass(frozen=True, eq=False)
class FoundBySweep:
    """What a sweep found.

    Attributes:
        seen: Its cells, region by region.
        made: How they came about.
    """

    seen: SeenCells
    made: Provenance


def read_found(sweep: Sweep, slide: Slide, weights_sha256: str = "") -> FoundBySweep | None:
    """What a sweep has found so far; None as long as it does not know the size of the cells.

    Args:
        sweep: The sweep.
        slide: Its slide.
        weights_sha256: Of the model, if known.

    Raises:
        SweepError: If it is damaged or its model is gone.
    """
    request = sweep.request
    spec = _spec(request.model)
    try:
        grid = json.loads((sweep.folder / GRID_FILE).read_text(encoding="utf-8"))
        red_cell_px = float(grid["red_cell_px"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SweepError(
            f"The sweep in {sweep.folder.name} is damaged.", "Delete it, and begin a new one."
        ) from error
    seen = SeenCells(Regions.of(slide, red_cell_px, spec))
    for answer in read_answers(sweep.answers, seen.regions):
        seen.add(answer)
    confidence = spec.confidence if request.confidence is None else request.confidence
    return FoundBySweep(seen, Provenance(confidence, spec.iou, weights_sha256, _when(sweep)))


def _spec(model: str) -> ModelSpec:
    try:
        return find_model(model).spec
    except AllcellError as error:
        raise SweepError(
            f"The model of this sweep is gone: {error.message}", error.remedy
        ) from None


def _when(sweep: Sweep) -> datetime:
    try:
        stamp = sweep.answers.stat().st_mtime
    except OSError:
        return now()
    return datetime.fromtimestamp(stamp, now().tzinfo).replace(microsecond=0)
