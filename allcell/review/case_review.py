"""A case under review: its fields, everything that was done to them, and undo without end.

Nothing is changed in place: an edit gives a new review, so that a page may hold one while another
is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from allcell.errors import ReviewError
from allcell.review.cells import CellChange, CellRef, FieldChange, FieldReview, ReviewedCell
from allcell.review.labels import LabelSet

#: What a person can do.
EditKind = Literal[
    "confirm",
    "reclassify",
    "remove",
    "restore",
    "add",
    "move",
    "confirm above",
    "leave out",
    "take in",
    "rename field",
    "add field",
    "take out field",
    "suggest again",
    "undo",
    "redo",
]


@dataclass(frozen=True)
class Edit:
    """One thing that one person did.

    Attributes:
        kind: What.
        by: Who, as they call themselves or as the login says.
        at: When, in UTC.
        cells: What became of cells.
        fields: What became of pictures as a whole.
        of: For undo and redo: the place in the log (from 0) of the edit that is undone or redone.
    """

    kind: EditKind
    by: str
    at: datetime
    cells: tuple[CellChange, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    of: int | None = None


@dataclass(frozen=True, eq=False)
class CaseReview:
    """Pictures under review together.

    Attributes:
        labels: The classes that can be given.
        fields: The pictures, in the order they are shown.
        log: Every edit, undo and redo included, in order; it only ever grows.
        undoable: Places in `log` of the edits that stand, oldest first.
        redoable: Places in `log` of the edits that were undone, next to be redone last.

    Raises:
        ReviewError: If a picture is in it twice.
    """

    labels: LabelSet = field(default_factory=LabelSet)
    fields: tuple[FieldReview, ...] = ()
    log: tuple[Edit, ...] = ()
    undoable: tuple[int, ...] = ()
    redoable: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.by_sha256) != len(self.fields):
            raise ReviewError(
                "One picture is in this case twice; its cells would count twice.",
                "Take one of them out.",
            )

    @cached_property
    def by_sha256(self) -> Mapping[str, FieldReview]:
        """The fields by the hash of their picture."""
        return {one.sha256: one for one in self.fields}

    @property
    def counted(self) -> tuple[FieldReview, ...]:
        """The fields whose cells enter the counts."""
        return tuple(one for one in self.fields if one.counted)

    @property
    def unreviewed(self) -> tuple[CellRef, ...]:
        """The cells of counted fields that nobody has confirmed or removed."""
        return tuple(
            CellRef(one.sha256, cell.number) for one in self.counted for cell in one.unreviewed
        )

    def field(self, sha256: str) -> FieldReview:
        """The field with that hash.

        Raises:
            ReviewError: If it is not in the case.
        """
        try:
            return self.by_sha256[sha256]
        except KeyError:
            raise ReviewError(
                f"The picture {sha256[:12]} is not in this case.", "Add it to the case first."
            ) from None

    def cell(self, ref: CellRef) -> ReviewedCell:
        """The cell that is meant.

        Raises:
            ReviewError: If it is not in the case.
        """
        return self.field(ref.field).cell(ref.number)

    def cells(self) -> Iterable[tuple[FieldReview, ReviewedCell]]:
        """All cells with their fields, those removed and those of fields left out included."""
        return ((one, cell) for one in self.fields for cell in one.cells)

    def apply(self, edit: Edit) -> CaseReview:
        """The case after an edit, which can then be undone. One that changes nothing is dropped."""
        if not edit.cells and not edit.fields:
            return self
        place = len(self.log)
        return replace(
            self,
            fields=_changed(self.fields, edit),
            log=(*self.log, edit),
            undoable=(*self.undoable, place),
            redoable=(),
        )

    def undo(self, by: str, at: datetime) -> CaseReview:
        """The case without its last edit that stands; itself if there is none."""
        if not self.undoable:
            return self
        *rest, place = self.undoable
        undone = self.log[place]
        edit = Edit(
            "undo",
            by,
            at,
            tuple(change.reversed for change in undone.cells),
            tuple(change.reversed for change in undone.fields),
            place,
        )
        return replace(
            self,
            fields=_changed(self.fields, edit),
            log=(*self.log, edit),
            undoable=tuple(rest),
            redoable=(*self.redoable, place),
        )

    def redo(self, by: str, at: datetime) -> CaseReview:
        """The case with the edit that was undone last; itself if there is none."""
        if not self.redoable:
            return self
        *rest, place = self.redoable
        edit = replace(self.log[place], kind="redo", by=by, at=at, of=place)
        return replace(
            self,
            fields=_changed(self.fields, edit),
            log=(*self.log, edit),
            undoable=(*self.undoable, place),
            redoable=tuple(rest),
        )


def _changed(fields: tuple[FieldReview, ...], edit: Edit) -> tuple[FieldReview, ...]:
    """The fields after an edit; a field that comes in stands at the end."""
    by_hash = {one.sha256: one for one in fields}
    for whole in edit.fields:
        if whole.after is None:
            by_hash.pop(whole.sha256, None)
        else:
            held = by_hash.get(whole.sha256)
            by_hash[whole.sha256] = replace(whole.after, cells=held.cells if held else ())
    by_field: dict[str, dict[int, ReviewedCell | None]] = {}
    for change in edit.cells:
        by_field.setdefault(change.field, {})[change.number] = change.after
    for sha256, cells in by_field.items():
        if sha256 in by_hash:
            by_hash[sha256] = by_hash[sha256].with_cells(cells)
    return tuple(by_hash.values())


def changes_of(
    review: CaseReview,
    refs: Iterable[CellRef],
    change: Callable[[ReviewedCell], ReviewedCell],
) -> tuple[CellChange, ...]:
    """What changes if each of some cells is changed in one way; cells that stay are left out.

    Raises:
        ReviewError: If one is not in the case.
    """
    changes = []
    for ref in dict.fromkeys(refs):
        before = review.cell(ref)
        after = change(before)
        if after != before:
            changes.append(CellChange(ref.field, before, after))
    return tuple(changes)
