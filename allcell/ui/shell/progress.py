"""The progress of work in the background, drawn anew until it ends or a part of it is done."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.runs.guard import BackgroundRun
from allcell.runs.turn import WAITS

_EVERY_S = 0.5


def follow(run: BackgroundRun, now: Callable[[], tuple[float, str]]) -> None:
    """A bar that follows a run; the page runs again when a job is done, and at the end.

    Args:
        run: The run.
        now: How far it is, 0 to 1, and what it does, in words; asked when it is not waiting.
    """
    drawn = run.done

    def bar() -> None:
        if not run.running or run.done != drawn:
            st.rerun()
        share, words = (0.0, WAITS) if run.waits else now()
        st.progress(share, f"{words}{', stopping' if run.stopped else ''}")

    st.fragment(bar, run_every=_EVERY_S)()
