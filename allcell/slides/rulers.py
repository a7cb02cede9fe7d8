"""The rulers of size and colour that are held for a slide."""

from __future__ import annotations

from allcell.formats.pixels import RGBImage
from allcell.imaging.stain import StainRuler
from allcell.slides.slide import Slide


class SlideRulers:
    """How large the red cells of a slide are and what colour; several threads may use it at once.

    Attributes:
        red_cell_px: Diameter in pixels of the finest level; None as long as it is unknown.
        stain: Colour of red cells and empty slide; None as long as it is unknown.
        reliable: Whether the size was measured on patches that agree.
    """

    @property
    def red_cell_px(self) -> float | None:
        """Diameter of the red cells in pixels of the finest level; None if it is unknown."""
        return None

    @property
    def stain(self) -> StainRuler | None:
        """Colour of red cells and empty slide; None if it is unknown."""
        return None

    @property
    def reliable(self) -> bool:
        """Whether enough red cells of one size were seen."""
        return False

    def measure(self, slide: Slide) -> None:
        """Measure a few well chosen patches of a slide."""

    def refine(self, image: RGBImage, scale: float) -> None:
        """Learn from a part that was read anyway: RGB uint8 (H, W, 3), at a scale."""
