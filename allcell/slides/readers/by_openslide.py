"""Slides that OpenSlide reads: those of scanners whose files are no plain TIFF pyramids.

Where a file is a plain pyramid, `allcell.slides.readers.tiff` has a view in a quarter of the time:
OpenSlide composes every view from its tiles anew.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from allcell.errors import SlideError
from allcell.formats.pixels import RGBImage
from allcell.slides.files import COPY_AGAIN, OPEN_AGAIN, SlideFile
from allcell.slides.readers.tiff_levels import check_pixels, plausible_mpp
from allcell.slides.slide import Level, check_part, on_white

if TYPE_CHECKING:
    from openslide import OpenSlide

#: Memory for decoded tiles of one slide.
_CACHE_BYTES = 32 * 2**20
_INSTALL = "Install it with: pip install openslide-python openslide-bin"


def check_installed() -> None:
    """Refuse to go on without OpenSlide.

    Raises:
        SlideError: If it is not installed, or its library cannot be loaded.
    """
    try:
        import openslide  # noqa: F401
    except (ImportError, OSError) as error:
        raise SlideError(
            "Slides of this kind are read by OpenSlide, which is not installed.", _INSTALL
        ) from error


class OpenSlideSlide:
    """A slide by OpenSlide. Thread-safe.

    Attributes:
        name: What it is called.
        size_px: Width and height of the finest level.
        mpp: Micrometres along a side of its pixels; None if the file does not say.
        levels: Its levels, the finest first.
    """

    def __init__(self, file: SlideFile) -> None:
        """Open a slide that has passed `allcell.slides.readers.trial`.

        Args:
            file: The file, which is closed with the slide.

        Raises:
            SlideError: If OpenSlide cannot read it, or it is too large.
        """
        self._file = file
        self._lock = threading.Lock()
        self.name = file.name
        opened = _opened(file)
        self._slide: OpenSlide | None = opened
        width, height = opened.dimensions
        check_pixels(width, height, file.label)
        self.size_px = (width, height)
        self.levels = tuple(
            Level(w, h, max(float(downsample), 1.0))
            for (w, h), downsample in zip(
                opened.level_dimensions, opened.level_downsamples, strict=True
            )
        )
        sides = [plausible_mpp(opened.properties.get(f"openslide.mpp-{side}", "")) for side in "xy"]
        self.mpp = None if None in sides else sum(side or 0.0 for side in sides) / 2

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> RGBImage:
        """See `allcell.slides.slide.Slide.read`."""
        from openslide import OpenSlideError

        check_part(self, width, height, level)
        self._file.check_unchanged()
        # Never closed: it goes with the last thread that reads it.
        opened = self._slide
        if opened is None:
            raise SlideError(f"{self._file.label} has been closed.", OPEN_AGAIN)
        downsample = self.levels[level].downsample
        try:
            region = opened.read_region(
                (round(x * downsample), round(y * downsample)), level, (width, height)
            )
        except OpenSlideError as error:
            # OpenSlide reads nothing more of a slide once it has met damage in it.
            with self._lock:
                if self._slide is opened:
                    self._slide = _opened(self._file)
            raise SlideError(f"{self._file.label} is damaged here.", COPY_AGAIN) from error
        return on_white(np.asarray(region))

    def close(self) -> None:
        """Let go of the slide."""
        with self._lock:
            self._slide = None
        self._file.close()


def _opened(file: SlideFile) -> OpenSlide:
    from openslide import OpenSlide, OpenSlideCache, OpenSlideError

    try:
        opened = OpenSlide(file.path)
        opened.set_cache(OpenSlideCache(_CACHE_BYTES))
    except OpenSlideError as error:
        raise SlideError(
            f"{file.label} is damaged or incomplete: OpenSlide cannot open it.",
            f"{COPY_AGAIN} Some slides are several files, which belong together.",
        ) from error
    return opened
