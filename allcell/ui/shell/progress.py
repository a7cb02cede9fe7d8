"""The progress of a background run, redrawn until the run ends or one of its jobs is done."""

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
        now: Its progress, 0 to 1, and what it does, in words; not called while it waits its turn.
    """
    drawn = run.done

    def bar() -> None:
        if not run.running or run.done != drawn:
            st.rerun()
        share, words = (0.0, WAITS) if run.waits else now()
        st.progress(share, f"{words}{', stopping' if run.stopped else ''}")

    st.fragment(bar, run_every=_EVERY_S)()
