"""Whether labels lie on cells: those of other, turned or rescaled pictures lie anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allcell.data.dataset import LabelledImage, file_of
from allcell.errors import DataError, ImageError, TeachingError
from allcell.imaging.images import RGBImage, is_turned

#: A nucleus is among the darkest of a picture in green, in any stain and in grey: its centre is
#: darker than all but this share of the pixels. Of the labels of the published sets (train and val)
#: 96 % or more are; of the same labels turned, mirrored, at half their scale or on another picture
#: 13 to 47 %, as chance has it.
_DARKEST = 0.35
#: Fewer labels may all be on pale cells.
_LEAST_LABELS = 10
#: The side of the middle of a box, as a share of that of the box.
_MIDDLE = 0.5
#: A larger label is of a picture of one cell, which has no surroundings to compare with.
_LARGEST = 0.5
#: What is darker than this in all colours is the surround of an eyepiece or of a cell cut out.
_BLACK = 24
#: A picture with a smaller share of other pixels is not judged.
_LEAST_SHARE = 0.1
_STEP = 3


@dataclass(frozen=True)
class OnCells:
    """How many labels lie on something dark.

    Attributes:
        dark: Labels whose middle is dark for its picture.
        labels: Labels that were looked at.
    """

    dark: int = 0
    labels: int = 0

    @classmethod
    def of(cls, image: RGBImage, item: LabelledImage) -> OnCells:
        """Of the labels of one picture.

        Args:
            image: The picture, RGB uint8 (H, W, 3).
            item: Its labels; those that count neither way are not looked at.
        """
        coarse = image[::_STEP, ::_STEP]
        lit = coarse.max(axis=2) >= _BLACK
        if not len(item.truth) or lit.mean() < _LEAST_SHARE:
            return cls()
        height, width = image.shape[:2]
        dark_below = np.quantile(coarse[..., 1][lit], _DARKEST)
        looked_at = dark = 0
        for x1, y1, x2, y2 in item.truth.xyxy.astype(np.float64).tolist():
            if (x2 - x1) * (y2 - y1) > _LARGEST * width * height:
                continue
            looked_at += 1
            aside, down = (x2 - x1) * (1 - _MIDDLE) / 2, (y2 - y1) * (1 - _MIDDLE) / 2
            left, top = (int(min(x1 + aside, width - 1)), int(min(y1 + down, height - 1)))
            middle = image[top : int(y2 - down) + 1, left : int(x2 - aside) + 1, 1]
            dark += bool(np.median(middle) < dark_below)
        return cls(dark, looked_at)

    def __add__(self, other: OnCells) -> OnCells:
        """Of both."""
        return OnCells(self.dark + other.dark, self.labels + other.labels)

    @property
    def off(self) -> str:
        """A sentence without a full stop if most of the labels lie on no cell; else empty."""
        if self.labels < _LEAST_LABELS or 2 * self.dark >= self.labels:
            return ""
        return (
            f"only {self.dark} of {self.labels} labels lie on something dark, as stained cells "
            "are: they seem not to lie on the cells of these pictures"
        )


def refuse_to_teach(found: OnCells, images: Sequence[LabelledImage]) -> None:
    """Raise TeachingError if most labels lie on no cells: what is learned would be the background.

    Args:
        found: Of all labels.
        images: The set.
    """
    if found.off:
        raise TeachingError(f"{found.off[0].upper()}{found.off[1:]}.", why_off(images))


def why_off(images: Sequence[LabelledImage]) -> str:
    """What to check where labels lie on no cells, in sentences.

    Args:
        images: The set.
    """
    turned = sum(_is_turned(item) for item in images)
    remedy = (
        "Check whether the labels are of other pictures, in another scale, or of pictures that "
        "were turned."
    )
    if turned:
        count = f"{turned} of the {len(images)} files" if len(images) > 1 else "the file"
        remedy += (
            f" In {count} a note of the camera (EXIF orientation) says how to turn the picture "
            "upright, which is done here, and labels of the picture as it is stored do not fit "
            "then: remove that note from the files, or label them upright."
        )
    return remedy


def _is_turned(item: LabelledImage) -> bool:
    try:
        return is_turned(file_of(item.path))
    except (ImageError, DataError, OSError):
        return False
