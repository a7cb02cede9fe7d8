"""The page Slides: a slide to choose, to move over and to sweep."""

from __future__ import annotations

import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.ui.shell import controls
from allcell.ui.shell.cache import get_detector
from allcell.ui.shell.catalog import catalog, ready
from allcell.ui.shell.problems import NO_MODEL, show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.slides import choosing
from allcell.ui.slides.desk import SlideDesk, slide_desk
from allcell.ui.slides.opened import OpenedSlide
from allcell.ui.slides.sweeping import sweep_section
from allcell.ui.slides.viewer import show_slide

_PAGE = "slides"


def slides_page() -> None:
    """Draw the page."""
    desk = slide_desk()
    if desk.opened is None:
        st.title("Move over a whole slide", anchor=False)
        st.markdown(
            "1. Open a scanned slide, or the rendered sample.\n"
            "2. Move and zoom: wherever single cells can be told, every white cell is boxed with a "
            "suggested class as soon as you get there.\n"
            "3. Counts with their intervals follow, of the view and of all that was seen. Nothing "
            "is stored unless you sweep the slide."
        )
        choosing.choose_slide(desk)
        return
    _at_work(desk, desk.opened)


def _at_work(desk: SlideDesk, opened: OpenedSlide) -> None:
    _head(desk, opened)
    usable = [e.spec for e in catalog() if e.usable and isinstance(e.spec, ModelSpec)]
    # On a phone the slide comes before its controls (see assets/frame.css).
    with st.container(key="allcell-slide"):
        controls_place = st.container(key="allcell-slide-controls")
        if not usable:
            show_problem(NO_MODEL)
            show_slide(opened, None, 0.0, "")
            return
        with controls_place:
            model, threshold = st.columns([1, 2], gap="medium")
        with model:
            spec = controls.pick_model(usable, key="slides.model")
        with threshold:
            lowest = controls.choose_confidence(
                spec,
                _PAGE,
                "Boxes below it are hidden and not counted. What was seen is not searched again.",
            )
        opened.expect(spec.name)
        # Before the model is loaded: the picture need not wait for it.
        show_slide(opened, spec, lowest, controls.confidence_key(spec, _PAGE))
    st.caption(
        "Suggested classes, not a diagnosis. Intervals cover sampling error only, not the "
        "classifier's; cells that the model missed are in no number."
    )
    detector = ready(spec, get_detector)
    if detector is not None:
        opened.look_with(detector)
    sweep_section(opened.slide, opened.path, spec, lowest, opened.go_to)


def _head(desk: SlideDesk, opened: OpenedSlide) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(opened.title), anchor=False, width="stretch")
        st.button(
            "Close",
            key="slides.close",
            icon=":material/close:",
            on_click=desk.close,
            help="Close this slide and choose another. What was seen of it is let go of.",
        )
    st.caption(facts_of(opened))


def facts_of(opened: OpenedSlide) -> str:
    """Size and scale of a slide, in a sentence or two."""
    width, height = opened.slide.size_px
    facts = [f"{width:,} x {height:,} px"]
    mpp = opened.slide.mpp
    if mpp is None:
        facts.append("it does not say how large a pixel is")
    else:
        facts.append(f"{mpp:.3g} µm a pixel, {width * mpp / 1e3:.1f} x {height * mpp / 1e3:.1f} mm")
    synthetic = "Synthetic slide. " if opened.synthetic else ""
    return f"{synthetic}{', '.join(facts)}."
