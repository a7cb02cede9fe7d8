"""Where a field lies on its slide."""

from __future__ import annotations

from dataclasses import dataclass

#: Left, top, right and bottom in pixels.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class SlidePlace:
    """Where on a slide a field lies.

    Attributes:
        slide: Which slide, by what is in its file: the file's name may hold a patient's.
        x: Left edge of the picture in pixels of the slide's finest level.
        y: Its top edge.
        downsample: Pixels of the finest level per pixel of the picture.
    """

    slide: str
    x: float
    y: float
    downsample: float

    def __post_init__(self) -> None:
        for name in ("x", "y", "downsample"):
            object.__setattr__(self, name, float(getattr(self, name)))

    def on_slide(self, xyxy: Box) -> Box:
        """A box of the picture in pixels of the slide's finest level."""
        x1, y1, x2, y2 = (self.downsample * side for side in xyxy)
        return self.x + x1, self.y + y1, self.x + x2, self.y + y2
