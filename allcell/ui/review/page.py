"""What the Review page shows, in its order."""

from __future__ import annotations

import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.settings import settings
from allcell.ui.field.bench import Bench, bench
from allcell.ui.field.pictures import Finished
from allcell.ui.review import cases, classes, exports, signing
from allcell.ui.review.opened import opened_case
from allcell.ui.review.reviewed import reviewed
from allcell.ui.reviewing.pictures import hold, picture_of
from allcell.ui.reviewing.session import ReviewSession, review_session
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.controls import confidence_key
from allcell.ui.shell.problems import show_problem
from allcell.ui.teaching.section import teach_from_cases


def review_page() -> None:
    """The open case, or the pictures of Detect if none is open."""
    session = opened_case() or _from_detect(bench())
    if session is None:
        st.title("Review", anchor=False)
        st.markdown(
            "There is nothing to review yet. Drop smear photographs on Detect: every cell found "
            "there can be confirmed or corrected here, counted, signed and exported."
        )
        st.page_link("pages/detect.py", label="Open Detect", icon=":material/arrow_forward:")
        cases.choose_case()
        teach_from_cases()
        return
    _work(session)
    teach_from_cases(session.kept.id if session.kept else "")


@st.fragment
def _work(session: ReviewSession) -> None:
    """All that an edit changes: it runs again after each, without the rest of the page."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.title("Review", anchor=False, width="content")
        cases.standing(session)
        cases.case_menu(session)
        classes.own_classes(session)
    if session.problem:
        show_problem(session.problem)
        cases.offer_reopening(session)
    reviewed(session)
    sign, files = st.columns(2, gap="large")
    with sign:
        signing.sign(session)
    with files:
        exports.exports(session)


def _from_detect(desk: Bench) -> ReviewSession | None:
    """The review of the pictures on Detect with the model and thresholds that are chosen there."""
    session = review_session()
    found, waiting = [], 0
    spec = _chosen_model()
    if spec is not None:
        state = st.session_state
        confidence = state.get(confidence_key(spec, "detect"), spec.confidence)
        overlap = state.get(f"detect.iou.{spec.name}", spec.iou)
        for picture in desk.pictures.values():
            outcome = desk.outcome(picture, spec.name)
            if outcome is None:
                waiting += 1
            if not isinstance(outcome, Finished):
                continue
            result = outcome.analysis.result(confidence=confidence, iou=overlap)
            result = desk.memory.insistence.applied(picture.digest, result)
            found.append(hold(session, desk, picture, result, outcome.runtime).sha256)
    if not desk.pictures:
        session.keep_only(())
    elif not waiting:
        session.keep_only(found)
    session.pictures = picture_of(session, desk)
    session.save()
    if waiting:
        st.info(
            f"{waiting} of {len(desk.pictures)} images have not been analysed with this model yet. "
            "Open Detect to analyse them."
        )
    return session if session.review.fields else None


def _chosen_model() -> ModelSpec | None:
    name = st.session_state.get("detect.model", settings().default_model)
    specs = (entry.spec for entry in catalog() if entry.usable)
    return next((s for s in specs if s.name == name and isinstance(s, ModelSpec)), None)
