"""What a person can do to cells and fields: each gives a new case, with the edit in its log.

All take who (`by`) and when (`at`, UTC); several cells change in one edit, which one undo takes
back. An edit that changes nothing leaves the case as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from allcell.boxes import iou
from allcell.detections import Detections
from allcell.errors import ReviewError
from allcell.review.case_review import CaseReview, Edit, changes_of
from allcell.review.cells import (
    Box,
    CellChange,
    CellRef,
    FieldChange,
    FieldReview,
    ReviewedCell,
)
from allcell.review.labels import LabelSet
from allcell.text.words import one_line

#: Suggestions that overlap more than this (intersection over union) with a cell that a person has
#: judged are that cell.
SAME_CELL_IOU = 0.5


def confirm(review: CaseReview, refs: Iterable[CellRef], by: str, at: datetime) -> CaseReview:
    """Agree with the class that cells have; removed ones stay removed.

    Raises:
        ReviewError: If a cell is not in the case.
    """
    changes = changes_of(
        review, refs, lambda c: c if c.state == "removed" else replace(c, state="confirmed")
    )
    return review.apply(Edit("confirm", by, at, changes))


def confirm_above(
    review: CaseReview,
    confidence: float,
    by: str,
    at: datetime,
    *,
    label: str | None = None,
    fields: Iterable[str] | None = None,
) -> CaseReview:
    """Agree with all suggestions of a confidence or more, in counted fields.

    Args:
        review: The case.
        confidence: 0 to 1.
        by: Who.
        at: When.
        label: Only those of that class; of all classes if None.
        fields: Only those of these pictures (SHA-256); of all if None.

    Raises:
        ReviewError: If the confidence is not between 0 and 1.
    """
    if not 0 <= confidence <= 1:
        raise ReviewError(f"A confidence lies between 0 and 1, got {confidence}.")
    chosen = None if fields is None else set(fields)
    refs = [
        CellRef(one.sha256, cell.number)
        for one in review.counted
        if chosen is None or one.sha256 in chosen
        for cell in one.unreviewed
        if cell.confidence is not None and cell.confidence >= confidence
        if label is None or cell.label == label
    ]
    changes = changes_of(review, refs, lambda c: replace(c, state="confirmed"))
    return review.apply(Edit("confirm above", by, at, changes))


def reclassify(
    review: CaseReview, refs: Iterable[CellRef], label: str, by: str, at: datetime
) -> CaseReview:
    """Give cells a class, which confirms them; removed ones come back with it.

    Raises:
        ReviewError: If a cell or the class is not in the case.
    """
    name = review.labels.named(label).name
    changes = changes_of(review, refs, lambda c: replace(c, label=name, state="confirmed"))
    return review.apply(Edit("reclassify", by, at, changes))


def remove(review: CaseReview, refs: Iterable[CellRef], by: str, at: datetime) -> CaseReview:
    """Take cells away: they count as nothing and can be restored.

    Raises:
        ReviewError: If a cell is not in the case.
    """
    changes = changes_of(review, refs, lambda c: replace(c, state="removed"))
    return review.apply(Edit("remove", by, at, changes))


def restore(review: CaseReview, refs: Iterable[CellRef], by: str, at: datetime) -> CaseReview:
    """Bring removed cells back: as suggestions if the class is the model's, else as confirmed.

    Raises:
        ReviewError: If a cell is not in the case.
    """

    def back(cell: ReviewedCell) -> ReviewedCell:
        if cell.state != "removed":
            return cell
        judged = cell.added or cell.moved_label
        return replace(cell, state="confirmed" if judged else "suggested")

    return review.apply(Edit("restore", by, at, changes_of(review, refs, back)))


def add(
    review: CaseReview, field: str, xyxy: Box, label: str, by: str, at: datetime
) -> tuple[CaseReview, CellRef]:
    """Add a cell that the model missed; it is confirmed.

    Args:
        review: The case.
        field: SHA-256 of the picture.
        xyxy: Its box in pixels of the picture; corners in any order, cut off at the edges.
        label: Its class.
        by: Who.
        at: When.

    Returns:
        The new case and the new cell.

    Raises:
        ReviewError: If the field or the class is not in the case, or the box is too small.
    """
    one = review.field(field)
    name = review.labels.named(label).name
    cell = ReviewedCell(one.next_number, one.inside(xyxy), name, state="confirmed")
    edit = Edit("add", by, at, (CellChange(field, None, cell),))
    return review.apply(edit), CellRef(field, cell.number)


def move(review: CaseReview, ref: CellRef, xyxy: Box, by: str, at: datetime) -> CaseReview:
    """Move or resize a cell's box; its class and state stay.

    Raises:
        ReviewError: If the cell is not in the case, or the box is too small.
    """
    box = review.field(ref.field).inside(xyxy)
    changes = changes_of(review, [ref], lambda c: replace(c, xyxy=box))
    return review.apply(Edit("move", by, at, changes))


def leave_out(review: CaseReview, field: str, reason: str, by: str, at: datetime) -> CaseReview:
    """Leave a field out of the counts, its cells stay as they are.

    Args:
        review: The case.
        field: SHA-256 of the picture.
        reason: Why; `Left out by the reviewer.` if empty.
        by: Who.
        at: When.

    Raises:
        ReviewError: If the field is not in the case.
    """
    said = one_line(reason) or "Left out by the reviewer."
    return _field_edit(review, "leave out", field, by, at, left_out=said)


def take_in(review: CaseReview, field: str, by: str, at: datetime) -> CaseReview:
    """Count a field that was left out. One that is withheld stays so (see `suggest_again`).

    Raises:
        ReviewError: If the field is not in the case.
    """
    return _field_edit(review, "take in", field, by, at, left_out="")


def rename_field(review: CaseReview, field: str, title: str, by: str, at: datetime) -> CaseReview:
    """Call a field something else; an empty title changes nothing.

    Raises:
        ReviewError: If the field is not in the case.
    """
    said = one_line(title)
    if not said:
        return review
    return _field_edit(review, "rename field", field, by, at, title=said)


def add_field(review: CaseReview, field: FieldReview, by: str, at: datetime) -> CaseReview:
    """Add a picture with its cells; one that is in already changes nothing."""
    if field.sha256 in review.by_sha256:
        return review
    cells = tuple(CellChange(field.sha256, None, cell) for cell in field.cells)
    whole = FieldChange(None, replace(field, cells=()))
    return review.apply(Edit("add field", by, at, cells, (whole,)))


def take_out_field(review: CaseReview, field: str, by: str, at: datetime) -> CaseReview:
    """Take a picture and its cells out of the case.

    Raises:
        ReviewError: If the field is not in the case.
    """
    one = review.field(field)
    cells = tuple(CellChange(field, cell, None) for cell in one.cells)
    whole = FieldChange(replace(one, cells=()), None)
    return review.apply(Edit("take out field", by, at, cells, (whole,)))


def set_labels(review: CaseReview, labels: LabelSet) -> CaseReview:
    """Give a case other classes of one's own. It is no edit: undo does not take it back.

    Raises:
        ReviewError: If a class is taken away that a cell has, or had in an edit that can be undone.
    """
    used = {cell.label for _, cell in review.cells()}
    for edit in review.log:
        used |= {c.label for change in edit.cells for c in (change.before, change.after) if c}
    if gone := sorted(used & set(review.labels.by_name) - set(labels.by_name)):
        raise ReviewError(
            f"The class {gone[0]} is in use in this case.", "Keep it, or start a new case."
        )
    return replace(review, labels=labels)


def suggest_again(review: CaseReview, fresh: FieldReview, by: str, at: datetime) -> CaseReview:
    """Put new suggestions in place of those that nobody has judged.

    For another threshold or model, or when the user insists on a withheld field. Cells that a
    person judged or added stay; a new suggestion on one of them is left out, the others get new
    numbers if anything was judged, so that no number means two cells.

    Args:
        review: The case.
        fresh: The same picture, as `field_of` makes it.
        by: Who.
        at: When.

    Raises:
        ReviewError: If the field is not in the case.
    """
    held = review.field(fresh.sha256)
    judged = [cell for cell in held.cells if cell.state != "suggested"]
    new = {
        cell.number: cell
        for cell in (_renumbered(fresh, judged, held.next_number) if judged else fresh.cells)
    }
    old = {cell.number: cell for cell in held.unreviewed}
    cells = tuple(
        CellChange(fresh.sha256, old.get(number), new.get(number))
        for number in sorted({*old, *new})
        if old.get(number) != new.get(number)
    )
    before = replace(held, cells=())
    after = replace(fresh, cells=(), title=held.title, left_out=held.left_out)
    fields = () if before == after else (FieldChange(before, after),)
    return review.apply(Edit("suggest again", by, at, cells, fields))


def _renumbered(fresh: FieldReview, judged: list[ReviewedCell], first: int) -> list[ReviewedCell]:
    """New suggestions that lie on no judged cell, numbered from `first`."""
    if not fresh.cells:
        return []
    here = Detections.truth([cell.xyxy for cell in fresh.cells], [0] * len(fresh.cells)).xyxy
    there = Detections.truth([cell.xyxy for cell in judged], [0] * len(judged)).xyxy
    free = iou(here, there).max(axis=1) <= SAME_CELL_IOU
    kept = [cell for cell, is_free in zip(fresh.cells, free, strict=True) if is_free]
    return [replace(cell, number=number) for number, cell in enumerate(kept, first)]


def _field_edit(
    review: CaseReview, kind: str, field: str, by: str, at: datetime, **changed: str
) -> CaseReview:
    before = replace(review.field(field), cells=())
    after = replace(before, **changed)  # type: ignore[arg-type]
    if after == before:
        return review
    return review.apply(Edit(kind, by, at, (), (FieldChange(before, after),)))  # type: ignore[arg-type]
