"""The place of the answers on the Detect page."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


class AnswerSlot:
    """Where a model's answers stand, below the progress of its work.

    Streamlit leaves what the last run drew on the page, faded, until something takes its place:
    while a model works, another model's numbers would stand under its name.

    Args:
        works: Whether the model has to work before it can answer: what stands there then goes at
            once. Otherwise it stays until the new answers are drawn over it, with its zoom.
    """

    def __init__(self, *, works: bool) -> None:
        self.progress = st.container()
        slot = st.container(key="allcell-answers")
        # An empty element takes the place of everything that was drawn into this one.
        self._emptied = slot.empty() if works else None
        self._slot = slot

    def container(self) -> DeltaGenerator:
        """Where to draw the answers; call it once, after the work."""
        return self._slot.container() if self._emptied is None else self._emptied.container()
