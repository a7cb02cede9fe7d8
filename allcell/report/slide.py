"""The cells of a slide as files: GeoJSON for QuPath, CSV and Parquet, in pixels of the slide."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from allcell.environment.provenance import Provenance, record_of
from allcell.errors import DataError
from allcell.result import CONFIDENCE_DECIMALS, PIXEL_DECIMALS
from allcell.review.case_review import CaseReview
from allcell.scanning.seen import SeenCells
from allcell.settings import RESEARCH_USE
from allcell.text.noticed import noticed_csv

#: Names the detections of a GeoJSON: the same cell of the same slide always gets the same.
_NAMESPACE = uuid.UUID("6d2f1f0c-8f0e-5f0a-9d53-5a1e0c7a1b18")
_UNKNOWN_COLOUR = [240, 240, 240]
CELL_COLUMNS = (
    *("cell", "class", "confidence", "state"),
    *("x1_px", "y1_px", "x2_px", "y2_px", "region_column", "region_row"),
)


@dataclass(frozen=True)
class CellOnSlide:
    """One cell of a slide.

    Attributes:
        number: From 1.
        label: Its class.
        confidence: The model's, 0 to 1; None if a person added the cell.
        state: `suggested` or `confirmed`.
        box: Left, top, right and bottom in pixels of the slide's finest level.
        region: Column and row of its region; None if that is not known.
    """

    number: int
    label: str
    confidence: float | None
    state: str
    box: tuple[float, float, float, float]
    region: tuple[int, int] | None = None


def cells_of_sweep(seen: SeenCells) -> list[CellOnSlide]:
    """The cells that a sweep found, region by region.

    Args:
        seen: What it found.
    """
    names = seen.regions.spec.classes
    cells: list[CellOnSlide] = []
    for region in seen.regions.all():
        found = seen.of_region(region)
        for box, confidence, kind in zip(
            found.xyxy.astype(float).tolist(),
            found.confidence.astype(float).tolist(),
            found.class_id.tolist(),
            strict=True,
        ):
            x1, y1, x2, y2 = box
            place = (region.column, region.row)
            cells.append(
                CellOnSlide(
                    len(cells) + 1,
                    names[kind],
                    confidence,
                    "suggested",
                    (x1, y1, x2, y2),
                    place,
                )
            )
    return cells


def slide_of_case(review: CaseReview) -> str:
    """Which slide all counted fields of a case lie on; empty if there is not one for all."""
    slides = {one.place.slide if one.place else "" for one in review.counted}
    return slides.pop() if len(slides) == 1 else ""


def cells_of_case(review: CaseReview) -> list[CellOnSlide]:
    """The cells of the counted fields of a case that lie on a slide, as a person sees them."""
    placed = [
        (one.place.on_slide(cell.xyxy), cell)
        for one in review.counted
        if one.place is not None
        for cell in one.cells
        if cell.counts
    ]
    return [
        CellOnSlide(number, cell.label, cell.confidence, cell.state, box)
        for number, (box, cell) in enumerate(placed, 1)
    ]


def slide_geojson(
    slide: str,
    cells: Iterable[CellOnSlide],
    colours: Mapping[str, Iterable[int]],
    status: str = "",
) -> str:
    """Cells as QuPath's detections: drag the file onto the slide in QuPath.

    Coordinates are pixels of the slide's finest level, y downwards, as QuPath has them.
    Source: QuPath 0.4 and later, `qupath.lib.io.PathObjectTypeAdapters`, which reads it.

    Args:
        slide: Which slide (see `allcell.review.places.SlidePlace`).
        cells: Its cells.
        colours: Red, green and blue, 0 to 255, of the classes.
        status: What has to be said with them, such as that nobody has reviewed them.
    """
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [_feature(slide, cell, colours) for cell in cells],
            "allcell": {"notice": RESEARCH_USE, "status": status, "slide": slide},
        },
        ensure_ascii=False,
    )


def _feature(slide: str, cell: CellOnSlide, colours: Mapping[str, Iterable[int]]) -> dict[str, Any]:
    left, top, right, bottom = (round(side, PIXEL_DECIMALS) for side in cell.box)
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    measured = {} if cell.confidence is None else {"confidence": _rounded(cell.confidence)}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_NAMESPACE, f"{slide}/{cell.number}")),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "detection",
            "name": str(cell.number),
            "classification": {
                "name": cell.label,
                "color": list(colours.get(cell.label, _UNKNOWN_COLOUR)),
            },
            "isLocked": False,
            "measurements": measured,
            "metadata": {"cell": str(cell.number), "state": cell.state},
        },
    }


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, CONFIDENCE_DECIMALS)


def _rows(cells: Iterable[CellOnSlide]) -> list[list[Any]]:
    return [
        [
            cell.number,
            cell.label,
            _rounded(cell.confidence),
            cell.state,
            *(round(side, PIXEL_DECIMALS) for side in cell.box),
            *(cell.region or (None, None)),
        ]
        for cell in cells
    ]


def slide_csv(cells: Iterable[CellOnSlide], made: Provenance | None = None) -> str:
    """Cells as CSV, a row each, with how they came about.

    Args:
        cells: Those of a slide.
        made: How the boxes came about.
    """
    more = record_of(made) if made else {}
    rows = [[*row, *more.values()] for row in _rows(cells)]
    return noticed_csv([*CELL_COLUMNS, *more], rows)


def slide_parquet(cells: Iterable[CellOnSlide], made: Provenance | None = None) -> bytes:
    """Cells as Parquet, a row each; how they came about is in the metadata of the file.

    Args:
        cells: Those of a slide.
        made: How the boxes came about.

    Raises:
        DataError: If pyarrow, which the app brings along, is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            "Parquet files need pyarrow.", 'Install it with: pip install "allcell[app]"'
        ) from error
    columns = list(zip(*_rows(cells), strict=True)) or [()] * len(CELL_COLUMNS)
    kinds = [
        *(pa.int64(), pa.string(), pa.float64(), pa.string()),
        *(pa.float64(),) * 4,
        *(pa.int64(),) * 2,
    ]
    table = pa.table(
        {
            name: pa.array(list(values), kind)
            for name, values, kind in zip(CELL_COLUMNS, columns, kinds, strict=True)
        }
    )
    known = record_of(made) if made else {}
    said = {"notice": RESEARCH_USE, **{key: str(value) for key, value in known.items()}}
    sink = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(said), sink)
    return sink.getvalue()
