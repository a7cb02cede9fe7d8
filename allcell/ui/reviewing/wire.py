"""Between the desk in the browser and the review on the server: cells out, edits in.

The browser applies an edit at once and sends it after (`assets/review/store.js`). Each has a
number: what has not been acknowledged is sent again, and what has been seen is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from allcell.environment.provenance import now
from allcell.errors import ReviewError
from allcell.review import edits
from allcell.review.case_review import CaseReview
from allcell.review.cells import CellRef, FieldReview, ReviewedCell
from allcell.review.labels import CellLabel
from allcell.ui.reviewing.session import ReviewSession

_CONFIDENCE_DECIMALS = 4
_PIXEL_DECIMALS = 1
Row = list[object]


def row_of(cell: ReviewedCell, crop: int | None = None) -> Row:
    """A cell as the browser reads it (`readCells` in `store.js`).

    Args:
        cell: The cell.
        crop: Its place on the sheet of crops; None if it is on none.
    """
    score = None if cell.confidence is None else round(cell.confidence, _CONFIDENCE_DECIMALS)
    return [
        *(cell.number, cell.suggested, score, cell.label, cell.state),
        *(round(side, _PIXEL_DECIMALS) for side in cell.xyxy),
        crop,
    ]


def labels_of(labels: Iterable[CellLabel]) -> list[dict[str, object]]:
    """The classes as the browser reads them."""
    return [
        {
            "name": label.name,
            "title": label.title,
            "key": label.key,
            "role": label.role,
            "colour": "#" + bytes(label.colour).hex(),
            "own": label.own,
        }
        for label in labels
    ]


def field_row(
    one: FieldReview,
    picture: str,
    *,
    badge: str = "",
    crops: Mapping[str, object] | None = None,
    places: Mapping[int, int] | None = None,
) -> dict[str, object]:
    """A picture with its cells as the browser reads it.

    Args:
        one: The picture.
        picture: The name under which its pixels are sent.
        badge: What is said of the picture itself.
        crops: Name, side and columns of its sheet of crops; None if it has none.
        places: Places of cells on that sheet, by number.
    """
    return {
        "id": one.sha256,
        "title": one.title,
        "picture": picture,
        "width": one.width_px,
        "height": one.height_px,
        "redCell": one.origin.red_cell_px,
        "badge": badge,
        "counted": one.counted,
        "withheld": "" if one.insisted else one.withheld,
        "crops": crops,
        "cells": [row_of(cell, (places or {}).get(cell.number)) for cell in one.cells],
    }


def take(session: ReviewSession, message: object, by: str) -> None:
    """Apply what the browser sent; what was seen already, or is of another review, is passed over.

    Args:
        session: The session's review; `problem` says if an edit could not be applied.
        message: `{"epoch": ..., "edits": [{"n": 1, "what": "confirm", ...}, ...]}`.
        by: Who did it.
    """
    if not isinstance(message, Mapping) or message.get("epoch") != session.epoch:
        return
    session.problem = ""
    if session.read_only:
        return
    for edit in message.get("edits") or []:
        if edit["n"] <= session.seen:
            continue
        session.seen = int(edit["n"])
        try:
            session.review = _APPLY[edit["what"]](session.review, edit, by, now())
        except (ReviewError, LookupError, TypeError, ValueError) as error:
            # The browser is told of the cells as they are, and shows these.
            session.problem = str(error)
    session.save()


def _refs(edit: Mapping[str, Any]) -> list[CellRef]:
    found = (str(key).rpartition("/") for key in edit["cells"])
    return [CellRef(field, int(number)) for field, _, number in found]


def _box(edit: Mapping[str, Any]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = map(float, edit["box"])
    return x1, y1, x2, y2


Apply = Callable[[CaseReview, Mapping[str, Any], str, datetime], CaseReview]
_APPLY: dict[str, Apply] = {
    "confirm": lambda review, edit, *who: edits.confirm(review, _refs(edit), *who),
    "reclassify": lambda review, edit, *who: edits.reclassify(
        review, _refs(edit), str(edit["label"]), *who
    ),
    "remove": lambda review, edit, *who: edits.remove(review, _refs(edit), *who),
    "move": lambda review, edit, *who: edits.move(review, _refs(edit)[0], _box(edit), *who),
    "add": lambda review, edit, *who: edits.add(
        review, str(edit["field"]), _box(edit), str(edit["label"]), *who
    )[0],
    "leave out": lambda review, edit, *who: edits.leave_out(review, str(edit["field"]), "", *who),
    "take in": lambda review, edit, *who: edits.take_in(review, str(edit["field"]), *who),
    "undo": lambda review, edit, *who: review.undo(*who),
    "redo": lambda review, edit, *who: review.redo(*who),
}
