"""What the browser itself does for every page: it asks before work is lost, and reads out news."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import streamlit as st

from allcell.ui.shell.assets import asset
from allcell.ui.shell.user_models import user_models


@runtime_checkable
class Holder(Protocol):
    """What a session keeps under a key of its own and a reload of the page would lose."""

    @property
    def would_be_lost(self) -> bool:
        """Whether it holds any of the user's work."""
        ...


def ask_before_leaving() -> None:
    """Let the browser ask before it reloads or closes the page while the session holds work."""
    kept = st.session_state.values()
    held = bool(user_models()) or any(
        value.would_be_lost for value in kept if isinstance(value, Holder)
    )
    _frame("allcell-leaving", {"held": held})


def announce(words: str) -> None:
    """Have a screen reader read something out when it changes; nothing is shown.

    Args:
        words: One or two sentences.
    """
    _frame("allcell-announcer", {"said": words})


def _frame(key: str, data: dict[str, object]) -> None:
    st.components.v2.component("allcell_frame", js=asset("frame.js"))(key=key, data=data)
