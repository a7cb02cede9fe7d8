"""Checks of the ALL-IDB1 boxes against the experts' centroids and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from allcell.boxes import iou
from allcell.data.allidb1 import (
    SHIPPED_BOXES,
    FieldBoxes,
    Split,
    find_fields,
    read_annotations,
    read_centroids,
    split_of,
)
from allcell.detections import FloatArray
from allcell.imaging import images


@dataclass(frozen=True)
class FieldCheck:
    """What was found in one field.

    Attributes:
        field: Its name, such as `Im001_1`.
        split: Its split.
        counts: Number of boxes of each class.
        centroids: Number of expert blast centroids.
        lost_centroids: Centroids that are not in exactly one blast box.
        odd_blasts: Blast boxes that do not hold exactly one centroid.
        outside: Boxes that reach beyond the picture.
        mask_ious: IoU of a box with the box of its cell in the experts' mask, for blasts and
            healthy cells that touch no other cell there; empty without a mask.
    """

    field: str
    split: Split
    counts: Mapping[str, int]
    centroids: int
    lost_centroids: int
    odd_blasts: int
    outside: int
    mask_ious: tuple[float, ...]

    @property
    def sound(self) -> bool:
        """Whether boxes, centroids and picture fit together."""
        return self.lost_centroids == self.odd_blasts == self.outside == 0


@dataclass(frozen=True)
class Allidb1Check:
    """What was found in the whole data set.

    Attributes:
        fields: One entry for each picture that has boxes.
        without_boxes: Pictures that have none.
        without_picture: Annotated fields whose picture is missing.
    """

    fields: tuple[FieldCheck, ...]
    without_boxes: tuple[str, ...]
    without_picture: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is missing and everything fits."""
        return not self.without_boxes and not self.without_picture and self.all_sound

    @property
    def all_sound(self) -> bool:
        """Whether all fields that could be checked are sound."""
        return all(field.sound for field in self.fields)

    @property
    def median_mask_iou(self) -> float | None:
        """Median over all cells that were compared with a mask; None if none was."""
        values = [value for field in self.fields for value in field.mask_ious]
        return float(np.median(values)) if values else None

    def counts(self, split: Split | None = None) -> Counter[str]:
        """Number of boxes of each class, in one split or in all."""
        total: Counter[str] = Counter()
        for field in self.fields:
            if split in (None, field.split):
                total.update(field.counts)
        return total


def verify_allidb1(
    source: Path, *, annotations: Path = SHIPPED_BOXES, masks: Path | None = None
) -> Allidb1Check:
    """Check boxes against the pictures, the expert centroids and, where given, expert masks.

    Args:
        source: ALL-IDB1 folder with `im/` and `xyc/`.
        annotations: The boxes.
        masks: Folder with `Im001_1_WBCs.tif` and so on: not 0 in white cells, as large as the
            picture (andrealoddo/ALL-IDB1-masks).

    Raises:
        DataError: If pictures, centroids or boxes cannot be read; findings raise nothing.
        ImageError: If a picture or a mask cannot be read.
    """
    known = read_annotations(annotations)
    found = find_fields(source)
    checks = []
    for field, picture in found.items():
        split = split_of(field)
        if field not in known or split is None:
            continue
        centroids = read_centroids(source / "xyc" / f"{field}.xyc")
        mask = masks / f"{field}_WBCs.tif" if masks else None
        checks.append(_check_field(field, split, picture, known[field], centroids, mask))
    return Allidb1Check(
        tuple(checks),
        without_boxes=tuple(sorted(found.keys() - known.keys())),
        without_picture=tuple(sorted(known.keys() - found.keys())),
    )


def _check_field(
    field: str,
    split: Split,
    picture: Path,
    cells: FieldBoxes,
    centroids: FloatArray,
    mask: Path | None,
) -> FieldCheck:
    height_px, width_px = images.decode(picture).shape[:2]
    blasts = cells.of("blast")
    after = (centroids[:, None] >= blasts[None, :, :2]).all(axis=2)
    before = (centroids[:, None] <= blasts[None, :, 2:]).all(axis=2)
    holds = after & before
    limit = np.array([width_px, height_px], np.float32)
    outside = (cells.xyxy[:, :2] < 0).any(axis=1) | (cells.xyxy[:, 2:] > limit).any(axis=1)
    ious = _mask_ious(mask, cells.of("blast", "healthy")) if mask and mask.is_file() else ()
    return FieldCheck(
        field,
        split,
        dict(cells.count()),
        centroids=len(centroids),
        lost_centroids=int((holds.sum(axis=1) != 1).sum()),
        odd_blasts=int((holds.sum(axis=0) != 1).sum()),
        outside=int(outside.sum()),
        mask_ious=ious,
    )


def _mask_ious(mask: Path, xyxy: FloatArray) -> tuple[float, ...]:
    parts, count = ndimage.label(images.decode(mask)[..., 0] > 0)
    middles = np.rint((xyxy[:, :2] + xyxy[:, 2:]) / 2).astype(np.int64)
    x, y = np.clip(middles, 0, np.array(parts.shape[::-1]) - 1).T
    owner = parts[y, x]
    values = []
    for number, window in enumerate(ndimage.find_objects(parts, max_label=count), start=1):
        mine = np.flatnonzero(owner == number)
        if len(mine) != 1:
            continue
        rows, columns = window
        part = np.array([[columns.start, rows.start, columns.stop, rows.stop]], np.float32)
        box = xyxy[mine]
        # A part far larger than its only box holds a neighbour that is neither blast nor healthy.
        if np.prod(part[0, 2:] - part[0, :2]) < 2 * np.prod(box[0, 2:] - box[0, :2]):
            values.append(float(iou(part, box)[0, 0]))
    return tuple(values)
