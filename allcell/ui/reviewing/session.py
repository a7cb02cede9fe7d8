"""The corrections of one browser session: which cells there are, and what was said of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from allcell.environment.provenance import now
from allcell.errors import AllcellError, ReviewError
from allcell.imaging.images import RGBImage
from allcell.review import edits
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview
from allcell.review.labels import CellLabel, LabelSet
from allcell.ui.field.lru import Lru
from allcell.ui.reviewing.sheets import Sheet
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held
from allcell.ui.sessions.who import actor

if TYPE_CHECKING:
    from allcell.records.kept import KeptCase
    from allcell.records.store import CaseStore

_KEY = "allcell.review"
_JPEGS, _SHEETS = 6, 400
#: What the app does by itself when pictures or settings change.
_QUIET = frozenset({"add field", "take out field", "suggest again"})


class ReviewSession:
    """One review that this browser session works on.

    Attributes:
        review: The pictures with their cells.
        epoch: Names this review; the browser keeps what it knows of each apart.
        seen: Number of the last edit of the browser that has been applied.
        problem: Why the last edit could not be applied or saved; empty if it could.
        shown: SHA-256 of the field that the Review page shows; empty for the first.
        crops: Whether the gallery has been opened, which needs the cells as pictures.
        kept: The case in the records; None as long as nothing is kept.
        hashes: SHA-256 of the pixels of pictures, by the digest of their files.
        pictures: Loads the picture of a field by its hash.
        jpegs: Pictures for the browser, by hash; made again where they are missing.
        sheets: The same for sheets of crops, by name.
    """

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.jpegs: Lru[str, bytes] = Lru(_JPEGS)
        self.sheets: Lru[str, Sheet] = Lru(_SHEETS)
        self.pictures: Callable[[str], RGBImage] = _no_picture
        self.start(CaseReview())

    def start(self, review: CaseReview, kept: KeptCase | None = None) -> None:
        """Begin with another review.

        Args:
            review: The pictures with their cells.
            kept: The case in the records that it comes from, if any.
        """
        self.review = review
        self.kept = kept
        self.epoch = uuid.uuid4().hex[:12]
        self.seen = 0
        self.problem = ""
        self.shown = ""
        self.crops = False

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        sheets = [sheet.jpeg for sheet in self.sheets.copy().values()]
        return [*self.jpegs.copy().values(), *sheets]

    def spare(self) -> None:
        """See `Holder.spare`."""
        self.jpegs.clear()
        self.sheets.clear()

    def close(self) -> None:
        """See `Holder.close`."""
        self.spare()
        self.pictures = _no_picture
        self.start(CaseReview())

    @property
    def would_be_lost(self) -> bool:
        """Whether it holds corrections that no case keeps."""
        saved = len(self.kept.review.log) if self.kept else 0
        return any(edit.kind not in _QUIET for edit in self.review.log[saved:])

    @property
    def read_only(self) -> bool:
        """Whether its user may only look at it."""
        return actor().reader or (self.kept is not None and self.kept.role == "reader")

    def hold(self, fresh: FieldReview) -> None:
        """Take a picture with what a model found, or its new suggestions, into the review.

        Nobody did this, so that it cannot be undone; what a person said of its cells stays.

        Args:
            fresh: The picture, as `field_of` makes it.
        """
        held = self.review.by_sha256.get(fresh.sha256)
        if held is None:
            self._quietly(edits.add_field(self.review, fresh, actor().name, now()))
        elif not _made_alike(held, fresh):
            if self.kept or self._touched(held.sha256):
                self._quietly(edits.suggest_again(self.review, fresh, actor().name, now()))
            else:
                new = replace(fresh, title=held.title, left_out=held.left_out)
                fields = [new if f.sha256 == new.sha256 else f for f in self.review.fields]
                self.review = replace(self.review, fields=tuple(fields))

    def keep_only(self, sha256s: Iterable[str]) -> None:
        """Let go of pictures that are no longer there; a kept case keeps them.

        Args:
            sha256s: Those that are there. If there are none, a new review begins.
        """
        left = set(sha256s)
        if not left and self.review.fields:
            self.start(CaseReview(self.review.labels))
        if self.kept:
            return
        for gone in [one.sha256 for one in self.review.fields if one.sha256 not in left]:
            self._quietly(edits.take_out_field(self.review, gone, actor().name, now()))

    def set_labels(self, own: Iterable[CellLabel]) -> None:
        """Use other classes of the user's own.

        Raises:
            ReviewError: If a class that is removed has cells, or two have one name or key.
        """
        labels = LabelSet(tuple(own))
        gone = set(self.review.labels.by_name) - set(labels.by_name)
        used = {cell.label for _, cell in self.review.cells() if cell.state != "removed"}
        if lost := sorted(gone & used):
            raise ReviewError(
                f"Cells are of the class {lost[0]}.", "Give them another class before removing it."
            )
        self.review = replace(self.review, labels=labels)
        self.save()

    def keep(self, label: str) -> None:
        """Keep the review as a case from now on.

        Raises:
            RecordError: If it cannot be kept.
        """
        pictures = {one.sha256: self.pictures(one.sha256) for one in self.review.fields}
        self.kept = _store().keep(label, self.review, pictures, actor())
        self.problem = ""

    def save(self) -> None:
        """Save what was done since the last time, if it is kept; `problem` says if that failed."""
        kept = self.kept
        if kept is None or self.read_only:
            return
        new = [f.sha256 for f in self.review.fields if f.sha256 not in kept.review.by_sha256]
        try:
            pictures = {sha256: self.pictures(sha256) for sha256 in new}
            self.kept = _store().save(kept, self.review, actor(), pictures)
        except AllcellError as error:
            self.problem = str(error)

    def _quietly(self, after: CaseReview) -> None:
        """Take a review over without what leads to it as something to undo."""
        before = self.review
        gone = {f.sha256 for f in before.fields} - {f.sha256 for f in after.fields}
        stands = [n for n in before.undoable if not gone & {c.field for c in before.log[n].cells}]
        self.review = replace(after, undoable=tuple(stands), redoable=())

    def _touched(self, sha256: str) -> bool:
        """Whether anyone has said anything of a picture's cells, undone or not."""
        log, places = self.review.log, (*self.review.undoable, *self.review.redoable)
        return any(change.field == sha256 for n in places for change in log[n].cells)


def _store() -> CaseStore:
    # Imported here: databases take a moment that a session without a kept case need not wait for.
    from allcell.records.store import case_store

    return case_store()


def _no_picture(sha256: str) -> RGBImage:
    raise ReviewError("The picture is no longer there.", "Add it again on Detect.")


def _made_alike(held: FieldReview, fresh: FieldReview) -> bool:
    """Whether suggestions come from the same settings, model and decision."""
    return (held.origin, held.withheld, held.insisted) == (
        *(fresh.origin, fresh.withheld, fresh.insisted),
    )


def review_session() -> ReviewSession:
    """The review of the pictures on Detect, in this browser session."""
    found = st.session_state.get(_KEY)
    if not isinstance(found, ReviewSession):
        found = st.session_state[_KEY] = ReviewSession()
        budget.join(found)
    return found


def replace_session(session: ReviewSession) -> None:
    """Work on another review of the pictures on Detect from now on."""
    st.session_state[_KEY] = session
    budget.join(session)
