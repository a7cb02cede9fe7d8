"""The case that was opened from the records or from a file, instead of the pictures on Detect."""

from __future__ import annotations

import streamlit as st

from allcell.records.store import case_store
from allcell.report.case.contents import CaseContents
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions import budget
from allcell.ui.sessions.who import actor

_KEY = "allcell.case"


def opened_case() -> ReviewSession | None:
    """The review of the case that is open; None if none is."""
    found = st.session_state.get(_KEY)
    return found if isinstance(found, ReviewSession) else None


def open_case(case_id: str) -> None:
    """Open a case of the records.

    Raises:
        RecordError: If there is none, or it is not theirs.
    """
    store = case_store()
    kept = store.open(case_id, actor())
    session = ReviewSession()
    session.start(kept.review, kept)
    session.pictures = store.picture
    _put(session)


def open_contents(contents: CaseContents) -> None:
    """Open a case from a file; it is in memory until it is kept."""
    session = ReviewSession()
    session.start(contents.review)
    session.pictures = contents.pictures
    _put(session)


def _put(session: ReviewSession) -> None:
    st.session_state[_KEY] = session
    budget.join(session)


def close_case() -> None:
    """Go back to the pictures on Detect."""
    st.session_state.pop(_KEY, None)
