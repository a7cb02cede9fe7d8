"""What a slide is, whatever file it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from allcell.errors import SlideError
from allcell.formats.pixels import RGBImage

#: Most pixels that one `Slide.read` returns: 150 MB.
MAX_READ_PX = 50_000_000
#: Grey level of what lies outside a slide: empty glass, as scanners fill it.
OUTSIDE = 255


@dataclass(frozen=True)
class Level:
    """One of the sizes in which a slide is stored.

    Attributes:
        width_px: Width of the whole slide at this size.
        height_px: Height of the whole slide at this size.
        downsample: Pixels of the finest level along a side of one pixel of this one; 1.0 or more.
    """

    width_px: int
    height_px: int
    downsample: float


class Slide(Protocol):
    """An open slide; several threads may read it at once."""

    @property
    def name(self) -> str:
        """What it is called: the file's plain name, without its folder."""
        ...

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the finest level in pixels."""
        ...

    @property
    def mpp(self) -> float | None:
        """Micrometres along a side of a pixel of the finest level; None if the file does not say.

        Between 0.02 and 20; what a file says beyond that is not believed.
        """
        ...

    @property
    def levels(self) -> tuple[Level, ...]:
        """The sizes in which it is stored, the finest first."""
        ...

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> RGBImage:
        """A part of the slide.

        Args:
            x: Left edge in pixels of the level; may lie outside.
            y: Top edge in pixels of the level.
            width: Width in pixels of the level, 1 or more.
            height: Height in pixels of the level, 1 or more.
            level: Which of `levels`.

        Returns:
            RGB uint8 (height, width, 3), writeable; white where the slide does not reach.

        Raises:
            SlideError: If the file was changed or deleted since it was opened, is damaged there,
                was closed, or the part has more than `MAX_READ_PX` pixels.
            ValueError: If the size or the level does not exist.
        """
        ...

    def close(self) -> None:
        """Let go of the file; nothing can be read afterwards. May be called twice."""
        ...


def on_white(rgba: npt.NDArray[np.uint8]) -> RGBImage:
    """Straight colours with alpha (H, W, 4) as RGB (H, W, 3): what is clear is empty glass."""
    alpha = rgba[..., 3]
    rgb = np.ascontiguousarray(rgba[..., :3])
    if (alpha == 255).all():
        return rgb
    weight = alpha[..., None].astype(np.uint16)
    mixed = (rgb * weight + OUTSIDE * (255 - weight) + 127) // 255
    return mixed.astype(np.uint8)


def downsample_of(whole_px: int, level_px: int) -> float:
    """How many pixels of the finest level one of another level is wide.

    Args:
        whole_px: Width of the slide at its finest level.
        level_px: Width at the other one, which programs round up or down.
    """
    nearest = max(1, round(whole_px / level_px))
    if level_px in (whole_px // nearest, -(-whole_px // nearest)):
        return float(nearest)
    return max(whole_px / level_px, 1.0)


def check_part(slide: Slide, width: int, height: int, level: int) -> None:
    """Refuse a part that cannot be read.

    Raises:
        SlideError: If it has more than `MAX_READ_PX` pixels.
        ValueError: If its size is not positive, or the slide has no such level.
    """
    if width < 1 or height < 1:
        raise ValueError(f"expected a part of 1x1 px or more, got {width}x{height}")
    if not 0 <= level < len(slide.levels):
        raise ValueError(f"level: expected 0 to {len(slide.levels) - 1}, got {level}")
    if width * height > MAX_READ_PX:
        raise SlideError(
            f"A part of {width} x {height} pixels is too large to read at once.",
            f"Read at most {MAX_READ_PX / 1e6:.0f} million pixels, or a coarser level.",
        )
