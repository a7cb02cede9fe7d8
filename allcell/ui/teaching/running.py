"""A teaching on its way: its plan, its progress, and the buttons that start and stop it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.background.state import STOP_FILE
from allcell.errors import TeachingError
from allcell.teaching.plan import duration
from allcell.teaching.state import State
from allcell.teaching.work import Teaching
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.teaching.acts import attempt

_EVERY_S = 1.0
_HELPS = "Would help: "


def show_unfinished(teaching: Teaching, state: State) -> None:
    """Draw a teaching that is not done.

    Args:
        teaching: The teaching.
        state: Its state.
    """
    if state.status == "planned":
        _planned(teaching, state)
    elif state.running:
        _working(teaching, state)
    else:
        _halted(teaching, state)


def notes(said: tuple[str, ...]) -> None:
    """What there is to learn from, what to keep in mind, and what would help.

    Args:
        said: See `State.notes`.
    """
    if not said:
        return
    first, *more = said
    helps = [one.removeprefix(_HELPS) for one in more if one.startswith(_HELPS)]
    st.markdown(plain(first))
    for one in more:
        if not one.startswith(_HELPS):
            st.markdown(f"- {plain(one)}")
    what_helps(helps)


def what_helps(helps: list[str]) -> None:
    """What would help most, the best first.

    Args:
        helps: In sentences.
    """
    if helps:
        listed = "\n".join(f"1. {plain(one)}" for one in helps)
        st.markdown(f"It would get better with, the best first:\n{listed}")


def _planned(teaching: Teaching, state: State) -> None:
    time, _, what = state.plan.partition(": ")
    notes(state.notes)
    st.markdown(f"**{plain(time)}.**")
    st.caption(
        f"{plain(what[:1].upper() + what[1:])} It works in the background: you may close this page "
        "and go on with other things."
    )
    key = teaching.folder.name
    with st.container(horizontal=True):
        _button("Start", f"teach.start.{key}", "play_arrow", teaching.start, primary=True)
        _button("Discard", f"teach.discard.{key}", "delete", teaching.delete)


def _working(teaching: Teaching, state: State) -> None:
    key = teaching.folder.name
    stopping = _is_stopping(teaching)
    _follow(teaching, state)
    st.caption(
        "You may close this page: it goes on in the background, and is here when you come back."
    )
    with st.container(horizontal=True):
        st.button(
            "Stopping" if stopping else "Stop",
            key=f"teach.stop.{key}",
            icon=":material/stop:",
            disabled=stopping,
            on_click=attempt,
            args=(teaching.stop,),
            help="What is done is kept, and it can go on later.",
        )


def _is_stopping(teaching: Teaching) -> bool:
    return (teaching.folder / STOP_FILE).exists()


def _follow(teaching: Teaching, drawn: State) -> None:
    """A bar that follows it; the page runs again when its status changes."""

    def bar() -> None:
        try:
            state = teaching.state
        except TeachingError:  # deleted in another tab
            st.rerun()
        if state.running != drawn.running:
            st.rerun()
        st.progress(state.progress, progress_words(state, stopping=_is_stopping(teaching)))

    st.fragment(bar, run_every=_EVERY_S)()


def progress_words(state: State, *, stopping: bool = False) -> str:
    """Stage and time left, in words.

    Args:
        state: Of a teaching that works or waits.
        stopping: Whether it was asked to stop.
    """
    stage = state.stage or "Starts"
    if stopping:
        return f"{stage}, stopping"
    if not state.plan:
        return f"{stage}, to say how long it takes"
    left = f", about {duration(state.left_s)} left" if state.left_s else ""
    return f"{stage}{left}"


def _halted(teaching: Teaching, state: State) -> None:
    """Stopped, interrupted, failed, or never started."""
    key = teaching.folder.name
    if state.status == "failed":
        show_problem(TeachingError(state.message, state.remedy))
        again = "Try again"
    elif state.status == "interrupted":
        st.warning(
            "**It was interrupted**, as by a restart of the computer. What was done is kept.",
            icon=":material/pause_circle:",
        )
        again = "Go on"
    elif state.status == "stopped":
        share = f" after {state.progress:.0%}" if state.progress else ""
        st.info(f"Stopped{share}. What was done is kept.", icon=":material/pause_circle:")
        again = "Go on"
    else:
        notes(state.notes)
        again = "See how long it takes"

    def go_on() -> None:
        teaching.start(only_plan=not state.plan)

    with st.container(horizontal=True):
        _button(again, f"teach.go_on.{key}", "play_arrow", go_on, primary=True)
        with st.popover("Discard", key=f"teach.discard_menu.{key}", type="tertiary"):
            st.markdown(
                "Discard it with all that it learned so far? Your cases and their pictures stay."
            )
            _button("Discard it", f"teach.discard.{key}", "delete", teaching.delete, primary=True)
    st.caption("Copies of its fields lie beside the cases until it is done or discarded.")


def _button(
    label: str, key: str, icon: str, act: Callable[[], object], *, primary: bool = False
) -> None:
    st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        type="primary" if primary else "secondary",
        on_click=attempt,
        args=(act,),
    )
