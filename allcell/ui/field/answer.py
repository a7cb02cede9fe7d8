"""What a model says about one picture, in words and numbers, and its boxes with stable ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from allcell.models.classes import CELL_CLASSES
from allcell.result import Result
from allcell.ui.field.insistence import show_standing
from allcell.ui.field.viewer import Box
from allcell.ui.shell.problems import show_cautions
from allcell.ui.shell.wording import interval_text, percent, to_go_text

#: Stands with each number that is shown only because the user insists.
_MARK = "not to be trusted"


def boxes_of(result: Result) -> list[Box]:
    """The shown boxes for the viewer and the table, most confident first."""
    found = result.shown_boxes
    boxes = []
    for n, (xyxy, confidence, class_id) in enumerate(
        zip(found.xyxy.tolist(), found.confidence, found.class_id, strict=True), 1
    ):
        kind = result.shown_classes[class_id]
        boxes.append(Box(box_name(kind, xyxy), n, kind, float(confidence), *xyxy))
    return boxes


def box_name(kind: str | None, xyxy: Iterable[float]) -> str:
    """What a box is known by, which stays when the threshold moves and its number changes.

    Args:
        kind: Its suggested class.
        xyxy: Left, top, right, bottom in pixels of the source image.
    """
    return f"{kind}:{','.join(f'{side:.1f}' for side in xyxy)}"


def said_text(result: Result) -> str:
    """The answer on a picture in a sentence or two, for a screen reader."""
    if result.withheld:
        return result.reservation
    suggests = {
        None: "this model does not look for blasts",
        True: "blasts are suggested",
        False: "no blasts are suggested",
    }[result.counts.suggests_blasts]
    counted = ", ".join(
        f"{cell.heading} {n}" for cell, n in result.counts.listed() if n is not None
    )
    return f"{suggests}. {counted}. {result.standing}".strip()


def answer(result: Result, insist: Callable[[bool], None], key: str) -> None:
    """Whether the model suggests blasts in this field, how many cells of each kind, and cautions.

    Args:
        result: The result.
        insist: See `show_standing`.
        key: Prefix of the keys of its widgets.
    """
    show_standing(result, insist, key)
    # Before the numbers that they qualify: below them they would be read too late.
    show_cautions(result.notes, with_numbers=not result.withheld)
    if not result.withheld:
        _numbers(result)


def _numbers(result: Result) -> None:
    counts = result.counts
    mark = f" ({_MARK})" if result.overruled else ""
    with st.container(gap="xsmall"):
        if counts.suggests_blasts is None:
            st.subheader("Blasts suggested: not looked for", anchor=False)
            st.caption("This model knows no blasts.")
        elif not counts.suggests_blasts:
            st.subheader(f"Blasts suggested: no{mark}", anchor=False)
            st.caption("No cell in this field reaches the lowest confidence as a blast.")
        else:
            st.subheader(f"Blasts suggested: yes{mark}", anchor=False)
            st.caption(
                f"Highest confidence {result.highest_blast_confidence:.2f}{mark}. A suggested "
                "class, not a diagnosis."
            )
    columns = st.columns(len(CELL_CLASSES), gap="xsmall", wrap=False)
    for column, cell in zip(columns, CELL_CLASSES, strict=True):
        column.metric(cell.heading, counts.by_class.get(cell.name, "n/a"))
    if mark:
        st.caption(f"These counts are {_MARK}.")
    share = counts.blast_share
    if not counts.tells_blasts:
        st.caption(
            "There is no blast fraction: the model does not tell blasts from healthy white cells."
        )
        return
    if share.fraction is None:
        st.caption("No white cell was found, so there is no fraction.")
        return
    with st.container(gap="xsmall"):
        st.metric(
            # In front: at the end a narrow column would cut it off.
            "Not to be trusted: blast fraction of detected cells"
            if mark
            else "Blast fraction of detected cells",
            percent(share.fraction),
            help="Suggested blasts among all white cells that the detector found; smudges are "
            "not counted. Cells that it missed are in neither number.",
        )
        st.markdown(f"{share.k} of {share.n}, exact 95 % interval {interval_text(share)}{mark}")
        st.caption(
            "This covers sampling error only, not the classifier's.  \n"
            f"{to_go_text(share.n)}  \n"
            + (
                f"{counts.smudges_per_100 or 0.0:.1f} smudges per 100 white cells."
                if counts.knows("smudge")
                else "The model knows no smudges."
            )
        )
