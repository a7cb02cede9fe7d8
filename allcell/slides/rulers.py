"""The rulers of size and colour that are held for a slide.

One magnification, one stain and one lamp made the whole of it: what a few good patches agree on
holds where single views, with few cells or many nuclei, would be measured wrongly.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.imaging.scale import estimate_red_cell
from allcell.imaging.stain import StainRuler, measure_stain
from allcell.slides.overview import places_with_cells
from allcell.slides.reading import read_scaled
from allcell.slides.slide import Slide
from allcell.synth.spec import RED_CELL_UM

#: Patches that are looked at, and so many that agree are enough.
_PATCHES, _ENOUGH = 10, 4
#: Side of a patch in pixels as it is read.
_PATCH_PX = 640
#: Scales at which patches are read where the size of pixels is not known: as they are, and coarser,
#: where a red cell would be larger than the estimate looks for.
_SCALES = (1.0, 0.3)
#: Diameter of a red cell at which patches are read where it can be foreseen.
_READ_RED_CELL_PX = 20.0
#: Sizes this close to each other agree.
_AGREE = 0.15
#: Measurements that are kept; after so many, further ones would change nothing.
_MOST = 24


@dataclass(frozen=True)
class _Measured:
    """What one patch said.

    Attributes:
        red_cell_px: Diameter in pixels of the finest level.
        confidence: 0 to 1.
        reliable: Whether the patch alone would be believed.
        stain: Its colour; None if it could not be measured.
    """

    red_cell_px: float
    confidence: float
    reliable: bool
    stain: StainRuler | None


class SlideRulers:
    """How large the red cells of a slide are and what colour. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._all: list[_Measured] = []
        self._stated_px: float | None = None

    @property
    def red_cell_px(self) -> float | None:
        """Diameter of the red cells in pixels of the finest level; None if it is unknown.

        What patches agree on; failing that, what the file says of its magnification (7.5 um are a
        red cell); failing that, the best of what was measured.
        """
        with self._lock:
            agreed = self._agreed()
            if agreed:
                return _middle(agreed)
            if self._stated_px is not None:
                return self._stated_px
            return _middle(self._all) if self._all else None

    @property
    def stain(self) -> StainRuler | None:
        """Colour of red cells and empty slide; None if it is unknown.

        Medians of the patches; its lamp is even, as scanners have it, and as no part of a slide
        lies in the middle of a picture.
        """
        with self._lock:
            known = [m.stain for m in self._agreed() or self._all if m.stain is not None]
        if not known:
            return None
        light, density = (
            np.median([getattr(ruler, name) for ruler in known], axis=0)
            for name in ("light", "density")
        )
        nuclei = [ruler.nuclei for ruler in known if ruler.nuclei is not None]
        dark = np.median(nuclei, axis=0) if nuclei else None
        return replace(
            known[0],
            light=(float(light[0]), float(light[1]), float(light[2])),
            density=(float(density[0]), float(density[1]), float(density[2])),
            red_cells=float(np.median([ruler.red_cells for ruler in known])),
            nuclei=None if dark is None else (float(dark[0]), float(dark[1])),
            shade=None,
        )

    @property
    def reliable(self) -> bool:
        """Whether two patches or more, each good by itself, agree on the size."""
        with self._lock:
            return len(self._agreed()) >= 2

    def measure(self, slide: Slide) -> None:
        """Measure a few well chosen patches of a slide: about a second.

        Args:
            slide: The slide.

        Raises:
            SlideError: If it cannot be read.
        """
        if slide.mpp is not None:
            with self._lock:
                self._stated_px = RED_CELL_UM / slide.mpp
        scales: tuple[float, ...] = _SCALES
        if slide.mpp is not None:
            scales = (min(1.0, _READ_RED_CELL_PX * slide.mpp / RED_CELL_UM),)
        places = places_with_cells(slide, _PATCHES)
        for scale in scales:
            side = _PATCH_PX / scale
            for x, y in places:
                # A small slide is read as a whole, without the white around it.
                left, wide = _within(x - side / 2, side, slide.size_px[0])
                top, high = _within(y - side / 2, side, slide.size_px[1])
                self.refine(read_scaled(slide, left, top, wide, high, scale), scale)
                with self._lock:
                    if len(self._agreed()) >= _ENOUGH:
                        return
            if self.reliable:
                return

    def refine(self, image: RGBImage, scale: float) -> None:
        """Learn from a part of the slide that was read anyway; does nothing once enough is known.

        Args:
            image: RGB uint8 (H, W, 3).
            scale: Pixels of the part along a side of one pixel of the finest level.
        """
        with self._lock:
            if len(self._all) >= _MOST:
                return
        estimate = estimate_red_cell(image)
        if estimate.diameter_px <= 0:
            return
        stain = measure_stain(image, estimate.diameter_px)
        measured = _Measured(
            estimate.diameter_px / scale, estimate.confidence, estimate.reliable, stain
        )
        with self._lock:
            self._all.append(measured)

    def _agreed(self) -> list[_Measured]:
        """The measurements that are good and agree; the lock is held."""
        good = [m for m in self._all if m.reliable]
        if not good:
            return []
        middle = _middle(good)
        return [m for m in good if abs(math.log(m.red_cell_px / middle)) <= _AGREE]


def _middle(measured: list[_Measured]) -> float:
    """The median size, each counted by its confidence."""
    ordered = sorted(measured, key=lambda m: m.red_cell_px)
    weights = np.cumsum([m.confidence + 1e-6 for m in ordered])
    return ordered[int(np.searchsorted(weights, weights[-1] / 2))].red_cell_px


def _within(start: float, length: float, most: float) -> tuple[float, float]:
    """A stretch moved, and cut where it must be, to lie within the slide."""
    length = min(length, most)
    return min(max(start, 0.0), most - length), length
