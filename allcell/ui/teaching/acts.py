"""What a button does, and the problem that is shown if it cannot."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.errors import AllcellError, TeachingError
from allcell.ui.shell.problems import show_problem

_PROBLEM = "teach.problem"


def attempt(act: Callable[[], object]) -> None:
    """Do something; an error is shown by `show_last_problem` in the next run of the page.

    Args:
        act: What to do.
    """
    try:
        act()
    except AllcellError as error:
        st.session_state[_PROBLEM] = error
    except OSError as error:
        st.session_state[_PROBLEM] = TeachingError(
            f"A file could not be written or read ({error.strerror}).",
            "Make sure that there is room on the disk, then try again.",
        )


def show_last_problem() -> None:
    """Show once why the last thing could not be done."""
    if (problem := st.session_state.pop(_PROBLEM, None)) is not None:
        show_problem(problem)
