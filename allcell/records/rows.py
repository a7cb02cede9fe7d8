"""Cases to rows and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, insert, select

from allcell.records.tables import cases, cells, edits, fields, signatures
from allcell.review.case_review import CaseReview, Edit
from allcell.review.cells import FieldReview, ReviewedCell
from allcell.review.labels import CellLabel, LabelSet
from allcell.review.signing import ReviewSignature, content_hash

_OWN: TypeAdapter[tuple[CellLabel, ...]] = TypeAdapter(tuple[CellLabel, ...])
_EDIT: TypeAdapter[Edit] = TypeAdapter(Edit)
_FIELD: TypeAdapter[FieldReview] = TypeAdapter(FieldReview)
_SIGNATURE: TypeAdapter[ReviewSignature] = TypeAdapter(ReviewSignature)


def case_values(review: CaseReview) -> dict[str, Any]:
    """Columns of `cases` that follow from a review."""
    return {
        "own_labels": _text(_OWN.dump_json(review.labels.own)),
        "undoable": json.dumps(review.undoable),
        "redoable": json.dumps(review.redoable),
        "content_sha256": content_hash(review),
    }


def _text(content: bytes) -> str:
    # PostgreSQL's text holds everything but NUL, which JSON writes as an escape.
    return content.decode()


def write_edits(connection: Connection, case_id: str, log: Iterable[Edit], first: int) -> None:
    """Add edits to a case's log, the first of them at that place."""
    rows = [
        {"case_id": case_id, "place": place, "edit": _text(_EDIT.dump_json(edit))}
        for place, edit in enumerate(log, first)
    ]
    if rows:
        connection.execute(insert(edits), rows)


def write_fields(connection: Connection, case_id: str, review: CaseReview) -> None:
    """Write all fields of a case, without their cells."""
    connection.execute(delete(fields).where(fields.c.case_id == case_id))
    rows = [
        {
            "case_id": case_id,
            "sha256": one.sha256,
            "place": place,
            "facts": _text(_FIELD.dump_json(replace(one, cells=()))),
        }
        for place, one in enumerate(review.fields)
    ]
    if rows:
        connection.execute(insert(fields), rows)


def write_cells(
    connection: Connection, case_id: str, review: CaseReview, touched: Iterable[tuple[str, int]]
) -> None:
    """Write the cells that an edit touched as they are now; those that are gone go."""
    gone, rows = [], []
    for sha256, number in dict.fromkeys(touched):
        gone.append({"of_case": case_id, "of_field": sha256, "of_number": number})
        one = review.by_sha256.get(sha256)
        cell = one.by_number.get(number) if one else None
        if cell is not None:
            rows.append(_cell_row(case_id, sha256, cell))
    if gone:
        connection.execute(_DELETE_CELL, gone)
    if rows:
        connection.execute(insert(cells), rows)


def _deleting_a_cell() -> Any:
    from sqlalchemy import bindparam

    return delete(cells).where(
        cells.c.case_id == bindparam("of_case"),
        cells.c.field == bindparam("of_field"),
        cells.c.number == bindparam("of_number"),
    )


_DELETE_CELL = _deleting_a_cell()


def _cell_row(case_id: str, sha256: str, cell: ReviewedCell) -> dict[str, Any]:
    x1, y1, x2, y2 = cell.xyxy
    return {
        **{"case_id": case_id, "field": sha256, "number": cell.number},
        **{"x1": x1, "y1": y1, "x2": x2, "y2": y2},
        **{"label": cell.label, "suggested": cell.suggested},
        **{"confidence": cell.confidence, "state": cell.state},
    }


def write_signature(
    connection: Connection, case_id: str, place: int, given: ReviewSignature, content: bytes
) -> None:
    """Add a signature, with what was signed."""
    connection.execute(
        insert(signatures),
        {
            "case_id": case_id,
            "place": place,
            "signature": _text(_SIGNATURE.dump_json(given)),
            "content": _text(content),
        },
    )


def read_review(connection: Connection, case_id: str) -> CaseReview:
    """The review of a case that is there."""
    row = connection.execute(
        select(cases.c.own_labels, cases.c.undoable, cases.c.redoable).where(cases.c.id == case_id)
    ).one()
    found: dict[str, list[ReviewedCell]] = {}
    for cell in connection.execute(
        select(cells).where(cells.c.case_id == case_id).order_by(cells.c.field, cells.c.number)
    ):
        found.setdefault(cell.field, []).append(
            ReviewedCell(
                cell.number,
                (cell.x1, cell.y1, cell.x2, cell.y2),
                *(cell.label, cell.suggested, cell.confidence, cell.state),
            )
        )
    facts = connection.execute(
        select(fields.c.facts).where(fields.c.case_id == case_id).order_by(fields.c.place)
    ).scalars()
    log = connection.execute(
        select(edits.c.edit).where(edits.c.case_id == case_id).order_by(edits.c.place)
    ).scalars()
    bare = [_FIELD.validate_json(text) for text in facts]
    return CaseReview(
        LabelSet(_OWN.validate_json(row.own_labels)),
        tuple(replace(one, cells=tuple(found.get(one.sha256, ()))) for one in bare),
        tuple(_EDIT.validate_json(text) for text in log),
        tuple(json.loads(row.undoable)),
        tuple(json.loads(row.redoable)),
    )


def read_signatures(connection: Connection, case_id: str) -> list[tuple[ReviewSignature, str]]:
    """The signatures of a case in order, each with what was signed (`content_json`)."""
    rows = connection.execute(
        select(signatures.c.signature, signatures.c.content)
        .where(signatures.c.case_id == case_id)
        .order_by(signatures.c.place)
    )
    return [(_SIGNATURE.validate_json(row.signature), row.content) for row in rows]
