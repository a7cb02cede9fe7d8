"""A case as labels for other programs: COCO, YOLO, and GeoJSON for QuPath.

Only fields that are counted, and in them what is a cell: what a person removed or called no cell
is left out. `cells_csv` has all of it.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np

from allcell.detections import Detections
from allcell.report.case.contents import CaseContents, in_force, provenance
from allcell.report.exports import to_yolo_text
from allcell.report.slide import cells_of_case, slide_geojson, slide_of_case
from allcell.result import CONFIDENCE_DECIMALS, PIXEL_DECIMALS
from allcell.review.cells import FieldReview, ReviewedCell
from allcell.settings import RESEARCH_USE

#: Names the detections of a GeoJSON: the same cell of the same picture always gets the same.
_NAMESPACE = uuid.UUID("6f0d7c0e-6c1b-5b0e-9a6e-a11ce11a11ce")


def class_order(contents: CaseContents) -> tuple[str, ...]:
    """Names of the classes, in the order of their numbers in COCO (from 1) and YOLO (from 0)."""
    return tuple(label.name for label in contents.review.labels.all if label.role != "not a cell")


def to_case_coco(contents: CaseContents) -> str:
    """COCO JSON of the counted fields, with the class that stands now.

    Beside COCO's own keys, a box has its `cell` number on the screen, its `state`, and the model's
    `suggested` class and `score`.
    """
    names = class_order(contents)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for one in contents.review.counted:
        images.append(
            {
                "id": len(images) + 1,
                "file_name": f"{contents.stems[one.sha256]}.png",
                "width": one.width_px,
                "height": one.height_px,
                "title": one.title,
                "picture_sha256": one.sha256,
                "cautions": list(one.cautions),
                **provenance(one),
            }
        )
        for cell in in_force(one):
            left, top, right, bottom = (round(side, PIXEL_DECIMALS) for side in cell.xyxy)
            width, height = round(right - left, 2), round(bottom - top, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": names.index(_known(cell, names)) + 1,
                    "bbox": [left, top, width, height],
                    "area": round(width * height, PIXEL_DECIMALS),
                    "segmentation": [],
                    "iscrowd": 0,
                    "cell": cell.number,
                    "state": cell.state,
                    "suggested": cell.suggested,
                    "score": _score(cell),
                }
            )
    return json.dumps(
        {
            "info": {
                "description": f"Cells reviewed in allcell. {contents.status} {RESEARCH_USE}",
                "version": str(contents.version),
                "case_content_sha256": contents.content_sha256,
            },
            "licenses": [],
            "images": images,
            "annotations": annotations,
            "categories": [
                {"id": n, "name": name, "supercategory": "cell"} for n, name in enumerate(names, 1)
            ],
        },
        indent=1,
        ensure_ascii=False,
    )


def _known(cell: ReviewedCell, names: tuple[str, ...]) -> str:
    return cell.label if cell.label in names else "unidentified"


def _score(cell: ReviewedCell) -> float | None:
    return None if cell.confidence is None else round(cell.confidence, CONFIDENCE_DECIMALS)


def yolo_labels(contents: CaseContents, one: FieldReview) -> str:
    """YOLO labels of one field; the numbers of the classes are their places in `class_order`."""
    names = class_order(contents)
    cells = in_force(one)
    boxes = np.array([cell.xyxy for cell in cells], np.float32).reshape(-1, 4)
    found = Detections.truth(boxes, [names.index(_known(cell, names)) for cell in cells])
    return to_yolo_text(found, one.width_px, one.height_px)


def to_geojson(contents: CaseContents, one: FieldReview) -> str:
    """The cells of one field as QuPath's detections: drag the file onto the picture in QuPath.

    Coordinates are pixels of the picture, y downwards, as QuPath has them.
    Source: QuPath 0.4 and later, `qupath.lib.io.PathObjectTypeAdapters`, which reads it.
    """
    table = contents.review.labels.by_name
    features = []
    for cell in in_force(one):
        left, top, right, bottom = (round(side, PIXEL_DECIMALS) for side in cell.xyxy)
        label = table.get(cell.label)
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        score = _score(cell)
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(_NAMESPACE, f"{one.sha256}/{cell.number}")),
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {
                    "objectType": "detection",
                    "name": str(cell.number),
                    "classification": {
                        "name": cell.label,
                        "color": list(label.colour) if label else [240, 240, 240],
                    },
                    "isLocked": False,
                    "measurements": {} if score is None else {"confidence": score},
                    "metadata": {
                        "cell": str(cell.number),
                        "state": cell.state,
                        "suggested": cell.suggested or "",
                    },
                },
            }
        )
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": features,
            "allcell": {
                **{"notice": RESEARCH_USE, "status": contents.status, **provenance(one)},
                **{"field": contents.stems[one.sha256], "picture_sha256": one.sha256},
            },
        },
        indent=1,
        ensure_ascii=False,
    )


def to_slide_geojson(contents: CaseContents) -> str:
    """The cells of all fields of one slide, for QuPath, in pixels of the slide's finest level."""
    review = contents.review
    colours = {name: label.colour for name, label in review.labels.by_name.items()}
    return slide_geojson(slide_of_case(review), cells_of_case(review), colours, contents.status)
