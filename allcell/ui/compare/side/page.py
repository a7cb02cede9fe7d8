"""Compare: one image, several models, a pane for each; where they disagree comes first."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.analysis import Analysis
from allcell.errors import AllcellError
from allcell.models.registry import ClassifierSpec, ModelSpec
from allcell.ui.compare.side.panes import FEWEST, compared, titles_of
from allcell.ui.compare.side.pictures import Picture, choose_picture
from allcell.ui.compare.side.runs import SideDesk, run_all, side_desk
from allcell.ui.field.bench import Refused
from allcell.ui.field.viewer import send_picture
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.controls import RED_CELL_RANGE_PX
from allcell.ui.shell.wording import plain, scale_text

MOST = 6
#: What the red-cell control starts from when nothing could be measured.
_UNKNOWN_RED_CELL_PX = 40.0


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
        desk.image(picture)
    except AllcellError as error:
        st.error(f"**{plain(error.message)}**  \n{plain(error.remedy)}")
        return
    run_all(desk, picture, [*specs, *([classifier] if classifier else [])])
    analyses = {
        spec.name: found
        for spec in specs
        if isinstance(found := desk.found(picture, spec.name), Analysis)
    }
    _failed(desk, picture, [*specs, *([classifier] if classifier else [])])
    if not analyses:
        return
    _facts(desk, picture)
    send_picture(picture.digest, desk.jpeg(picture))
    compared(desk, picture, analyses, classifier)


def _choose_models() -> tuple[list[ModelSpec], ClassifierSpec | None]:
    """The detectors, and the whole-field classifier if it is to be asked."""
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
        st.error("Fewer than two models can be used here. The Models page says what is missing.")
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
        ask = desk.field if isinstance(spec, ClassifierSpec) else desk.found
        if isinstance(outcome := ask(picture, spec.name), Refused):
            failed.append(spec.name)
            words = f"{plain(outcome.message)}  \n{plain(outcome.remedy)}"
            st.error(f"**{plain(spec.title)}** gave no result. {words}")
    if failed:
        st.button(
            "Try again",
            icon=":material/refresh:",
            on_click=desk.forget_errors,
            args=(picture, failed),
            key="side.again",
        )


def _facts(desk: SideDesk, picture: Picture) -> None:
    """What the picture is and how large its red cells are, with a way to know that better."""
    image, scale = desk.image(picture), desk.scale(picture)
    switch, number = f"side.own_red_cell.{picture.digest}", f"side.red_cell.{picture.digest}"
    low, high = RED_CELL_RANGE_PX
    start = min(max(scale.red_cell_px or _UNKNOWN_RED_CELL_PX, low), high)

    def take() -> None:
        if st.session_state.get(switch):
            desk.red_cells[picture.digest] = float(st.session_state.get(number) or start)
        else:
            desk.red_cells.pop(picture.digest, None)

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"{plain(picture.name)}, {image.shape[1]} x {image.shape[0]} px. {scale_text(scale)}",
            width="content",
        )
        with st.popover("Change", type="tertiary", key="side.change_red_cells"):
            own = st.toggle(
                "Use my own red-cell size",
                value=picture.digest in desk.red_cells,
                key=switch,
                on_change=take,
                help="Models see the image at the size that suits its red cells. Set their "
                "diameter if the measured one is wrong; the models are then run again.",
            )
            if own:
                st.number_input(
                    "Red-cell diameter in pixels of the image",
                    min_value=low,
                    max_value=high,
                    value=round(start, 1),
                    step=1.0,
                    format="%.1f",
                    key=number,
                    on_change=take,
                )
