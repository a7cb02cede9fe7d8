"""The field of view in the browser: a picture that zooms to single cells, and boxes to click on.

Streamlit rebuilds a chart whenever its data changes, which would reset the zoom at each move of a
slider, and its charts do not support pinching; hence a small component of our own
(`assets/zoom.js`, `stage.js`, `viewer.js`). The app serves all of it; nothing is fetched from
elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from allcell.cautions import WITHHELD
from allcell.imaging.draw import (
    CLASS_COLOURS_HEX,
    CLASS_LINES,
    OUTCOME_COLOURS_HEX,
    OUTCOME_LINES,
    WITHHELD_COLOUR_HEX,
    WITHHELD_LINE,
)
from allcell.ui.shell.assets import asset
from allcell.ui.shell.controls import title_of

#: Bytes before the picture that hold its name (see `assets/picture.js`).
_NAME_BYTES = 64
_OTHER_COLOUR = "#f0f0f0"
_COLOURS = CLASS_COLOURS_HEX | OUTCOME_COLOURS_HEX | {WITHHELD: WITHHELD_COLOUR_HEX}
_LINES = CLASS_LINES | OUTCOME_LINES | {WITHHELD: WITHHELD_LINE}
_VIEWER_KEY = "detect.viewer"


@dataclass(frozen=True)
class Box:
    """One cell as the viewer draws it.

    Attributes:
        id: Identifies it across redraws.
        number: Its row in the table, from 1.
        kind: Name of its class, its outcome (`draw.FOUND` and so on), or `WITHHELD`.
        confidence: 0 to 1.
        x1: Left in pixels of the source image.
        y1: Top.
        x2: Right.
        y2: Bottom.
    """

    id: str
    number: int
    kind: str
    confidence: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class FieldView:
    """A field to show.

    Attributes:
        name: Name of the picture, up to 64 ASCII characters; each name is sent only once.
        jpeg: The picture as a JPEG file, possibly smaller than the source.
        width_px: Width of the source image, in whose pixels the boxes are.
        height_px: Height of the source image.
        boxes: The cells.
        classes: Names of the classes in the legend.
        labels: Whether boxes are labelled.
        synthetic: Whether the picture is labelled as synthetic.
        selected: Id of the selected box, if any.
        focus: When this number changes, the view moves to the selected box.
        scores: Whether confidences are shown.
        lowest: Lowest confidence of the boxes that are shown; the others wait for the slider.
        slider: Key of the slider of that confidence: while it is dragged, boxes and the counts in
            the legend follow it, before the server knows; empty if there is none.
        counted: Confidences of all cells of each class that is counted, shown or not, by its title:
            what the counts are while the slider moves; empty while they are withheld.
        red_cell_px: Red-cell diameter in pixels of the source image, the unit of a cell's size.
        overruled: Whether the boxes are shown only because the user insists, which is then said.
    """

    name: str
    jpeg: bytes
    width_px: int
    height_px: int
    boxes: Sequence[Box]
    classes: Sequence[str]
    labels: bool
    synthetic: bool
    selected: str | None
    focus: int
    scores: bool = True
    lowest: float = 0.0
    slider: str = ""
    counted: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    red_cell_px: float | None = None
    overruled: bool = False


def badge_of(*, synthetic: bool, overruled: bool) -> str:
    """What is said of the picture itself, beside its legend.

    Args:
        synthetic: Whether it is labelled as synthetic.
        overruled: Whether its boxes are shown only because the user insists.
    """
    said = ("Synthetic image" * synthetic, "Not to be trusted" * overruled)
    return ". ".join(filter(None, said))


def listen_for_files() -> None:
    """Let pictures be pasted, or dropped anywhere on the page, into the file uploader."""
    st.components.v2.component("allcell_intake", js=asset("intake.js"))(key="allcell-intake")


def send_picture(name: str, jpeg: bytes, *, place: str = "") -> None:
    """Send the browser a picture for a viewer that is shown afterwards.

    Args:
        name: Up to 64 ASCII characters, by which the viewer knows it.
        jpeg: The picture as a JPEG file.
        place: Tells several pictures of one page apart.
    """
    head = name.encode("ascii").ljust(_NAME_BYTES)
    st.components.v2.component("allcell_picture", js=asset("picture.js"))(
        key=f"allcell-picture{place and '-'}{place}", data=head[:_NAME_BYTES] + jpeg
    )


def styles_of(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Title, colour and line of each class, as the viewers draw them."""
    return {
        name: {
            "title": title_of(name),
            "colour": _COLOURS.get(name, _OTHER_COLOUR),
            "line": _LINES.get(name, "solid"),
        }
        for name in classes
    }


def show_field(field: FieldView, on_pick: Callable[[str | None], None]) -> None:
    """Draw a field.

    Args:
        field: What to show.
        on_pick: Called before the page's next run with the id of the box that was clicked, or None
            for a click outside all boxes.
    """
    send_picture(field.name, field.jpeg)

    def picked() -> None:
        event = st.session_state[_VIEWER_KEY].get("picked")
        if event:
            on_pick(event.get("id"))

    viewer = st.components.v2.component(
        "allcell_viewer",
        js=asset("zoom.js") + asset("stage.js") + asset("slider.js") + asset("viewer.js"),
        css=asset("viewer.css"),
    )
    viewer(key=_VIEWER_KEY, data=_payload(field), on_picked_change=picked)


def _payload(field: FieldView) -> dict[str, object]:
    return {
        "picture": field.name,
        "width": field.width_px,
        "height": field.height_px,
        "boxes": [vars(box) for box in field.boxes],
        "styles": styles_of(field.classes),
        "labels": field.labels,
        "badge": badge_of(synthetic=field.synthetic, overruled=field.overruled),
        "selected": field.selected,
        "focus": field.focus,
        "scores": field.scores,
        "lowest": field.lowest,
        "slider": field.slider,
        "counted": {title: list(scores) for title, scores in field.counted.items()},
        "redCell": field.red_cell_px,
    }
