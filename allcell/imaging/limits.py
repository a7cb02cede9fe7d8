"""What a picture may cost, checked before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from allcell.errors import ImageError
from allcell.settings import settings

#: What to do about a picture that is too large.
SMALLER = (
    "Open it on the Slides page, which reads it part by part; or crop or shrink it, or export a "
    "single field of view."
)


@dataclass(frozen=True)
class Limits:
    """What a picture may cost, checked before it is decoded.

    Attributes:
        max_bytes: Largest file.
        max_pixels: Largest width times height.
        max_images: Most pictures in one go.
        min_side_px: Shortest side in which a cell can still be seen.
    """

    max_bytes: int
    max_pixels: int
    max_images: int
    min_side_px: int = 32

    @classmethod
    def from_settings(cls) -> Limits:
        """The limits that this process was started with."""
        chosen = settings()
        return cls(chosen.max_upload_bytes, chosen.max_pixels, chosen.max_images)

    def check_bytes(self, size_bytes: int, label: str) -> None:
        """Refuse a file that is too large.

        Args:
            size_bytes: Size of the file.
            label: What messages call it.

        Raises:
            ImageError: If it exceeds `max_bytes`.
        """
        if size_bytes > self.max_bytes:
            raise ImageError(
                f"{label} has {size_bytes / 2**20:,.1f} MB; "
                f"at most {self.max_bytes / 2**20:,.1f} MB are accepted.",
                SMALLER,
            )

    def check_size(self, width_px: int, height_px: int, label: str) -> None:
        """Refuse a picture with too many pixels or too short a side.

        Args:
            width_px: Width of the picture.
            height_px: Height of the picture.
            label: What messages call it.

        Raises:
            ImageError: If it exceeds `max_pixels`, or a side is below `min_side_px`.
        """
        size = f"{label} has {width_px} x {height_px} pixels"
        if width_px * height_px > self.max_pixels:
            raise ImageError(
                f"{size}; at most {self.max_pixels / 1e6:,.1f} million are accepted.", SMALLER
            )
        if min(width_px, height_px) < self.min_side_px:
            raise ImageError(
                f"{size}; each side needs at least {self.min_side_px}.",
                "Choose a picture of a whole microscope field.",
            )


def check_count(n: int, limits: Limits | None = None) -> None:
    """Refuse more pictures in one go than the limits allow.

    Raises:
        ImageError: If n is above `max_images`.
    """
    allowed = (limits or Limits.from_settings()).max_images
    if n > allowed:
        raise ImageError(
            f"{n} pictures were chosen; at most {allowed} are accepted in one go.",
            "Choose fewer, or process them in several rounds.",
        )
