"""What "Clear all images" took away: for a minute it can be brought back."""

from __future__ import annotations

import threading

import streamlit as st

from allcell.review.case_review import CaseReview
from allcell.ui.field.bench import CLEARED, Bench
from allcell.ui.field.pictures import Picture, PictureMemory
from allcell.ui.reviewing.session import ReviewSession, replace_session, review_session
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held
from allcell.ui.shell.frame import announce

#: How long it can be brought back.
UNDO_S = 60.0
_KEY, _LATE = "allcell.cleared", "detect.cleared_late"


class Cleared:
    """Pictures and their review, until a minute is over or their room is needed.

    Args:
        pictures: The pictures, at least one.
        shown: Id of the one that was shown.
        review: The review of them.
        memory: Keeps what is known of them meanwhile.
    """

    def __init__(
        self,
        pictures: dict[str, Picture],
        shown: str | None,
        review: ReviewSession,
        memory: PictureMemory,
    ) -> None:
        self.pictures = pictures
        self.shown = shown
        self.review: ReviewSession | None = review
        self.memory = memory
        for picture in pictures.values():
            memory.hold(CLEARED, picture)
        self._timer = threading.Timer(UNDO_S, self.close)
        self._timer.daemon = True
        self._timer.start()

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        return [picture.data for picture in list(self.pictures.values())]

    def spare(self) -> None:
        """See `Holder.spare`: what was cleared goes first."""
        self.close()

    def close(self) -> None:
        """See `Holder.close`; what is known of the pictures goes with the page's next run."""
        self._timer.cancel()
        if self.pictures:
            self.memory.spare()
        self.pictures, self.review = {}, None


def clear(desk: Bench) -> None:
    """Take all pictures off the bench, so that `undo` brings them back.

    Args:
        desk: The pictures of the session, at least one.
    """
    forget()
    review = review_session()
    cleared = Cleared(desk.pictures, desk.shown, review, desk.memory)
    st.session_state[_KEY] = cleared
    budget.join(cleared)
    desk.clear()
    fresh = ReviewSession()
    fresh.start(CaseReview(review.review.labels))
    replace_session(fresh)


def undo(desk: Bench) -> None:
    """Bring back what `clear` took, if that is still possible."""
    cleared = st.session_state.get(_KEY)
    if not isinstance(cleared, Cleared):
        return
    # Read once: the minute may end meanwhile.
    pictures, review = cleared.pictures, cleared.review
    if not pictures or review is None:
        st.session_state[_LATE] = True
        return
    desk.put_back(pictures, cleared.shown)
    replace_session(review)
    forget()


def forget() -> None:
    """Let go of what was cleared."""
    cleared = st.session_state.pop(_KEY, None)
    if isinstance(cleared, Cleared):
        cleared.close()
        cleared.memory.let_go(CLEARED)


def offer_undo(desk: Bench) -> None:
    """The button that brings the pictures back; nothing if there are none.

    Args:
        desk: The empty bench.
    """
    if st.session_state.pop(_LATE, False):
        st.info("That was more than a minute ago, or their memory was needed: they are gone.")
    cleared = st.session_state.get(_KEY)
    if not isinstance(cleared, Cleared):
        return
    if not cleared.pictures:
        forget()
        return
    n = len(cleared.pictures)
    words = "1 image was removed." if n == 1 else f"{n} images were removed."
    announce(f"{words} Undo is possible for a minute.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(words, width="content")
        st.button(
            "Undo",
            icon=":material/undo:",
            key="detect.undo_clear",
            on_click=undo,
            args=(desk,),
            help="For a minute, with all corrections.",
        )
