"""From what a model found to a field that a person reviews."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from allcell.errors import ReviewError
from allcell.imaging.images import RGBImage
from allcell.result import Result
from allcell.review.cells import FieldOrigin, FieldReview, ReviewedCell
from allcell.review.labels import FIXED_LABELS, UNIDENTIFIED

_KNOWN = frozenset(label.name for label in FIXED_LABELS)


def picture_hash(image: RGBImage) -> str:
    """SHA-256 of a picture's size and pixels, hexadecimal.

    Of the pixels and not of the file: two files of one picture are one field, and a file's bytes
    hold metadata that does not belong into a record.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    digest = hashlib.sha256(f"{image.shape[1]}x{image.shape[0]} RGB8\n".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def field_of(
    result: Result,
    sha256: str,
    title: str,
    *,
    runtime: str = "",
    um_per_px: float | None = None,
) -> FieldReview:
    """A field to review from what a model found, with the numbers of its cells on the screen.

    While its numbers are withheld, its cells are unidentified and the model's classes not held.

    Args:
        result: The boxes, at the threshold that the user chose.
        sha256: See `picture_hash`.
        title: See `FieldReview.title`.
        runtime: What ran the model, as shown to people.
        um_per_px: Micrometres per pixel, if known.

    Raises:
        ReviewError: If the result does not say how it came about.
    """
    made = result.made
    if made is None:
        raise ReviewError(
            "This result does not say which settings and weights it was made with.",
            "Analyse the picture again.",
        )
    origin = FieldOrigin(
        result.model,
        made.weights_sha256,
        made.confidence,
        made.iou,
        made.analysed_at,
        made.version,
        runtime,
        result.red_cell_px,
        um_per_px,
    )
    bare = FieldReview(
        sha256,
        result.width_px,
        result.height_px,
        title,
        origin,
        withheld=" ".join(caution.message for caution in result.withholding),
        insisted=result.insisted,
        cautions=tuple(str(caution) for caution in result.cautions),
    )
    return replace(bare, cells=tuple(_cells(result)))


def _cells(result: Result) -> list[ReviewedCell]:
    cells = []
    for number, (kind, confidence, x1, y1, x2, y2) in enumerate(result.rows(), 1):
        suggested = None if result.withheld else kind
        label = kind if suggested in _KNOWN else UNIDENTIFIED
        cells.append(ReviewedCell(number, (x1, y1, x2, y2), label, suggested, confidence))
    return cells
