"""The Detect page once there are pictures: run the model, then show, count and export."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.settings import settings
from allcell.ui.detect import batch, downloads, results
from allcell.ui.detect.actions import actions
from allcell.ui.detect.slot import AnswerSlot
from allcell.ui.field import table
from allcell.ui.field.answer import answer, boxes_of, said_text
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Finished, Refused
from allcell.ui.reviewing.pictures import hold, picture_of
from allcell.ui.reviewing.session import review_session
from allcell.ui.shell import controls
from allcell.ui.shell.cache import get_detector
from allcell.ui.shell.catalog import ready
from allcell.ui.shell.frame import announce
from allcell.ui.shell.problems import show_problem


def workspace(desk: Bench, spec: ModelSpec) -> None:
    """Analyse what is new and show the chosen picture.

    Args:
        desk: The pictures of the session, at least one.
        spec: The model.
    """
    slot = AnswerSlot(works=batch.works(desk, spec.name))
    with slot.progress:
        if (detector := ready(spec, get_detector)) is None:
            return
        batch.process(desk, detector)
    with slot.container():
        _answers(desk, spec)


def _answers(desk: Bench, spec: ModelSpec) -> None:
    picture = desk.pictures[desk.shown or next(iter(desk.pictures))]
    outcome = desk.outcome(picture, spec.name)
    overview = st.container()
    left, right = st.columns([3, 1], gap="medium")
    with right:
        # On a phone it comes before the picture (see assets/frame.css).
        counts = st.container(key="allcell-answer")
        view = controls.choose_view(spec)
    named = controls.kept_names()
    found = batch.results(desk, spec.name, view)
    if len(desk.pictures) > 1:
        with overview:
            # The table's own buttons appear above its corner.
            st.space("xxsmall")
            batch.summary(desk, spec.name, found)
            downloads.download_all(desk, spec.name, found, view, named=named)
    if isinstance(outcome, Refused):
        with left:
            show_problem(outcome)
            actions(desk, picture)
    if not isinstance(outcome, Finished):
        return

    shown = found[picture.id]
    # Hiding a class would tell which boxes are of it.
    if not shown.withheld:
        shown = batch.result_of(desk, picture, outcome, view, classes=view.classes)
    # By the same numbers wherever the cells are shown, whichever classes are hidden.
    numbers = {box.id: box.number for box in boxes_of(found[picture.id])}
    boxes = [replace(box, number=numbers[box.id]) for box in boxes_of(shown)]
    session = review_session()
    hold(session, desk, picture, found[picture.id], outcome.runtime)
    session.pictures = picture_of(session, desk)
    image = desk.memory.image(picture)

    def insist(wanted: bool) -> None:
        desk.memory.insistence.put(picture.digest, shown, wanted)

    with left:
        lowest = replace(view, confidence=settings().floor_confidence)
        below = batch.result_of(desk, picture, outcome, lowest)
        results.field(desk, picture, outcome.analysis, shown, below, view)
        results.facts(desk, picture, outcome)
        actions(desk, picture)
    with counts:
        answer(found[picture.id], insist, "detect")
    # By its number: a file name may hold a patient's.
    number = list(desk.pictures).index(picture.id) + 1
    announce(f"Image {number}: {said_text(found[picture.id])}")
    downloads.downloads(desk, picture, image, shown, view, named=named)
    if not shown.withheld:
        table.cells(desk, image, boxes, shown.red_cell_px, reservation=shown.reservation)
