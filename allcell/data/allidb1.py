"""ALL-IDB1 (Donida Labati, Piuri, Scotti, ICIP 2011): its split, its files and our boxes.

The pictures are free for research on request and may not be redistributed, so allcell ships only
the boxes. The split is fixed. Two facts about the data set decide how it may be used: Im108 is the
same file as Im093, and some fields show the same place on a slide (`OVERLAPPING_TEST`).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from allcell.detections import FloatArray
from allcell.errors import DataError
from allcell.models.registry import CLASSES

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

#: The fields that the paper's authors ran inference on (listed in echen053/all-cell-detection).
TEST_FIELDS = (
    "Im003_1", "Im008_1", "Im009_1", "Im019_1", "Im027_1", "Im029_1", "Im053_1", "Im040_0",
    "Im044_0", "Im047_0", "Im066_0", "Im067_0", "Im071_0", "Im076_0", "Im088_0", "Im089_0",
    "Im095_0",
)  # fmt: skip
#: Chosen to cover both picture sizes and every microscope session, and to overlap no other field.
VALIDATION_FIELDS = (
    "Im001_1", "Im007_1", "Im023_1", "Im050_1", "Im057_1", "Im063_1", "Im034_0", "Im043_0",
    "Im065_0", "Im079_0", "Im084_0", "Im105_0", "Im107_0",
)  # fmt: skip
#: The same file as Im093_0.
LEFT_OUT = ("Im108_0",)
#: Training field -> the test field that it shows a part of (found by matching SIFT features).
#: Training on them would be training on test cells, so they are left out.
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

#: Classes of an annotation file; `cut` counts neither as a cell nor as background.
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
        labels: N labels, each one of `LABELS`.
        sources: N sources, each `auto` (as segmented) or `corrected` (by eye).
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
    """Pictures of an ALL-IDB1 folder (`im/`, `xyc/`) by field name, without `LEFT_OUT`.

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
                f"{field} has {'' if has_blasts else 'no '}blast centroids, contrary to its name.",
                "Restore its .xyc file from ALL-IDB1.",
            )
    return found
