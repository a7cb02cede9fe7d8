"""Compare: one image, several models, a pane for each; where they disagree comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from allcell.errors import AllcellError
from allcell.models.registry import ClassifierSpec, ModelSpec
from allcell.ui.compare.side.panes import FEWEST, compared, titles_of
from allcell.ui.compare.side.pictures import choose_picture
from allcell.ui.compare.side.runs import SideDesk, run_all, side_desk
from allcell.ui.field.pictures import Finished, Picture, Refused
from allcell.ui.field.red_cells import red_cells
from allcell.ui.field.viewer import send_picture
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

MOST = 6


def side_by_side() -> None:
    """Choose an image and models, run what is new, and show it."""
    left, right = st.columns(2, gap="medium")
    with left:
        picture = choose_picture()
    with right:
        specs, classifier = _choose_models()
        if picture is None:
            st.markdown(
                "1. Choose an image and two to six models.\n"
                "2. Each model shows its boxes in a pane of its own; zoom or move one and all "
                "follow.\n"
                "3. A table lists the cells, those on which the models disagree first.\n\n"
                "No model runs before an image is chosen, and each runs once: moving a threshold "
                "needs no new run."
            )
    if picture is None:
        return
    if len(specs) < FEWEST:
        st.info("Choose at least two models to compare.")
        return
    desk = side_desk()
    try:
        desk.memory.image(picture)
    except AllcellError as error:
        show_problem(error)
        return
    everybody: list[ModelSpec | ClassifierSpec] = [*specs, *([classifier] if classifier else [])]
    run_all(desk, picture, everybody)
    analyses = {
        spec.name: found.analysis
        for spec in specs
        if isinstance(found := desk.said(picture, spec), Finished)
    }
    _failed(desk, picture, everybody)
    if not analyses:
        return
    _facts(desk, picture)
    send_picture(picture.digest, desk.memory.jpeg(picture))
    compared(desk, picture, analyses, classifier)


def _choose_models() -> tuple[list[ModelSpec], ClassifierSpec | None]:
    """The detectors, and the whole-field classifier if it is to run."""
    listings = catalog()
    usable = {e.spec.name: e.spec for e in listings if e.usable and isinstance(e.spec, ModelSpec)}
    titles = titles_of(list(usable.values()))
    chosen = st.pills(
        "Models (two to six)",
        list(usable),
        selection_mode="multi",
        default=list(usable)[:FEWEST],
        format_func=titles.__getitem__,
        wrap=True,
        key="side.models",
        persist_state="session",
    )
    if len(usable) < FEWEST:
        show_problem(
            "Fewer than two models can be used here. The Models page says what is missing."
        )
    if len(chosen) > MOST:
        st.warning(f"{len(chosen)} models are chosen; the first {MOST} of the list are compared.")
    specs = [spec for name, spec in usable.items() if name in chosen][:MOST]
    fields = [e.spec for e in listings if e.usable and isinstance(e.spec, ClassifierSpec)]
    if not fields:
        return specs, None
    asked = st.toggle(
        "Ask the whole-field CNN, too",
        value=True,
        key="side.cnn",
        persist_state="session",
        help=f"{fields[0].title}. {fields[0].summary}",
    )
    return specs, fields[0] if asked else None


def _failed(desk: SideDesk, picture: Picture, specs: Sequence[ModelSpec | ClassifierSpec]) -> None:
    failed = []
    for spec in specs:
        if isinstance(outcome := desk.said(picture, spec), Refused):
            failed.append(spec.name)
            words = f"gave no result. {outcome.message}"
            show_problem(replace(outcome, message=words), of=spec.title)
    if failed:
        st.button(
            "Try again",
            icon=":material/refresh:",
            on_click=desk.memory.forget_errors,
            args=(picture, failed),
            key="side.again",
        )


def _facts(desk: SideDesk, picture: Picture) -> None:
    """Name and size of the picture and the size of its red cells, with a control to correct it."""
    image = desk.memory.image(picture)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        size = f"{plain(picture.name)}, {image.shape[1]} x {image.shape[0]} px."
        red_cells(desk.memory, picture, desk.memory.scale(picture), key="side", before=size)
