"""Results as text: CSV, COCO, YOLO labels, JSON lines. Pure functions; `bundle` makes the ZIP.

Each export says that it is for research use only, in the way its format allows. The last CSV column
is titled with the notice and left empty: a comment line would break readers, and a text repeated in
each row would be missing where there is no row. COCO has it in `info.description`, a ZIP in
NOTICE.txt. YOLO labels and the JSON line of the command line have no room for it: the former are
handed out in a ZIP, the latter beside the notice on stderr.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allcell import boxes
from allcell.detections import Detections
from allcell.models.classes import CELL_CLASSES, CellClass
from allcell.models.registry import WHITE_CELLS
from allcell.report.names import file_stems, safe_name, spreadsheet_text, unique_names
from allcell.result import STAGES, Counts, ImageResult
from allcell.settings import RESEARCH_USE

CONFIDENCE_DECIMALS = 4
PIXEL_DECIMALS = 2
PERCENT_DECIMALS = 1


def _columns_of(cell: CellClass) -> list[str]:
    """Columns of a class beside the white cells."""
    per_100 = [f"{cell.column}_per_100_white_cells"] if cell.role == "smudge" else []
    return [cell.column, *per_100]


BOX_COLUMNS = (
    *("image", "model", "suggested_class", "confidence"),
    *("x1_px", "y1_px", "x2_px", "y2_px"),
)
_COUNTED = tuple(cell for cell in CELL_CLASSES if cell.column)
#: Left of the white cells, of which they are a part.
_WHITE = tuple(cell for cell in _COUNTED if cell.name in WHITE_CELLS)
#: Right of them.
_BESIDE = tuple(cell for cell in _COUNTED if cell.name not in WHITE_CELLS)
SUMMARY_COLUMNS = (
    *("image", "files", "model", "width_px", "height_px"),
    *(cell.column for cell in _WHITE),
    *("white_cells", "blast_percent_of_detected"),
    *("exact_95_low_percent", "exact_95_high_percent", "highest_blast_confidence"),
    *(column for cell in _BESIDE for column in _columns_of(cell)),
    *("red_cell_px", "total_ms", "error"),
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


def export_names(results: Iterable[ImageResult]) -> list[str]:
    """What the images are called in every export: safe as file names, no two alike."""
    return unique_names(safe_name(result.name) for result in results)


def class_names(results: Iterable[ImageResult]) -> tuple[str, ...]:
    """All class names of the results, each once, in the order they come."""
    return tuple(dict.fromkeys(name for result in results for name in result.classes))


def with_classes(result: ImageResult, names: Sequence[str]) -> Detections:
    """The detections with `class_id` as an index into these names (see `class_names`)."""
    index = np.array([names.index(name) for name in result.classes], np.int64)
    found = result.detections
    return Detections(found.xyxy, found.confidence, index[found.class_id])


def _values_of(cell: CellClass, counts: Counts) -> list[str | int]:
    """What stands in `_columns_of`; blanks for a class that was not looked for."""
    known = cell.name in counts.by_class
    per_100 = _number(counts.smudges_per_100 if known else None, PERCENT_DECIMALS)
    return [counts.by_class.get(cell.name, ""), *([per_100] if cell.role == "smudge" else [])]


def _inside(detections: Detections, width_px: int, height_px: int) -> Detections:
    cut = boxes.clip(detections.xyxy, width_px, height_px)
    whole = Detections(cut, detections.confidence, detections.class_id)
    return whole[boxes.area(cut) > 0]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*columns, RESEARCH_USE])
    for row in rows:
        writer.writerow([*row, ""])
    return sink.getvalue()


def _box_rows(result: ImageResult, name: str) -> Iterable[list[str | int]]:
    found = result.detections
    for xyxy, confidence, class_id in zip(
        found.xyxy, found.confidence, found.class_id, strict=True
    ):
        yield [
            spreadsheet_text(name),
            spreadsheet_text(result.model),
            spreadsheet_text(result.classes[class_id]),
            _number(float(confidence), CONFIDENCE_DECIMALS),
            *(_number(float(side), PIXEL_DECIMALS) for side in xyxy),
        ]


def to_csv(results: Sequence[ImageResult]) -> str:
    """One row a box, in pixels of the source image.

    Args:
        results: One or many; the first column tells them apart.
    """
    names = export_names(results)
    rows = (row for r, name in zip(results, names, strict=True) for row in _box_rows(r, name))
    return _csv(BOX_COLUMNS, rows)


def to_summary_csv(results: Sequence[ImageResult], failures: Sequence[Failure] = ()) -> str:
    """One row an image: its counts with the exact interval; an image that failed has its error.

    Args:
        results: In the order they are to be listed.
        failures: Listed after the results, so that no image is missing unseen.
    """
    names = export_names(results)
    rows: list[list[str | int]] = []
    for result, name, stem in zip(results, names, file_stems(names), strict=True):
        counts = result.counts()
        share = counts.blast_share
        percent = [None if b is None else 100 * b for b in (share.fraction, share.low, share.high)]
        rows.append(
            [
                spreadsheet_text(name),
                spreadsheet_text(stem),
                spreadsheet_text(result.model),
                result.width_px,
                result.height_px,
                *(counts.by_class.get(cell.name, "") for cell in _WHITE),
                counts.white_cells,
                *(_number(p if share.n else None, PERCENT_DECIMALS) for p in percent),
                _number(result.highest_blast_confidence, CONFIDENCE_DECIMALS),
                *(value for cell in _BESIDE for value in _values_of(cell, counts)),
                _number(result.red_cell_px, PIXEL_DECIMALS),
                _number(result.timing_ms["total"], PIXEL_DECIMALS),
                "",
            ]
        )
    for failure in failures:
        blanks = [""] * (len(SUMMARY_COLUMNS) - 2)
        error = spreadsheet_text(failure.message)
        rows.append([spreadsheet_text(safe_name(failure.name)), *blanks, error])
    return _csv(SUMMARY_COLUMNS, rows)


def to_coco(results: Sequence[ImageResult]) -> str:
    """COCO JSON of all results, with a `score` on each annotation.

    Boxes are cut to the image; one with nothing inside it is left out.

    Args:
        results: Those of several models may be mixed: categories go by class name.
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
            }
        )
        inside = _inside(with_classes(result, names), result.width_px, result.height_px)
        for xyxy, confidence, class_id in zip(
            inside.xyxy.astype(float), inside.confidence, inside.class_id, strict=True
        ):
            left, top, right, bottom = (round(float(side), PIXEL_DECIMALS) for side in xyxy)
            width = round(right - left, PIXEL_DECIMALS)
            height = round(bottom - top, PIXEL_DECIMALS)
            annotations.append(
                {
                    "id": len(annotations) + 1,
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

    Five columns as training reads them, so without the confidence. Boxes are cut to the image; one
    with nothing inside it is left out.

    Args:
        detections: In pixels of the image.
        width_px: Width of the image.
        height_px: Height of the image.
    """
    inside = _inside(detections, width_px, height_px)
    size = np.array([width_px, height_px], np.float64)
    low, high = inside.xyxy[:, :2] / size, inside.xyxy[:, 2:] / size
    rows = np.concatenate([(low + high) / 2, high - low], axis=1)
    return "".join(
        f"{class_id} {' '.join(f'{value:.6f}' for value in row)}\n"
        for class_id, row in zip(inside.class_id, rows, strict=True)
    )


def to_json_line(result: ImageResult) -> str:
    """One JSON object without a line break, as `allcell detect --json` prints it.

    The name stays as it was given, folders included, so that a script finds its file again.
    """
    found = result.detections
    detections = [
        {
            "class": result.classes[class_id],
            "confidence": round(float(confidence), CONFIDENCE_DECIMALS),
            "xyxy": [round(float(side), PIXEL_DECIMALS) for side in xyxy],
        }
        for xyxy, confidence, class_id in zip(
            found.xyxy, found.confidence, found.class_id, strict=True
        )
    ]
    return json.dumps(
        {
            "image": result.name,
            "width": result.width_px,
            "height": result.height_px,
            "model": result.model,
            "detections": detections,
            "timing_ms": {stage: round(result.timing_ms[stage], 3) for stage in STAGES},
        }
    )
