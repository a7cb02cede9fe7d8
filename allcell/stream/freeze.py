"""The frozen frame of a viewer."""

from __future__ import annotations

from allcell.formats.pixels import RGBImage
from allcell.stream.live_settings import LiveSettings


class Freeze:
    """Holds the first frame that arrives while the settings say `frozen`.

    Attributes:
        frame: That frame, RGB uint8 (H, W, 3); None while the picture moves.
    """

    def __init__(self) -> None:
        self.frame: RGBImage | None = None
        self._asked: LiveSettings | None = None

    def shown(self, frame: RGBImage, settings: LiveSettings) -> RGBImage:
        """The frame to show when one arrives: itself, or the frozen one."""
        if not settings.frozen:
            self.let_go()
        elif self.frame is None:
            self.frame = frame
        return frame if self.frame is None else self.frame

    def asks_anew(self, settings: LiveSettings) -> bool:
        """Whether another inference can give a new result.

        For a frozen frame it can only if a setting that the model depends on has changed.
        """
        if self.frame is None:
            return True
        asked, self._asked = self._asked, settings
        return asked is None or any(
            getattr(asked, name) != getattr(settings, name)
            for name in ("worker", "long_side_px", "red_cell_px")
        )

    def let_go(self) -> None:
        """Release the frame."""
        self.frame = self._asked = None
