"""Correcting the cells of the picture that is shown, without a run of the whole page."""

from __future__ import annotations

import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.result import Result
from allcell.review.cells import FieldReview
from allcell.ui.field.answer import box_name
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture
from allcell.ui.field.viewer import badge_of, send_picture
from allcell.ui.reviewing.desk import show_desk
from allcell.ui.reviewing.pictures import hash_of
from allcell.ui.reviewing.session import ReviewSession, review_session
from allcell.ui.reviewing.wire import field_row
from allcell.ui.shell.controls import ViewChoice, confidence_key
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain


@st.fragment
def correct(
    desk: Bench,
    picture: Picture,
    spec: ModelSpec,
    shown: Result,
    below: Result,
    view: ViewChoice,
) -> None:
    """The desk with one picture.

    Args:
        desk: The pictures of the session.
        picture: The one that is shown.
        spec: The model.
        shown: Its result; its numbers are not withheld.
        below: The same down to the lowest confidence that the slider can be moved to.
        view: The controls.
    """
    session = review_session()
    sha256 = hash_of(session, desk.memory, picture)
    send_picture(picture.digest, desk.memory.jpeg(picture))
    held = session.review.field(sha256)
    badge = badge_of(synthetic=picture.synthetic, overruled=shown.overruled)
    rows = list(below.rows())
    show_desk(
        session,
        {
            "fields": [field_row(held, picture.digest, badge=badge)],
            "all": False,
            "shown": sha256,
            "labelled": view.labels,
            "hidden": [name for name in shown.classes if name not in view.classes],
            "lowest": view.confidence,
            "slider": confidence_key(spec, "detect"),
            "below": [row for row in rows if row[1] < view.confidence],
            "counted": {
                cell.heading: below.named(cell.name).confidence.tolist()
                for cell, count in shown.counts.listed()
                if count is not None
            },
            "selected": _number(held, desk.selected),
            "focus": desk.focus,
        },
        page="detect",
        # Undo may lead to a picture that is not shown.
        on_shown=lambda field: _show(desk, session, field),
    )
    if desk.shown != picture.id:
        st.rerun()
    if session.problem:
        show_problem(session.problem)
    if session.kept is not None:
        st.caption(
            f"Case {plain(session.kept.label)} is kept: pictures that you add here become part of "
            "it, until all images are cleared."
        )
    st.page_link(
        "pages/review.py",
        label="Review: gallery, differential count, signature, corrected files",
        icon=":material/fact_check:",
    )


def _show(desk: Bench, session: ReviewSession, sha256: str) -> None:
    found = (p for p in desk.pictures.values() if session.hashes.get(p.digest) == sha256)
    if (picture := next(found, None)) is not None:
        desk.show(picture.id)


def _number(held: FieldReview, box_id: str | None) -> int | None:
    """Number of the cell that a row of the table stands for; None for none."""
    cells = (cell for cell in held.cells if box_name(cell.suggested, cell.xyxy) == box_id)
    return next((cell.number for cell in cells), None)
