"""ALL-IDB1 as a data set: pictures are copied, boxes taken as shipped or segmented anew."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from allcell.boxes import clip
from allcell.data.allidb1 import (
    OVERLAPPING_TEST,
    SHIPPED_BOXES,
    SPLITS,
    FieldBoxes,
    Split,
    find_fields,
    read_annotations,
    read_centroids,
    split_of,
)
from allcell.data.folders import refuse_to_overwrite
from allcell.data.segment import segment_blasts, segment_white_cells
from allcell.data.yolo import Labels, Places, write_dataset_yaml, write_ignored, write_labels
from allcell.detections import FloatArray
from allcell.errors import DataError
from allcell.imaging import images
from allcell.imaging.scale import estimate_red_cell
from allcell.models.registry import CLASSES

Boxes = Literal["shipped", "segment"]


@dataclass(frozen=True)
class ImportedAllidb1:
    """What was written.

    Attributes:
        images: Number of pictures by split.
        cells: Number of boxes by split and class (`LABELS`).
    """

    images: Mapping[Split, int]
    cells: Mapping[Split, Mapping[str, int]]


def segment_field(
    picture: Path, centroids: FloatArray, other_centroids: FloatArray | None = None
) -> FieldBoxes:
    """Boxes of one field from scratch: the experts' blasts, and suggestions for all other cells.

    Args:
        picture: The JPEG file.
        centroids: Expert blast centroids (N, 2) in pixels.
        other_centroids: Centroids of other cells (M, 2) in pixels, which help to split clumps.

    Raises:
        DataError: If no red cells are found, or two centroids coincide.
        ImageError: If the picture cannot be read.
    """
    image = images.decode(picture)
    red_cell_px = estimate_red_cell(image).diameter_px
    if red_cell_px <= 2:
        raise DataError(
            f"No red cells were found in {picture.name}, so its scale is unknown.",
            "Check that it is the original picture, or use the shipped boxes.",
        )
    blasts = segment_blasts(image, centroids, red_cell_px)
    others = segment_white_cells(
        image, red_cell_px, blast_centroids=centroids, other_centroids=other_centroids
    )
    xyxy = np.concatenate([blasts, np.array([c.xyxy for c in others], np.float32).reshape(-1, 4)])
    labels = ("blast",) * len(blasts) + tuple(cell.suggestion for cell in others)
    return FieldBoxes(xyxy, labels, ("auto",) * len(labels))


def import_allidb1(
    source: Path,
    destination: Path,
    *,
    boxes: Boxes = "shipped",
    annotations: Path = SHIPPED_BOXES,
    other_centroids: Path | None = None,
    keep_overlapping: bool = False,
) -> ImportedAllidb1:
    """Write ALL-IDB1 as a YOLO dataset (see `allcell.data.yolo_sets.read_yolo`).

    Pictures are copied unchanged; `cut` cells go to `ignore/`, expert centroids to `xyc/`.

    Args:
        source: Folder with `im/` and `xyc/`.
        destination: Folder to write; files of an earlier import are replaced.
        boxes: `shipped` takes our checked boxes, `segment` draws new ones (suggestions only).
        annotations: CSV of the shipped boxes.
        other_centroids: CSV (image, x, y) of cells that are not blasts; only for `segment`.
        keep_overlapping: Keep training fields that show part of a test field. Results on the test
            fields are then too optimistic.

    Raises:
        DataError: If something is missing or does not fit.
        ImageError: If a picture cannot be read.
    """
    refuse_to_overwrite(source, destination)
    found = find_fields(source)
    known = read_annotations(annotations) if boxes == "shipped" else {}
    others = _read_other_centroids(other_centroids) if other_centroids else {}
    pictures: Counter[Split] = Counter()
    cells: dict[Split, Counter[str]] = {split: Counter() for split in SPLITS}
    for field, picture in found.items():
        split = split_of(field)
        _remove(destination, field)
        if split is None or (field in OVERLAPPING_TEST and not keep_overlapping):
            continue
        centroids = read_centroids(source / "xyc" / f"{field}.xyc")
        if boxes == "segment":
            annotated = segment_field(picture, centroids, others.get(field))
        elif field in known:
            annotated = known[field]
        else:
            raise DataError(
                f"{annotations} has no boxes for {field}.",
                "Use the shipped annotations, or segment the boxes anew.",
            )
        _write_field(destination, split, picture, annotated, centroids)
        pictures[split] += 1
        cells[split] += annotated.count()
    write_dataset_yaml(destination, [split for split in SPLITS if pictures[split]])
    return ImportedAllidb1(dict(pictures), {split: dict(cells[split]) for split in pictures})


def _read_other_centroids(path: Path) -> dict[str, FloatArray]:
    points: dict[str, list[list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                points.setdefault(row["image"], []).append([float(row["x"]), float(row["y"])])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The centroids in {path} cannot be read.", "Columns: image, x, y (pixels)."
        ) from error
    return {field: np.array(rows, np.float32) for field, rows in points.items()}


def _files(destination: Path, split: Split, field: str) -> tuple[Path, Path, Path]:
    """Picture, labels and ignored boxes of a field."""
    return (
        destination / "images" / split / f"{field}.jpg",
        destination / "labels" / split / f"{field}.txt",
        destination / "ignore" / split / f"{field}.txt",
    )


def _remove(destination: Path, field: str) -> None:
    """Remove an earlier import, so that no field is in two splits."""
    for split in SPLITS:
        for path in _files(destination, split, field):
            path.unlink(missing_ok=True)


def _write_field(
    destination: Path, split: Split, picture: Path, annotated: FieldBoxes, centroids: FloatArray
) -> None:
    height_px, width_px = images.decode(picture).shape[:2]
    inside = clip(annotated.xyxy, width_px, height_px)
    if np.abs(inside - annotated.xyxy).max(initial=0.0) > 1.0:
        raise DataError(
            f"The boxes of {picture.stem} reach beyond its {width_px} x {height_px} pixels.",
            "Give the original pictures of ALL-IDB1, neither scaled nor cropped.",
        )
    centre = (inside[:, :2] + inside[:, 2:]) / 2
    size = np.array([width_px, height_px], np.float32)
    fractions = np.concatenate([centre, inside[:, 2:] - inside[:, :2]], axis=1) / np.tile(size, 2)
    image_path, label_path, ignore_path = _files(destination, split, picture.stem)
    rows: Labels = []
    ignored: Places = []
    for label, (cx, cy, w, h) in zip(annotated.labels, fractions.tolist(), strict=True):
        if label in CLASSES:
            rows.append((CLASSES.index(label), cx, cy, w, h))
        else:
            ignored.append((cx, cy, w, h))
    centroid_path = destination / "xyc" / f"{picture.stem}.xyc"
    for path in (image_path, centroid_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, image_path)
    write_labels(label_path, rows)
    write_ignored(ignore_path, ignored)
    centroid_path.write_text("".join(f"{x:g}\t{y:g}\n" for x, y in centroids), encoding="ascii")
