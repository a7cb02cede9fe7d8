"""What a sweep found so far, for whoever looks at it while it works or afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from allcell.environment.files import write_whole
from allcell.environment.provenance import Provenance, now
from allcell.errors import AllcellError, SweepError
from allcell.models.registry import ModelSpec
from allcell.own.finding import find_model
from allcell.runs.sweeping.work import GRID_FILE, SlideSweep
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


@dataclass(frozen=True)
class Grid:
    """What a sweep measured before it searched: what it found fits no other.

    Attributes:
        red_cell_px: Diameter of the red cells in pixels of the finest level.
        columns: Regions side by side.
        rows: Regions one below the other.
        weights_sha256: Of the model; empty if unknown.
        fitness: What each region is, as of `allcell.slides.fitness`, row by row there and back.
    """

    red_cell_px: float
    columns: int
    rows: int
    weights_sha256: str
    fitness: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write it into the folder of a sweep.

        Raises:
            OSError: If it cannot be written.
        """
        write_whole(folder / GRID_FILE, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, folder: Path) -> Grid | None:
        """Of the sweep in a folder; None as long as nothing was measured.

        Raises:
            SweepError: If it is damaged.
        """
        try:
            content = json.loads((folder / GRID_FILE).read_text(encoding="utf-8"))
            return cls(**{**content, "fitness": tuple(content["fitness"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SweepError(
                f"The sweep in {folder.name} is damaged.", "Delete it, and begin a new one."
            ) from error

    def check(self, regions: Regions, weights_sha256: str | None = None) -> None:
        """Refuse to go on with another model.

        Args:
            regions: What the model would cut the slide into.
            weights_sha256: Of the model, if known.

        Raises:
            SweepError: If it is another one.
        """
        same = weights_sha256 is None or weights_sha256 == self.weights_sha256
        if not same or (regions.columns, regions.rows) != (self.columns, self.rows):
            raise SweepError(
                "The model is another than the one that began this sweep.",
                "Discard it, and begin a new one.",
            )


def read_found(sweep: SlideSweep, slide: Slide) -> FoundBySweep | None:
    """What a sweep has found so far; None as long as it does not know the size of the cells.

    Args:
        sweep: The sweep.
        slide: Its slide.

    Raises:
        SweepError: If it is damaged or its model is gone.
    """
    request, grid = sweep.request, Grid.read(sweep.folder)
    if grid is None:
        return None
    spec = _spec(request.model)
    seen = SeenCells(Regions.of(slide, grid.red_cell_px, spec))
    grid.check(seen.regions)
    for answer in read_answers(sweep.answers, seen.regions):
        seen.add(answer)
    confidence = spec.confidence if request.confidence is None else request.confidence
    made = Provenance(confidence, spec.iou, grid.weights_sha256, _when(sweep))
    return FoundBySweep(seen, made)


def _spec(model: str) -> ModelSpec:
    try:
        return find_model(model).spec
    except AllcellError as error:
        raise SweepError(
            f"The model of this sweep is gone: {error.message}", error.remedy
        ) from None


def _when(sweep: SlideSweep) -> datetime:
    try:
        stamp = sweep.answers.stat().st_mtime
    except OSError:
        return now()
    return datetime.fromtimestamp(stamp, now().tzinfo).replace(microsecond=0)
