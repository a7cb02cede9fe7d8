"""One image and what was found in it: the answer, the counts, the field, the time it took."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.ui.field.bench import Bench, Finished, Source
from allcell.ui.field.viewer import Box, FieldView, show_field
from allcell.ui.shell.controls import RED_CELL_RANGE_PX, ViewChoice
from allcell.ui.shell.wording import plain, scale_text, seconds

#: What the control starts from when nothing could be measured.
UNKNOWN_RED_CELL_PX = 40.0


def field(
    desk: Bench,
    source: Source,
    finished: Finished,
    boxes: Sequence[Box],
    view: ViewChoice,
) -> None:
    """The field with its boxes; a click on one selects it, a click beside them selects none."""
    analysis = finished.analysis

    def pick(box_id: str | None) -> None:
        desk.selected = box_id

    show_field(
        FieldView(
            name=source.digest,
            jpeg=desk.picture(source),
            width_px=analysis.width_px,
            height_px=analysis.height_px,
            boxes=boxes,
            classes=[name for name in analysis.spec.classes if name in view.classes],
            labels=view.labels,
            synthetic=source.synthetic,
            selected=desk.selected,
            focus=desk.focus,
        ),
        pick,
    )


def facts(desk: Bench, source: Source, finished: Finished) -> None:
    """How large the red cells are, what the picture is, and where the time went."""
    analysis = finished.analysis
    with st.container(gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(scale_text(analysis.scale), width="content")
            with st.popover("Change", type="tertiary", key="detect.change_red_cells"):
                _set_red_cells(desk, source, finished)
        if (fitted := analysis.spec.fixed_input_px) is not None:
            st.caption(
                f"This model sees the whole picture fitted into {fitted[0]} x {fitted[1]} px, "
                "whatever the size of its cells."
            )
        st.caption(
            f"{plain(source.name)}, {analysis.width_px} x {analysis.height_px} px. "
            f"Analysed in {seconds(finished.total_ms)} on this computer.",
            help=_stages(finished),
        )


def _stages(finished: Finished) -> str:
    t = finished.analysis.timing
    tiles = f" in {t.tiles} tiles" if t.tiles > 1 else ""
    stages = (
        ("Opening the file", finished.decode_ms),
        ("Measuring the red cells", finished.scale_ms),
        ("Preparing the picture", t.preprocess_ms),
        (f"Running the model{tiles}", t.inference_ms),
        ("Reading its answer", t.postprocess_ms),
    )
    lines = [f"{stage}: {time_ms:.0f} ms" for stage, time_ms in stages]
    return "  \n".join([*lines, f"Runtime: {plain(finished.runtime)}"])


def _set_red_cells(desk: Bench, source: Source, finished: Finished) -> None:
    """A way to know the size of the red cells better; that runs the model again."""
    scale = finished.analysis.scale
    given = desk.red_cells.get(source.id)
    switch = f"detect.own_red_cell.{source.digest}"
    number = f"detect.red_cell.{source.digest}"
    low, high = RED_CELL_RANGE_PX
    start = min(max(scale.red_cell_px or UNKNOWN_RED_CELL_PX, low), high)

    def take() -> None:
        if st.session_state.get(switch):
            desk.red_cells[source.id] = float(st.session_state.get(number) or start)
        else:
            desk.red_cells.pop(source.id, None)

    own = st.toggle(
        "Use my own red-cell size",
        value=given is not None,
        key=switch,
        on_change=take,
        help="The model sees the image at the size that suits its red cells. Set their diameter "
        "if the measured one is wrong; the model is then run again.",
    )
    if not own:
        return
    st.number_input(
        "Red-cell diameter in pixels of the image",
        min_value=low,
        max_value=high,
        value=round(given or start, 1),
        step=1.0,
        format="%.1f",
        key=number,
        on_change=take,
    )
    if len(desk.sources) > 1 and given is not None:
        st.button(
            f"Use it for all {len(desk.sources)} images",
            on_click=lambda: desk.red_cells.update(dict.fromkeys(desk.sources, given)),
        )
