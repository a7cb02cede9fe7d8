"""The slide in the browser: a component of our own (`assets/slides`).

It fetches tiles and cells from the app's own server (`allcell.ui.tiles`); no script runs for that.
"""

from __future__ import annotations

from functools import lru_cache

import streamlit as st
from streamlit import config

from allcell.cautions import WITHHELD
from allcell.models.registry import ModelSpec
from allcell.ui.field.viewer import styles_of
from allcell.ui.shell.assets import asset
from allcell.ui.slides.opened import TILE_PX, OpenedSlide
from allcell.ui.tiles.routes import slide_path

#: Joined into one module, in this order.
_SCRIPTS = (
    *("zoom.js", "stage.js", "slider.js"),
    *(
        f"slides/{part}.js"
        for part in ("tiles", "looks", "overview", "scale_bar", "counts", "card", "slide")
    ),
)
_KEY = "slides.viewer"


@lru_cache(maxsize=1)
def _script() -> str:
    return "".join(map(asset, _SCRIPTS))


def show_slide(opened: OpenedSlide, spec: ModelSpec | None, lowest: float, slider: str) -> None:
    """Draw the slide.

    Args:
        opened: The slide.
        spec: The model that looks for cells; None if there is none, and none are looked for.
        lowest: Lowest confidence of the cells that are shown and counted, 0 to 1.
        slider: Key of the slider of that confidence, which boxes follow while it is dragged.
    """
    width, height = opened.slide.size_px
    classes = (*spec.classes, WITHHELD) if spec else ()
    component = st.components.v2.component(
        "allcell_slide", js=_script(), css=asset("viewer.css") + asset("slides/slide.css")
    )
    component(
        key=_KEY,
        data={
            "path": slide_path(opened.address, config.get_option("server.baseUrlPath") or ""),
            **{"width": width, "height": height, "side": TILE_PX, "levels": opened.levels},
            "mpp": opened.slide.mpp,
            "model": spec.name if spec else "",
            "kinds": classes,
            "styles": styles_of(classes),
            **{"lowest": lowest, "slider": slider},
            "go": vars(opened.place) if opened.place else None,
        },
    )
