"""ALL-IDB1 (Donida Labati, Piuri, Scotti, ICIP 2011): pictures and expert centroids -> a dataset.

The pictures are free for research on request and may not be redistributed, so allcell ships only
the boxes. The split is fixed. Two facts of the data set decide how it may be used: Im108 is the
same file as Im093, and some fields show the same place of a slide (`OVERLAPPING_TEST`).
"""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from allcell import images
from allcell.boxes import clip
from allcell.data.segment import segment_blasts, segment_white_cells
from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.detections import FloatArray
from allcell.errors import DataError
from allcell.models.registry import CLASSES
from allcell.scale import estimate_red_cell

Split = Literal["train", "val", "test"]
Boxes = Literal["shipped", "segment"]
SPLITS: tuple[Split, ...] = get_args(Split)

#: The fields that the paper's authors ran inference on (listed in echen053/all-cell-detection).
TEST_FIELDS = (
    "Im003_1", "Im008_1", "Im009_1", "Im019_1", "Im027_1", "Im029_1", "Im053_1", "Im040_0",
    "Im044_0", "Im047_0", "Im066_0", "Im067_0", "Im071_0", "Im076_0", "Im088_0", "Im089_0",
    "Im095_0",
)  # fmt: skip
#: Both picture sizes, every session at the microscope, and no field that overlaps another one.
VALIDATION_FIELDS = (
    "Im001_1", "Im007_1", "Im023_1", "Im050_1", "Im057_1", "Im063_1", "Im034_0", "Im043_0",
    "Im065_0", "Im079_0", "Im084_0", "Im105_0", "Im107_0",
)  # fmt: skip
#: The same file as Im093_0.
LEFT_OUT = ("Im108_0",)
#: Fields that show a part of a test field once more (found by matching SIFT features). Training on
#: them would be training on test cells, so they are left out.
OVERLAPPING_TEST: Mapping[str, str] = {
    "Im002_1": "Im003_1",
    "Im010_1": "Im009_1",
    "Im011_1": "Im009_1",
    "Im018_1": "Im019_1",
    "Im038_0": "Im044_0",
    "Im039_0": "Im044_0",
    "Im078_0": "Im089_0",
    "Im096_0": "Im095_0",
}

#: Classes of an annotation file; `cut` counts neither as a cell nor as ground.
LABELS = (*CLASSES, "cut")
ANNOTATIONS_DIR = Path(__file__).resolve().parent / "annotations"
SHIPPED_BOXES = ANNOTATIONS_DIR / "allidb1_boxes.csv"

_NAME = re.compile(r"Im\d{3}_[01]")
_COLUMNS = ("image", "x1", "y1", "x2", "y2", "class", "source")


@dataclass(frozen=True, eq=False)
class FieldBoxes:
    """The annotated cells of one field.

    Attributes:
        xyxy: Shape (N, 4), float32: x1 y1 x2 y2 in pixels of the original picture.
        labels: N of `LABELS`.
        sources: N of `auto` (as segmented) or `corrected` (by eye).
    """

    xyxy: FloatArray
    labels: tuple[str, ...]
    sources: tuple[str, ...]

    def of(self, *labels: str) -> FloatArray:
        """The boxes (K, 4) of some classes."""
        return self.xyxy[[label in labels for label in self.labels]].reshape(-1, 4)

    def count(self) -> Counter[str]:
        """Number of cells of each class."""
        return Counter(self.labels)


@dataclass(frozen=True)
class ImportedAllidb1:
    """What was written.

    Attributes:
        images: Number of pictures of each split.
        cells: Number of boxes of each class (`LABELS`) of each split.
    """

    images: Mapping[Split, int]
    cells: Mapping[Split, Mapping[str, int]]


def split_of(field: str) -> Split | None:
    """The split of a field such as `Im001_1`; None for those left out."""
    if field in LEFT_OUT:
        return None
    if field in TEST_FIELDS:
        return "test"
    return "val" if field in VALIDATION_FIELDS else "train"


def read_annotations(path: Path = SHIPPED_BOXES) -> dict[str, FieldBoxes]:
    """Read a CSV of boxes: image, x1, y1, x2, y2, class, source (pixels, `LABELS`).

    Returns:
        The boxes of each field, by its name.

    Raises:
        DataError: If the file is missing or a line is malformed.
    """
    remedy = f"Columns: {', '.join(_COLUMNS)}; classes: {', '.join(LABELS)}."
    rows: dict[str, list[tuple[list[float], str, str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := [c for c in _COLUMNS if c not in (reader.fieldnames or ())]:
                raise DataError(f"{path} lacks the columns {', '.join(missing)}.", remedy)
            for row in reader:
                box = [float(row[side]) for side in ("x1", "y1", "x2", "y2")]
                good = np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]
                if not good or row["class"] not in LABELS or not _NAME.fullmatch(row["image"]):
                    raise DataError(
                        f"{path}, line {reader.line_num} is not a labelled box.", remedy
                    )
                rows.setdefault(row["image"], []).append((box, row["class"], row["source"]))
    except OSError as error:
        raise DataError(
            f"The annotation file {path} cannot be read.",
            "Restore it from the project, or segment the boxes anew.",
        ) from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}, line {reader.line_num}: a number is missing.", remedy) from error
    return {
        field: FieldBoxes(
            np.array([box for box, _, _ in cells], np.float32).reshape(-1, 4),
            tuple(label for _, label, _ in cells),
            tuple(source for _, _, source in cells),
        )
        for field, cells in rows.items()
    }


def read_centroids(path: Path) -> FloatArray:
    """Read the expert blast centroids of one field (`.xyc`): x and y in pixels, (N, 2).

    Raises:
        DataError: If the file is missing, or a line is not two numbers.
    """
    remedy = "Restore the file from ALL-IDB1: x and y of a blast on each line."
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        rows = [[float(word) for word in line.split()] for line in lines if line.strip()]
    except OSError as error:
        raise DataError(f"The centroid file {path} cannot be read.", remedy) from error
    except ValueError as error:
        raise DataError(f"{path} holds something other than numbers.", remedy) from error
    if any(len(row) != 2 or not np.isfinite(row).all() for row in rows):
        raise DataError(f"{path} has a line that is not an x and a y.", remedy)
    return np.array(rows, np.float32).reshape(-1, 2)


def find_fields(source: Path) -> dict[str, Path]:
    """Pictures of an ALL-IDB1 folder (`im/`, `xyc/`) by field name, those left out excepted.

    Raises:
        DataError: If there are none, or one lacks its centroids or contradicts its name.
    """
    found = {
        path.stem: path
        for path in sorted((source / "im").glob("*.jpg"))
        if _NAME.fullmatch(path.stem) and split_of(path.stem)
    }
    if not found:
        raise DataError(
            f"No pictures named like Im001_1.jpg in {source / 'im'}.",
            "Give the unpacked ALL-IDB1 folder, which holds im/ and xyc/.",
        )
    for field in found:
        has_blasts = len(read_centroids(source / "xyc" / f"{field}.xyc")) > 0
        if has_blasts != field.endswith("_1"):
            raise DataError(
                f"{field} has {'' if has_blasts else 'no '}blast centroids, against its name.",
                "Restore its .xyc file from ALL-IDB1.",
            )
    return found


def segment_field(
    picture: Path, centroids: FloatArray, other_centroids: FloatArray | None = None
) -> FieldBoxes:
    """Boxes of one field from scratch: the experts' blasts, and suggestions for all other cells.

    Args:
        picture: The JPEG file.
        centroids: Expert blast centroids (N, 2) in pixels.
        other_centroids: Centroids of other cells (M, 2) in pixels, which help to split clumps.

    Raises:
        DataError: If no red cells are seen, or two centroids coincide.
        ImageError: If the picture cannot be read.
    """
    image = images.decode(picture)
    red_cell_px = estimate_red_cell(image).diameter_px
    if red_cell_px <= 2:
        raise DataError(
            f"No red cells are seen in {picture.name}, so the size of its cells is unknown.",
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
    """Write ALL-IDB1 as a YOLO dataset (see `allcell.data.dataset.read_yolo`).

    Pictures are copied unchanged; `cut` cells go to `ignore/`, expert centroids to `xyc/`.

    Args:
        source: Folder with `im/` and `xyc/`.
        destination: Folder to write; files of an earlier import are replaced.
        boxes: `shipped` takes our checked boxes, `segment` draws them anew (suggestions only).
        annotations: The boxes to take.
        other_centroids: CSV (image, x, y) of cells that are no blasts; only for `segment`.
        keep_overlapping: Train on fields that show a part of a test field, too. Results on the
            test fields are then too good.

    Raises:
        DataError: If something is missing or does not fit.
        ImageError: If a picture cannot be read.
    """
    if destination.resolve() in (source.resolve(), *source.resolve().parents):
        raise DataError(
            f"The dataset cannot be written over its source, {source}.", "Choose another folder."
        )
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
    """Forget an earlier import, so that no field is in two splits."""
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
    ignored: list[str] = []
    for label, (cx, cy, w, h) in zip(annotated.labels, fractions.tolist(), strict=True):
        if label in CLASSES:
            rows.append((CLASSES.index(label), cx, cy, w, h))
        else:
            ignored.append(f"{cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n")
    centroid_path = destination / "xyc" / f"{picture.stem}.xyc"
    for path in (image_path, ignore_path, centroid_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, image_path)
    write_labels(label_path, rows)
    ignore_path.write_text("".join(ignored), encoding="ascii")
    centroid_path.write_text("".join(f"{x:g}\t{y:g}\n" for x, y in centroids), encoding="ascii")
