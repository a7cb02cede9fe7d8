"""Many results as text: a summary, COCO, YOLO labels. Pure functions; `bundle` makes the ZIP.

Each export says that it is for research use only, in the way its format allows. The last CSV column
is titled with the notice and left empty: a comment line would break readers, and a text repeated in
each row would be missing where there is no row. COCO has it in `info.description`, a ZIP in
NOTICE.txt. YOLO labels have no room for it and are handed out in a ZIP. (The cells of one result as
CSV and JSON: `allcell.result`.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allcell import boxes
from allcell.counts import Counts
from allcell.detections import Detections
from allcell.environment.provenance import PROVENANCE_COLUMNS, record_of, values_of
from allcell.models.classes import CELL_CLASSES, CellClass
from allcell.models.registry import WHITE_CELLS
from allcell.result import (
    CONFIDENCE_DECIMALS,
    PIXEL_DECIMALS,
    Result,
)
from allcell.settings import RESEARCH_USE
from allcell.text.names import file_stems, safe_name, spreadsheet_text, unique_names
from allcell.text.noticed import noticed_csv

PERCENT_DECIMALS = 1


def _columns_of(cell: CellClass) -> list[str]:
    """Columns of a class that is not a white cell."""
    per_100 = [f"{cell.column}_per_100_white_cells"] if cell.role == "smudge" else []
    return [cell.column, *per_100]


_COUNTED = tuple(cell for cell in CELL_CLASSES if cell.column)
#: Columns to the left of the count of white cells, of which they are a part.
_WHITE = tuple(cell for cell in _COUNTED if cell.name in WHITE_CELLS)
#: Columns to its right.
_BESIDE = tuple(cell for cell in _COUNTED if cell.name not in WHITE_CELLS)
SUMMARY_COLUMNS = (
    *("image", "files", "model", "width_px", "height_px"),
    *(cell.column for cell in _WHITE),
    *("white_cells", "blast_percent_of_detected"),
    *("exact_95_low_percent", "exact_95_high_percent", "highest_blast_confidence"),
    *(column for cell in _BESIDE for column in _columns_of(cell)),
    *("red_cell_px", "total_ms", "warnings", *PROVENANCE_COLUMNS, "error"),
)


@dataclass(frozen=True)
class Failure:
    """An image that gave no result.

    Attributes:
        name: What the user calls the image.
        message: What went wrong, in words for the user.
    """

    name: str
    message: str


def export_names(results: Iterable[Result]) -> list[str]:
    """Names of the images in every export: safe as file names, and unique."""
    return unique_names(safe_name(result.name) for result in results)


def without_names(results: Iterable[Result]) -> list[Result]:
    """The same results as image-001, image-002, ...: a file name may hold a patient's name."""
    return [replace(result, name=f"image-{n:03d}") for n, result in enumerate(results, 1)]


def class_names(results: Iterable[Result]) -> tuple[str, ...]:
    """All class names of the shown boxes, each once, in the order they come."""
    return tuple(dict.fromkeys(name for result in results for name in result.shown_classes))


def with_classes(result: Result, names: Sequence[str]) -> Detections:
    """The shown boxes with `class_id` as an index into these names (see `class_names`)."""
    index = np.array([names.index(name) for name in result.shown_classes], np.int64)
    found = result.shown_boxes
    return Detections(found.xyxy, found.confidence, index[found.class_id])


def _values_of(cell: CellClass, counts: Counts) -> list[str | int]:
    """Values for `_columns_of`; blank for a class that the model does not know."""
    known = cell.name in counts.by_class
    per_100 = _number(counts.smudges_per_100 if known else None, PERCENT_DECIMALS)
    return [_count(counts.by_class.get(cell.name)), *([per_100] if cell.role == "smudge" else [])]


def _inside(detections: Detections, width_px: int, height_px: int) -> tuple[Detections, list[int]]:
    """The boxes clipped to the image, without those outside, and their numbers from 1."""
    xyxy = boxes.clip(detections.xyxy, width_px, height_px)
    clipped = Detections(xyxy, detections.confidence, detections.class_id)
    kept = boxes.area(xyxy) > 0
    return clipped[kept], (np.flatnonzero(kept) + 1).tolist()


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _count(count: int | None) -> str | int:
    return "" if count is None else count


def warnings_text(result: Result) -> str:
    """What has to be said with the numbers of a result: its standing, then every caution."""
    return " ".join(filter(None, [result.standing, *map(str, result.warnings)]))


def to_summary_csv(results: Sequence[Result], failures: Sequence[Failure] = ()) -> str:
    """One row per image: its counts with the exact interval, or the error if it failed.

    The numbers of an image that is not to be trusted are left blank; `warnings` says why.

    Args:
        results: In the order they are to be listed.
        failures: Listed after the results, so that no image goes missing unnoticed.
    """
    names = export_names(results)
    rows: list[list[str | int]] = []
    for result, name, stem in zip(results, names, file_stems(names), strict=True):
        counts = result.counts
        share = counts.blast_share
        percent = [None if b is None else 100 * b for b in (share.fraction, share.low, share.high)]
        rows.append(
            [
                spreadsheet_text(name),
                spreadsheet_text(stem),
                spreadsheet_text(result.model),
                result.width_px,
                result.height_px,
                *(_count(counts.by_class.get(cell.name)) for cell in _WHITE),
                _count(counts.white_cells),
                *(_number(p if share.n else None, PERCENT_DECIMALS) for p in percent),
                _number(result.highest_blast_confidence, CONFIDENCE_DECIMALS),
                *(value for cell in _BESIDE for value in _values_of(cell, counts)),
                _number(result.red_cell_px, PIXEL_DECIMALS),
                _number(result.timing.total_ms, PIXEL_DECIMALS),
                spreadsheet_text(warnings_text(result)),
                *values_of(result.made),
                "",
            ]
        )
    for failure in failures:
        blanks = [""] * (len(SUMMARY_COLUMNS) - 2)
        error = spreadsheet_text(failure.message)
        rows.append([spreadsheet_text(safe_name(failure.name)), *blanks, error])
    return noticed_csv(SUMMARY_COLUMNS, rows)


def to_coco(results: Sequence[Result]) -> str:
    """COCO JSON of all results, with a `score` on each annotation.

    Boxes are clipped to the image; one that is entirely outside is left out.

    Args:
        results: Those of several models may be mixed: categories are by class name. Beside
            COCO's own keys, an image has `reservation` and its provenance, a box its `cell` number.
    """
    names = class_names(results)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (result, name) in enumerate(zip(results, export_names(results), strict=True), 1):
        images.append(
            {
                "id": image_id,
                "file_name": name,
                "width": result.width_px,
                "height": result.height_px,
                "model": result.model,
                "reservation": result.reservation,
                **record_of(result.made),
            }
        )
        inside, numbers = _inside(with_classes(result, names), result.width_px, result.height_px)
        for xyxy, confidence, class_id, number in zip(
            inside.xyxy.astype(float), inside.confidence, inside.class_id, numbers, strict=True
        ):
            left, top, right, bottom = (round(float(side), PIXEL_DECIMALS) for side in xyxy)
            width = round(right - left, PIXEL_DECIMALS)
            height = round(bottom - top, PIXEL_DECIMALS)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "cell": number,
                    "image_id": image_id,
                    "category_id": int(class_id) + 1,
                    "bbox": [left, top, width, height],
                    "area": round(width * height, PIXEL_DECIMALS),
                    "segmentation": [],
                    "iscrowd": 0,
                    "score": round(float(confidence), CONFIDENCE_DECIMALS),
                }
            )
    categories = [
        {"id": n, "name": name, "supercategory": "cell"} for n, name in enumerate(names, 1)
    ]
    return json.dumps(
        {
            "info": {"description": f"Cells suggested by allcell. {RESEARCH_USE}", "version": "1"},
            "licenses": [],
            "images": images,
            "annotations": annotations,
            "categories": categories,
        },
        indent=1,
    )


def to_yolo_text(detections: Detections, width_px: int, height_px: int) -> str:
    """YOLO labels: class, centre x, centre y, width, height, as fractions of the image.

    Five columns, as training expects, so without the confidence. Boxes are clipped to the image;
    one that is entirely outside is left out.

    Args:
        detections: In pixels of the image.
        width_px: Width of the image.
        height_px: Height of the image.
    """
    inside, _ = _inside(detections, width_px, height_px)
    size = np.array([width_px, height_px], np.float64)
    low, high = inside.xyxy[:, :2] / size, inside.xyxy[:, 2:] / size
    rows = np.concatenate([(low + high) / 2, high - low], axis=1)
    return "".join(
        f"{class_id} {' '.join(f'{value:.6f}' for value in row)}\n"
        for class_id, row in zip(inside.class_id, rows, strict=True)
    )
