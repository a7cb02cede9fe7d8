"""One way to show errors and cautions: what is wrong, then what to do; Markdown is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from allcell.cautions import Caution
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


def show_cautions(cautions: Iterable[Caution], *, with_numbers: bool = False) -> None:
    """Show reasons not to trust an answer: one that withholds numbers as a warning, else as a note.

    Args:
        cautions: In the order they are to be shown (see `Cautioned.cautions`).
        with_numbers: Whether numbers are shown. Doubt about every class is then a warning, too.
    """
    for caution in cautions:
        words = f"**{plain(caution.message)}**  \n{plain(caution.remedy)}"
        doubtful = with_numbers and caution.kind in ("unlike", "models_disagree")
        (st.warning if caution.withholds or doubtful else st.info)(words.rstrip())
