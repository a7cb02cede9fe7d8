"""Classes of the user's own beside the models', each with a key."""

from __future__ import annotations

import streamlit as st

from allcell.errors import ReviewError
from allcell.review.labels import MAX_OWN_LABELS, LabelRole, own_label, suggested_own
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

_NAME, _LETTER, _ROLE = "review.class_name", "review.class_key", "review.class_role"
_PROBLEM = "review.class_problem"
_ROLES = {"white cell": "Counts as a white cell", "other": "Given per 100 white cells"}


def own_classes(session: ReviewSession) -> None:
    """Add and remove them.

    Args:
        session: The review that they belong to.
    """
    own = session.review.labels.own
    with st.popover("Classes of your own", key="review.classes", disabled=session.read_only):
        st.caption(
            f"Up to {MAX_OWN_LABELS}, for example the kinds of healthy white cells. The models do "
            "not know them: only you give them to cells."
        )
        for label in own:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{label.key}** {plain(label.title)}")
                st.button(
                    "Remove",
                    key=f"review.class.{label.name}",
                    type="tertiary",
                    on_click=_remove,
                    args=(session, label.name),
                )
        names = {label.name for label in own}
        keys = {label.key for label in own}
        offered = [s for s in suggested_own() if s.name not in names and s.key not in keys]
        if offered and len(own) < MAX_OWN_LABELS:
            with st.container(horizontal=True, gap="xxsmall"):
                for label in offered:
                    st.button(
                        f"{label.title} ({label.key})",
                        key=f"review.offer.{label.name}",
                        on_click=_add,
                        args=(session, label.name, label.key, label.role),
                    )
        st.text_input("Name", key=_NAME, max_chars=40)
        st.text_input("Key", key=_LETTER, max_chars=1, help="One letter or digit.")
        st.selectbox("Role", list(_ROLES), format_func=_ROLES.__getitem__, key=_ROLE)
        st.button("Add this class", key="review.add_class", on_click=_add_typed, args=(session,))
        if problem := st.session_state.pop(_PROBLEM, ""):
            show_problem(problem)


def _add_typed(session: ReviewSession) -> None:
    state = st.session_state
    _add(session, state[_NAME], state[_LETTER], state[_ROLE])
    if _PROBLEM not in state:
        state[_NAME] = state[_LETTER] = ""


def _add(session: ReviewSession, name: str, key: str, role: LabelRole) -> None:
    own = session.review.labels.own
    try:
        session.set_labels([*own, own_label(name, key, role, place=len(own))])
    except ReviewError as error:
        st.session_state[_PROBLEM] = str(error)


def _remove(session: ReviewSession, name: str) -> None:
    try:
        session.set_labels(one for one in session.review.labels.own if one.name != name)
    except ReviewError as error:
        st.session_state[_PROBLEM] = str(error)
