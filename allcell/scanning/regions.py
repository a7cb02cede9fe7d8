"""The cells of one region of a slide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from allcell.analysis.finding import Found, ImageDetector, Seen, Wish, find
from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import MAX_IOU, choose
from allcell.engines.picture import MAX_TILE_CANDIDATES
from allcell.imaging.preprocess import input_fit, uncut
from allcell.imaging.scale import Scale
from allcell.imaging.stain import StainRuler
from allcell.scanning.grid import Region as Region
from allcell.scanning.grid import Regions as Regions
from allcell.slides.slide import Slide


class Rulers(Protocol):
    """What is known of a slide's red cells; see `allcell.slides.rulers.SlideRulers`."""

    @property
    def red_cell_px(self) -> float | None:
        """Their diameter in pixels of level 0; None if unknown."""
        ...

    @property
    def stain(self) -> StainRuler | None:
        """Their colour; None if unknown."""
        ...


@dataclass(frozen=True, eq=False)
class RegionAnswer:
    """What a model found in one region.

    Attributes:
        region: The region.
        cells: Cells whose centre lies in its core, best first, in pixels of level 0.
        beside: Those that were seen in the margin around it (see `allcell.scanning.seen`).
        fitness: What the region is fit for, as of `allcell.slides.fitness`.
        cautions: What speaks against the answer.
    """

    region: Region
    cells: Detections
    beside: Detections = field(default_factory=Detections.empty)
    fitness: str = "fit"
    cautions: tuple[Caution, ...] = ()


def read_window(slide: Slide, regions: Regions, region: Region, rulers: Rulers) -> Seen:
    """Read what a model has to see of a region.

    Args:
        slide: The slide.
        regions: Its regions.
        region: One of them.
        rulers: What colour its red cells have.

    Raises:
        SlideError: If it cannot be read.
    """
    image = slide.read(*regions.window(region), level=regions.level)
    scale = Scale(regions.red_cell_in_level_px, "measured")
    return Seen(image, scale, rulers.stain if regions.spec.normalise_stain else None)


def answer_of(
    regions: Regions,
    region: Region,
    found: Found,
    *,
    confidence: float | None = None,
    fitness: str = "fit",
    cautions: tuple[Caution, ...] = (),
) -> RegionAnswer:
    """The cells of a region out of what was found in its window.

    Args:
        regions: The regions of the slide.
        region: One of them.
        found: What the detector found in its window, overlapping boxes included.
        confidence: Lowest confidence of a cell; the model's operating threshold if None.
        fitness: See `RegionAnswer`.
        cautions: See `RegionAnswer`.
    """
    spec, window = regions.spec, regions.window(region)
    scale = input_fit(spec, *window[2:], regions.red_cell_in_level_px).scale_x
    candidates = found.candidates
    # A piece of a cell that the window's edge cuts is whole in another window.
    whole = candidates[uncut(candidates.xyxy, window, regions.level_px, scale)]
    shown = choose(spec, whole, confidence=confidence)
    corner = np.array([window[0], window[1]] * 2, np.float32)
    placed = (shown.xyxy + corner) * np.float32(regions.downsample)
    cells = Detections(placed, shown.confidence, shown.class_id)
    inside = region.holds(cells.xyxy)
    if found.timing.full_tiles:
        cautions = (*cautions, _LIMIT_REACHED)
    return RegionAnswer(region, cells[inside], cells[~inside], fitness, cautions)


_LIMIT_REACHED = Caution(
    "limit_reached",
    f"In this part of the slide the model suggests more than {MAX_TILE_CANDIDATES:,} boxes; the "
    "least confident were left out, so cells may be missing.",
    "Use another part of the slide, or a model trained on such smears.",
)


def detect_region(
    detector: ImageDetector,
    slide: Slide,
    regions: Regions,
    region: Region,
    rulers: Rulers,
    *,
    confidence: float | None = None,
    fitness: str = "fit",
    cautions: tuple[Caution, ...] = (),
) -> RegionAnswer:
    """Find the cells of one region: one run of the network.

    Args:
        detector: The model.
        slide: The slide.
        regions: Its regions.
        region: One of them.
        rulers: What colour its red cells have.
        confidence: Lowest confidence of a cell; the model's operating threshold if None.
        fitness: See `RegionAnswer`; passed on.
        cautions: See `RegionAnswer`; passed on.

    Raises:
        SlideError: If the region cannot be read.
        ModelError: If the network fails.
        RunInterrupted: If it was interrupted.
    """
    lowest = detector.spec.confidence if confidence is None else confidence
    found = find(detector, read_window(slide, regions, region, rulers), Wish(lowest, MAX_IOU))
    return answer_of(
        regions, region, found, confidence=confidence, fitness=fitness, cautions=cautions
    )
