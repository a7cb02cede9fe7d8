"""One way to open a slide, by what is in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from allcell.errors import SlideError
from allcell.slides.arrays import ArraySlide
from allcell.slides.slide import Slide


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
        return ArraySlide([source], name or "picture")
    raise SlideError(f"'{source.name}' is of no kind of slide that can be read.", "")
