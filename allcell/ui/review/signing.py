"""A signature under the case as it stands."""

from __future__ import annotations

import streamlit as st

from allcell.errors import AllcellError
from allcell.records.store import case_store
from allcell.review.signing import MEANINGS, signing_obstacles
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions.who import actor
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

_NAME, _MEANING, _PROBLEM = "review.printed_name", "review.meaning", "review.sign_problem"


def sign(session: ReviewSession) -> None:
    """Who signed, and the form to sign, which says what is in the way.

    Args:
        session: The review.
    """
    st.header("Sign", anchor=False)
    kept = session.kept
    if kept is not None:
        for given in kept.signatures:
            valid = given in kept.signed and kept.review.log == session.review.log
            state = "" if valid else " The case was changed since: this is an earlier version."
            st.markdown(
                f"Version {given.version}: {plain(given.meaning)} by "
                f"**{plain(given.printed_name)}**, {given.at:%d %B %Y, %H:%M:%S} UTC.{state}"
            )
    if session.read_only:
        st.caption("You may read this case, not sign it.")
        return
    name, meaning, button = st.columns([3, 2, 1], vertical_alignment="bottom")
    name.text_input("Printed name", key=_NAME, value=actor().name if actor().logged_in else "")
    meaning.selectbox("Meaning", MEANINGS, key=_MEANING)
    button.button("Sign", type="primary", key="review.sign", on_click=_sign, args=(session,))
    if problem := st.session_state.pop(_PROBLEM, ""):
        show_problem(problem)
    elif kept is None:
        st.caption("Keep this case first: a signature stands under a kept case.")
    elif waiting := signing_obstacles(session.review):
        st.caption(f"Not yet: {plain(' '.join(waiting))}")
    else:
        st.caption("Every cell is reviewed. A later change makes a new, unsigned version.")


def _sign(session: ReviewSession) -> None:
    state = st.session_state
    if session.kept is None:
        state[_PROBLEM] = "Keep this case first: a signature stands under a kept case."
        return
    session.save()
    if session.problem:
        return
    try:
        session.kept = case_store().sign(session.kept, state[_NAME], state[_MEANING], actor())
    except AllcellError as error:
        state[_PROBLEM] = str(error)
