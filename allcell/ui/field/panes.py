"""One field, a pane for each model, side by side: zoom or move one and all follow.

All panes are one component (`assets/panes.js`): their views stay in sync without the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from allcell.report.agreement import Xyxy
from allcell.ui.field.viewer import Box, badge_of, styles_of
from allcell.ui.shell.assets import asset

_KEY = "side.panes"


@dataclass(frozen=True)
class Pane:
    """The field as one model, or the ground truth, has it.

    Attributes:
        title: Whose boxes they are.
        note: A few words next to the title.
        boxes: The cells; all boxes of one cell have the same id, in every pane.
        classes: Names of the classes that are counted below the pane.
        scores: Whether confidences are shown; the ground truth has none.
        absent: Text shown where the selected cell has no box.
    """

    title: str
    note: str
    boxes: Sequence[Box]
    classes: Sequence[str]
    scores: bool = True
    absent: str = "Not found"


@dataclass(frozen=True)
class Panes:
    """A field and the panes that show it.

    Attributes:
        name: Name under which `viewer.send_picture` gave the picture to the browser.
        width_px: Width of the source image, in whose pixels the boxes are.
        height_px: Height of the source image.
        panes: At least one.
        labels: Whether boxes are labelled.
        synthetic: Whether the picture is labelled as synthetic.
        selected: Id of the selected cell, if any.
        spot: Where that cell lies: x1, y1, x2, y2 in pixels of the source image.
        focus: When this number changes, the view moves to the selected cell.
        overruled: Whether the boxes are shown only because the user insists, which is then said.
    """

    name: str
    width_px: int
    height_px: int
    panes: Sequence[Pane]
    labels: bool
    synthetic: bool
    selected: str | None
    spot: Xyxy | None
    focus: int
    overruled: bool = False


def show_panes(shown: Panes, on_pick: Callable[[str | None], None]) -> None:
    """Draw a field once for each pane.

    Args:
        shown: What to show.
        on_pick: Called before the page's next run with the id of the cell that was clicked in any
            pane, or None for a click outside all boxes.
    """

    def picked() -> None:
        event = st.session_state[_KEY].get("picked")
        if event:
            on_pick(event.get("id"))

    component = st.components.v2.component(
        "allcell_panes",
        js=asset("zoom.js") + asset("stage.js") + asset("panes.js"),
        css=asset("viewer.css") + asset("panes.css"),
    )
    component(key=_KEY, data=_payload(shown), on_picked_change=picked)


def _payload(shown: Panes) -> dict[str, object]:
    spot = shown.spot and dict(zip(("x1", "y1", "x2", "y2"), shown.spot, strict=True))
    return {
        "picture": shown.name,
        "width": shown.width_px,
        "height": shown.height_px,
        "labels": shown.labels,
        "badge": badge_of(synthetic=shown.synthetic, overruled=shown.overruled),
        "selected": shown.selected,
        "spot": spot,
        "focus": shown.focus,
        "panes": [
            {
                "title": pane.title,
                "note": pane.note,
                "boxes": [vars(box) for box in pane.boxes],
                "styles": styles_of(pane.classes),
                "scores": pane.scores,
                "absent": pane.absent,
            }
            for pane in shown.panes
        ],
    }
