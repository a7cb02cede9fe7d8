"""What may be changed while the video runs; each change takes effect on the next frame."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from allcell.imaging.draw import Style
from allcell.models.registry import ModelSpec
from allcell.settings import settings
from allcell.stream.live_settings import LiveSettings
from allcell.stream.model_worker import ModelWorker, open_live
from allcell.ui.shell.cache import checked
from allcell.ui.shell.catalog import Listing
from allcell.ui.shell.controls import (
    choose_classes,
    choose_confidence,
    choose_overlap,
    pick_model,
)
from allcell.ui.shell.problems import NO_MODEL, show_problem
from allcell.ui.shell.user_models import user_model

#: Models in memory at a time for live video.
MAX_WORKERS = 3
#: Key of the switch that freezes the picture.
FROZEN = "live.frozen"
_BY_RED_CELLS = 0
_INPUTS_PX = (_BY_RED_CELLS, 320, 480, 640, 960, 1280)
_LINES = {"Thin": 1, "By size": None, "Bold": 5}
#: Frame sizes to warm models up for, so that the first inference is not slow.
_USUAL_FRAMES_PX = ((1280, 720), (640, 360))


def get_worker(name: str) -> ModelWorker:
    """A model that has run once; all viewers share it, except one that a user added.

    Args:
        name: Name of a model that whoever is at this browser may use.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used.
        DeviceError: If the device in the settings is not available.
    """
    added = user_model(name)
    return added.worker() if added else _shared_worker(checked(name))


@st.cache_resource(max_entries=MAX_WORKERS, show_spinner="Warming up the model")
def _shared_worker(name: str) -> ModelWorker:
    worker = open_live(name, device=settings().device)
    for width_px, height_px in _USUAL_FRAMES_PX:
        worker.warm_up(width_px, height_px)
    return worker


def choose_model(listings: Sequence[Listing]) -> ModelSpec | None:
    """The detector to use; None if none can be used here, which the page then says."""
    usable = [e.spec for e in listings if e.usable and isinstance(e.spec, ModelSpec)]
    if not usable:
        show_problem(NO_MODEL)
        return None
    return pick_model(usable, key="live.model")


def choose_settings(worker: ModelWorker, threshold: DeltaGenerator) -> LiveSettings:
    """Threshold, classes and the look of boxes; each model keeps its own threshold.

    Args:
        worker: The model.
        threshold: Where the threshold goes; the others go here.
    """
    spec = worker.detector.spec
    with threshold:
        confidence = choose_confidence(spec, "live", "Boxes below it are hidden.")
    classes = choose_classes(
        spec, "live", "Hides boxes in the picture. The tally counts all classes."
    )
    with st.expander("More settings", key="live.more"):
        iou = choose_overlap(spec, "live")
        long_side = _choose_input(spec)
        line = st.segmented_control(
            "Boxes",
            list(_LINES),
            default="By size",
            required=True,
            key="live.line",
            persist_state="session",
        )
        labels = st.toggle(
            "Label the boxes", value=True, key="live.labels", persist_state="session"
        )
    frozen = st.toggle(
        "Freeze the picture",
        key=FROZEN,
        help="The picture stands still and can be analysed at full resolution.",
    )
    return LiveSettings(
        worker,
        confidence=confidence,
        iou=iou,
        classes=frozenset(classes),
        style=Style(line_px=_LINES[line]),
        labels=labels,
        long_side_px=long_side or None,
        frozen=frozen,
    )


def _choose_input(spec: ModelSpec) -> int:
    if spec.fixed_input_px is not None:
        width, height = spec.fixed_input_px
        st.caption(f"This model sees every picture whole, fitted into {width} x {height} px.")
        return _BY_RED_CELLS
    return st.select_slider(
        "Size at which the model sees the picture",
        _INPUTS_PX,
        format_func=lambda px: f"{px} px" if px else "by the red cells",
        key="live.input",
        persist_state="session",
        help="Smaller is faster, larger shows more detail; by the red cells is what the model was "
        "trained for.",
    )
