"""The section "Teach this laboratory": what was begun, what came of it, and a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.engines.opening import has_torch
from allcell.environment.installation import get_packages
from allcell.errors import AllcellError, TeachingError
from allcell.records.kept import Actor
from allcell.teaching.enough import LEAST_FIELDS
from allcell.teaching.work import Teaching, teachings
from allcell.ui.sessions.who import actor
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.teaching.acts import attempt, show_last_problem
from allcell.ui.teaching.material import cases_of
from allcell.ui.teaching.result import show_result
from allcell.ui.teaching.running import show_unfinished
from allcell.ui.teaching.setup import begin, form_of_cases, form_of_set

_OUTCOMES = {"better": "better", "not better": "not better", "cannot be told": "not told yet"}


def teach_from_cases(opened: str = "") -> None:
    """The section on Review: fields come from kept cases.

    Args:
        opened: Number of the kept case that is open; empty if none is.
    """
    _section(partial(_cases, opened))


def teach_from_set(name: str, images: Sequence[LabelledImage]) -> None:
    """The section beside a labelled set.

    Args:
        name: What the user calls the set.
        images: What was read of it.
    """
    _section(lambda who, another: begin(who, lambda: form_of_set(name, images), another=another))


def _cases(opened: str, who: Actor, another: bool) -> None:
    lines = cases_of(who)
    if not lines:
        st.info(
            f"**No case is kept here yet.** Confirm or correct every cell of at least "
            f"{LEAST_FIELDS} fields of your smears, with blasts and with healthy white cells, and "
            "press *Keep this case*. Eight fields are a good beginning, better of several patients "
            "than of one.",
            icon=":material/school:",
        )
        return
    begin(who, lambda: form_of_cases(lines, opened, who), another=another)


@st.fragment
def _section(new: Callable[[Actor, bool], None]) -> None:
    st.header("Teach this laboratory", anchor=False)
    who = actor()
    st.markdown(
        "Smears look different in every laboratory. From a few fields that you reviewed, allcell "
        "learns how cells look in yours, here on this computer. Then it compares what it learned "
        "with the model as it came, on fields of yours that it has not seen, and keeps it only if "
        "there is something to gain."
    )
    if who.reader:
        st.caption("You may look at cases, not teach a model: ask whoever runs allcell here.")
        return
    show_last_problem()
    mine = teachings_of(who)
    newest_done = True
    for teaching in mine:
        newest_done = _card(teaching, newest_done)
    if not has_torch():
        st.info(
            "**Here the quick way is used.** The full way needs torch and ultralytics, which this "
            f"light installation leaves out. {get_packages('train')}",
            icon=":material/download:",
        )
    try:
        new(who, bool(mine))
    except AllcellError as error:
        show_problem(error)


def teachings_of(who: Actor) -> list[Teaching]:
    """What somebody began, the newest first; of those who log in, nobody else sees it.

    Args:
        who: Who asks.
    """
    return [one for one in teachings() if not who.logged_in or _owner(one) == who.name]


def _owner(teaching: Teaching) -> str | None:
    try:
        return teaching.request.owner
    except TeachingError:
        return None


def _card(teaching: Teaching, newest_done: bool) -> bool:
    """Draw one; whether the next one that is done is still the newest of them."""
    key = teaching.folder.name
    try:
        state, name = teaching.state, teaching.request.name
    except TeachingError as error:
        show_problem(error)
        st.button(
            "Delete it", key=f"teach.damaged.{key}", on_click=attempt, args=(teaching.delete,)
        )
        return newest_done
    if state.status == "done" and not newest_done:
        said = _OUTCOMES.get(state.outcome, "done")
        with st.expander(
            f"{plain(name)}: {said}", key=f"teach.card.{key}", on_change="rerun"
        ) as box:
            if box.open:
                show_result(teaching, state)
        return newest_done
    with st.container(border=True, key=f"teach-card-{key}"):
        st.subheader(plain(name), anchor=False)
        if state.status == "done":
            show_result(teaching, state)
            return False
        show_unfinished(teaching, state)
    return newest_done
