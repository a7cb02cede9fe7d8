"""The section "Sweep the slide": begin a sweep, follow it, and look at what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import streamlit as st

from allcell.background.state import STOP_FILE
from allcell.errors import AllcellError, SweepError
from allcell.models.registry import ModelSpec
from allcell.records.kept import Actor
from allcell.runs.sweeping.work import (
    TARGETS,
    SlideSweep,
    SweepRequest,
    SweepState,
    begin,
    slide_key,
    sweeps,
)
from allcell.slides.slide import Slide
from allcell.ui.sessions.who import actor
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.slides.swept import Go, show_found

_EVERY_S = 1.0
_PROBLEM = "slides.sweep.problem"
_TO_THE_END = "All"


def sweep_section(slide: Slide, path: Path | None, spec: ModelSpec, lowest: float, go: Go) -> None:
    """Draw the section.

    Args:
        slide: The slide.
        path: Its file, if it stays where it is after the session; else None.
        spec: The model that is chosen on the page.
        lowest: Lowest confidence of a cell, as chosen on the page, 0 to 1.
        go: Moves the view to a place, x and y in pixels of the slide's finest level.
    """
    st.header("Sweep the slide", anchor=False)
    if path is None:
        st.caption(
            "A sweep works on after you leave, so it needs a slide that stays: open one from the "
            "folder of slides, not an upload."
        )
        return
    who = actor()
    if (problem := st.session_state.pop(_PROBLEM, None)) is not None:
        show_problem(problem)
    try:
        key = _key(path, *_stamp(path))
        mine = [one for one in sweeps() if _is_mine(one, key, who)]
    except AllcellError as error:
        show_problem(error)
        return
    for one in mine:
        _card(one, slide, go)
    if who.reader:
        st.caption("You may look at cases, not keep new ones: ask whoever runs allcell here.")
        return
    with st.expander("Begin another sweep", expanded=False) if mine else st.container():
        _form(SweepRequest(str(path), key, spec.name, by=who.name, logged_in=who.logged_in), lowest)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        known = path.stat()
    except OSError:
        return 0, 0
    return known.st_size, known.st_mtime_ns


@lru_cache(maxsize=64)
def _key(path: Path, size: int, changed_ns: int) -> str:
    return slide_key(path)


def _is_mine(one: SlideSweep, key: str, who: Actor) -> bool:
    try:
        request = one.request
    except SweepError:
        return False
    return request.key == key and (not who.logged_in or request.by == who.name)


def _form(request: SweepRequest, lowest: float) -> None:
    st.markdown(
        "It goes over the slide in the background, counts the white cells, and shows where they "
        "lie. You may close this page meanwhile."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        target = st.segmented_control(
            "White cells to count",
            [*map(str, TARGETS), _TO_THE_END],
            default=str(TARGETS[1]),
            key="slides.sweep.target",
            help="With a number, the cells come from all over the slide. All goes to its end.",
        )
        label = st.text_input(
            "Keep as a case called",
            key="slides.sweep.label",
            placeholder="For example a number",
            help="The parts with cells become the pictures of a case, to be reviewed, signed and "
            "reported like any other. Left empty, no case is made.",
        )
    everything = st.toggle(
        "Also thick, thin and blurred parts",
        key="slides.sweep.everything",
        help="By default only the part is counted where red cells lie side by side.",
    )
    asked = replace(
        request,
        target=None if target in (None, _TO_THE_END) else int(str(target)),
        where="everything" if everything else "monolayer",
        confidence=round(lowest, 4),
        label=label.strip(),
    )
    st.button(
        "Sweep",
        key="slides.sweep.begin",
        icon=":material/travel_explore:",
        type="primary",
        on_click=_attempt,
        args=(lambda: begin(asked).start(),),
    )


def _attempt(act: Callable[[], object]) -> None:
    try:
        act()
    except AllcellError as error:
        st.session_state[_PROBLEM] = error
    except OSError as error:
        st.session_state[_PROBLEM] = SweepError(
            f"A file could not be written or read ({error.strerror}).",
            "Make sure that there is room on the disk, then try again.",
        )


def _card(one: SlideSweep, slide: Slide, go: Go) -> None:
    key = one.folder.name
    try:
        state, request = one.state, one.request
    except SweepError as error:
        show_problem(error)
        _button("Delete it", f"slides.sweep.damaged.{key}", "delete", one.delete)
        return
    with st.container(border=True, key=f"sweep-card-{key}"):
        st.markdown(f"**{_title(request)}**")
        if state.running:
            _working(one, state)
        else:
            _halted(one, state)
        for note in state.notes:
            st.caption(plain(note))
        if state.case_id:
            st.page_link(
                "pages/review.py",
                label=f"Review it: case {plain(request.label)}",
                icon=":material/fact_check:",
            )
        if not state.running:
            show_found(one, slide, go)
            _discard(one)


def _title(request: SweepRequest) -> str:
    what = "All white cells" if request.target is None else f"{request.target} white cells"
    where = "" if request.where == "monolayer" else ", thick, thin and blurred parts too"
    case = f", case {plain(request.label)}" if request.label else ""
    return f"{what}{where}, {plain(request.model)}{case}"


def _working(one: SlideSweep, drawn: SweepState) -> None:
    key = one.folder.name

    def bar() -> None:
        try:
            state = one.state
        except SweepError:  # deleted in another tab
            st.rerun()
        if state.running != drawn.running:
            st.rerun()
        st.progress(state.progress, _words(one, state))

    st.fragment(bar, run_every=_EVERY_S)()
    pausing = _is_pausing(one)
    st.button(
        "Pausing" if pausing else "Pause",
        key=f"slides.sweep.pause.{key}",
        icon=":material/pause:",
        disabled=pausing,
        on_click=_attempt,
        args=(one.pause,),
        help="What was found is kept, and it can go on later.",
    )


def _is_pausing(one: SlideSweep) -> bool:
    return (one.folder / STOP_FILE).exists()


def _words(one: SlideSweep, state: SweepState) -> str:
    said = state.stage or "Starts"
    if _is_pausing(one):
        said = f"{said}, pausing"
    if not state.of:
        return said
    return (
        f"{said}: {state.white_cells:,} white cells, {state.blasts:,} suggested as blasts, in "
        f"{state.regions:,} of {state.of:,} regions"
    )


def _halted(one: SlideSweep, state: SweepState) -> None:
    key = one.folder.name
    again = "Go on"
    if state.status == "failed":
        show_problem(SweepError(state.message, state.remedy))
        again = "Try again"
    elif state.status == "interrupted":
        st.warning(
            "**It was interrupted**, as by a restart of the computer. What was found is kept.",
            icon=":material/pause_circle:",
        )
    elif state.status == "stopped":
        st.info("Paused. What was found is kept.", icon=":material/pause_circle:")
    if state.status != "done":
        _button(again, f"slides.sweep.go_on.{key}", "play_arrow", one.start, primary=True)


def _discard(one: SlideSweep) -> None:
    key = one.folder.name
    with st.popover("Discard", key=f"slides.sweep.discard_menu.{key}", type="tertiary"):
        st.markdown("Discard what this sweep found? A case that it made stays.")
        _button("Discard it", f"slides.sweep.discard.{key}", "delete", one.delete, primary=True)


def _button(
    label: str, key: str, icon: str, act: Callable[[], object], *, primary: bool = False
) -> None:
    st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        type="primary" if primary else "secondary",
        on_click=_attempt,
        args=(act,),
    )
