"""One way to show errors: what went wrong, then what to do; Markdown in them is escaped."""

from __future__ import annotations

from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from allcell.ui.shell.wording import plain

#: Shown where a list of models is empty.
NO_MODEL = "No model can be used here. The Models page says what is missing."


class Problem(Protocol):
    """What an `AllcellError` and a refused picture have in common."""

    @property
    def message(self) -> str:
        """What went wrong."""
        ...

    @property
    def remedy(self) -> str:
        """What to do about it; may be empty."""
        ...


def show_problem(
    problem: Problem | str, *, of: str = "", place: DeltaGenerator | None = None
) -> None:
    """Show a problem where it arose.

    Args:
        problem: What went wrong; a text is shown as it is.
        of: What it went wrong with, for example a model's title; put before the rest.
        place: Where to show it; here if None.
    """
    if isinstance(problem, str):
        words = plain(problem)
    elif of:
        words = f"{plain(problem.message)}  \n{plain(problem.remedy)}"
    else:
        words = f"**{plain(problem.message)}**  \n{plain(problem.remedy)}"
    words = f"**{plain(of)}** {words}" if of else words
    (st if place is None else place).error(words.rstrip())
