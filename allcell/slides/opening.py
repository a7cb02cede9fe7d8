"""One way to open a slide, by what is in the file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from allcell.errors import NeedsPyramid, SlideError
from allcell.slides.arrays import ArraySlide, with_halves
from allcell.slides.copies import find_copy, size_bytes
from allcell.slides.files import SlideFile
from allcell.slides.readers.flat import IN_MEMORY_PX, Flat
from allcell.slides.readers.stored import open_stored
from allcell.slides.slide import Slide

#: Pixels of the coarsest level at most: from it the overview is made.
_MOST_COARSEST_PX = IN_MEMORY_PX
#: How much finer than the next coarser level one may be: between the two, a view of 1600x900 pixels
#: is made from up to 90 million.
_WIDEST_GAP = 8.5


def open_slide(source: Path | npt.NDArray[np.uint8], name: str | None = None) -> Slide:
    """Open a slide, by its content and not by its name.

    Args:
        source: The file, or a picture, RGB uint8 (H, W, 3).
        name: What it is called; the file's plain name if None.

    Returns:
        The slide; its label and its macro image are no part of it.

    Raises:
        NeedsPyramid: If it is sound but has no smaller copies: see `allcell.slides.pyramids`.
        SlideError: If it cannot be read, and why.
    """
    if isinstance(source, np.ndarray):
        ArraySlide([source])  # refuses what is no picture
        return ArraySlide(with_halves(source), name or "picture")
    file = SlideFile(source, name)
    try:
        slide = find_copy(file) or open_stored(file)
        if isinstance(slide, Flat):
            raise _too_flat(file, slide.width_px, slide.height_px)
        if not _can_be_viewed(slide):
            raise _too_flat(file, *slide.size_px)
    except SlideError:
        file.close()
        raise
    return slide


def _can_be_viewed(slide: Slide) -> bool:
    """Whether a view at any scale is made from a level that is not much finer."""
    coarsest = slide.levels[-1]
    steps = [level.downsample for level in slide.levels]
    return coarsest.width_px * coarsest.height_px <= _MOST_COARSEST_PX and all(
        coarse <= _WIDEST_GAP * fine for fine, coarse in pairwise(steps)
    )


def _too_flat(file: SlideFile, width_px: int, height_px: int) -> NeedsPyramid:
    needed = size_bytes(width_px, height_px)
    return NeedsPyramid(
        f"{file.label} has {width_px:,} x {height_px:,} pixels and no smaller copies of itself, "
        "or too few, so it cannot be moved over as it is.",
        f"Let a copy be made once ({needed / 1e9:.1f} GB of the server's disk), or save it as a "
        "pyramidal TIFF.",
    )
