"""One image and what was found in it: the answer, the counts, the field, the time it took."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from allcell.analysis import Analysis
from allcell.result import Result
from allcell.ui.detect.correct import correct
from allcell.ui.field.answer import boxes_of
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Finished, Picture
from allcell.ui.field.red_cells import red_cells
from allcell.ui.field.viewer import FieldView, show_field
from allcell.ui.shell.controls import ViewChoice, confidence_key
from allcell.ui.shell.wording import plain, seconds


def field(
    desk: Bench,
    picture: Picture,
    analysis: Analysis,
    shown: Result,
    below: Result,
    view: ViewChoice,
) -> None:
    """The field with its boxes: to be corrected, or only to be looked at while they are withheld.

    Args:
        desk: The pictures of the session.
        picture: The one that is shown.
        analysis: What the model found in it.
        shown: Its result.
        below: The same down to the lowest confidence that the slider can be moved to, with all
            classes: the browser shows and counts it while the slider moves.
        view: The controls.
    """
    if not shown.withheld:
        with st.container(key="allcell-desk"):
            correct(desk, picture, analysis.spec, shown, below, view)
        return
    cells = boxes_of(below)

    def pick(box_id: str | None) -> None:
        desk.selected = box_id

    show_field(
        FieldView(
            name=picture.digest,
            jpeg=desk.memory.jpeg(picture),
            width_px=shown.width_px,
            height_px=shown.height_px,
            boxes=[replace(box, number=n) for n, box in enumerate(cells, 1)],
            classes=shown.shown_classes,
            labels=False,
            scores=False,
            lowest=view.confidence,
            slider=confidence_key(analysis.spec, "detect"),
            red_cell_px=shown.red_cell_px,
            overruled=shown.overruled,
            synthetic=picture.synthetic,
            selected=desk.selected,
            focus=desk.focus,
        ),
        pick,
    )


def facts(desk: Bench, picture: Picture, finished: Finished) -> None:
    """How large the red cells are, what the picture is, and where the time went."""
    analysis = finished.analysis
    with st.container(gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            everything = list(desk.pictures.values())
            red_cells(desk.memory, picture, analysis.scale, key="detect", all_of=everything)
        if (fitted := analysis.spec.fixed_input_px) is not None:
            st.caption(
                f"This model sees the whole picture fitted into {fitted[0]} x {fitted[1]} px, "
                "whatever the size of its cells."
            )
        st.caption(
            f"{plain(picture.name)}, {analysis.width_px} x {analysis.height_px} px. "
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
