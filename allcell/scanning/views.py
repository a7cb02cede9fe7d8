"""What a screen shows of a slide, and how far its search is."""

from __future__ import annotations

from dataclasses import dataclass

from allcell.errors import AllcellError


@dataclass(frozen=True)
class ScreenView:
    """What a screen shows of a slide.

    Attributes:
        number: Counts the views of a screen; a lower one never replaces a higher one.
        x: Left edge, in pixels of the slide's finest level.
        y: Upper edge.
        width: Width, in the same pixels.
        height: Height.
        scale: Pixels of the screen for one of the slide.
    """

    number: int
    x: float
    y: float
    width: float
    height: float
    scale: float


@dataclass(frozen=True)
class ViewProgress:
    """How far the search of the newest view is.

    Attributes:
        number: Of that view; -1 before the first.
        near: Whether it shows cells large enough to be told apart, so that it is searched.
        measuring: Whether the slide's red cells are still being measured.
        regions: Regions that the view touches.
        left: Those that have not been searched yet.
        judging: Whether the slide as a whole is still to be judged (see `Looking.cautions`).
        serial: Grows whenever any of this changes.
        error: Why the search ended; None while nothing is wrong.
    """

    number: int
    near: bool
    measuring: bool
    regions: int
    left: int
    judging: bool
    serial: int
    error: AllcellError | None
