"""The tables of a run: pictures, cells, and what came to nothing; their columns and rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from allcell import __version__
from allcell.errors import AllcellError
from allcell.models.classes import CELL_CLASSES
from allcell.result import BOX_COLUMNS, Result
from allcell.settings import RESEARCH_USE

Row = dict[str, Any]

#: The column of a class's count in the table of pictures.
COUNTS = {cell.name: cell.plural.replace(" ", "_") for cell in CELL_CLASSES}
_PROVENANCE = {
    "lowest_confidence": pa.float64(),
    "largest_overlap": pa.float64(),
    "allcell_version": pa.string(),
    "weights_sha256": pa.string(),
    "analysed_at_utc": pa.timestamp("ms", tz="UTC"),
}
_CELL_KINDS = {
    **{"image": pa.string(), "model": pa.string(), "cell": pa.int32()},
    **{"suggested_class": pa.string(), "confidence": pa.float32()},
    **{side: pa.float32() for side in ("x1_px", "y1_px", "x2_px", "y2_px")},
    "reservation": pa.string(),
    **_PROVENANCE,
}
_COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    # Those of `detect --csv`, in its order.
    "cells": {**{name: _CELL_KINDS[name] for name in BOX_COLUMNS}, "part": pa.int32()},
    "images": {
        **{"image": pa.string(), "model": pa.string()},
        **{"width_px": pa.int32(), "height_px": pa.int32(), "cells": pa.int32()},
        **{column: pa.int32() for column in COUNTS.values()},
        **{"withheld": pa.bool_(), "reservation": pa.string(), "warnings": pa.string()},
        **{"red_cell_px": pa.float64(), "red_cell_px_from": pa.string()},
        **{"runtime": pa.string(), **_PROVENANCE, "part": pa.int32()},
    },
    "failures": {
        **{"image": pa.string(), "kind": pa.string(), "message": pa.string()},
        **{"remedy": pa.string(), "part": pa.int32()},
    },
}
#: The tables by name, each with the research-use notice.
SCHEMAS: Mapping[str, pa.Schema] = {
    table: pa.schema(
        list(columns.items()), metadata={"notice": RESEARCH_USE, "allcell": __version__}
    )
    for table, columns in _COLUMNS.items()
}
#: Columns in which two runs of the same work differ.
PASSING = ("analysed_at_utc",)


def image_row(result: Result, runtime: str, part: int) -> Row:
    """The row of a picture.

    Args:
        result: What was found in it.
        runtime: What ran the model.
        part: The part that it belongs to.
    """
    counts = result.counts.by_class
    return {
        "image": result.name,
        "model": result.model,
        "width_px": result.width_px,
        "height_px": result.height_px,
        "cells": len(result.shown_boxes),
        **{column: counts.get(name) for name, column in COUNTS.items()},
        "withheld": result.withheld,
        "reservation": result.reservation,
        "warnings": " ".join(map(str, result.warnings)),
        "red_cell_px": result.red_cell_px,
        "red_cell_px_from": result.scale.origin,
        "runtime": runtime,
        **_made(result),
        "part": part,
    }


def cell_rows(result: Result, part: int) -> list[Row]:
    """The rows of a picture's cells, best first: the columns of `Result.to_pandas`."""
    same = {
        "image": result.name,
        "model": result.model,
        "reservation": result.reservation,
        **_made(result),
        "part": part,
    }
    sides = ("x1_px", "y1_px", "x2_px", "y2_px")
    return [
        {
            **same,
            "cell": number,
            "suggested_class": kind,
            "confidence": confidence,
            **dict(zip(sides, xyxy, strict=True)),
        }
        for number, (kind, confidence, *xyxy) in enumerate(result.rows(), 1)
    ]


def failure_row(image: str, error: AllcellError, part: int) -> Row:
    """The row of an input that came to nothing."""
    return {
        "image": image,
        "kind": type(error).__name__,
        "message": error.message,
        "remedy": error.remedy,
        "part": part,
    }


def parquet(table: str, rows: Sequence[Row]) -> bytes:
    """Rows as a file of Parquet.

    Args:
        table: One of `SCHEMAS`.
        rows: Its rows, which may be none.
    """
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]), sink, compression="zstd"
    )
    return sink.getvalue()


def read_rows(table: str, content: bytes) -> list[Row]:
    """The rows of such a file."""
    found = pq.read_table(io.BytesIO(content), schema=SCHEMAS[table])
    rows: list[Row] = found.to_pylist()
    return rows


def _made(result: Result) -> Row:
    made = result.made
    if made is None:
        return dict.fromkeys(_PROVENANCE)
    values = (made.confidence, made.iou, made.version, made.weights_sha256, made.analysed_at)
    return dict(zip(_PROVENANCE, values, strict=True))
