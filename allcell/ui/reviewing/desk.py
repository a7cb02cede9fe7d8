"""The desk: a field with its cells, the list beside it, the gallery; a component of our own.

All of it runs in the browser (`assets/review`), so that a key shows its effect at once; the server
hears of edits through `wire.take`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import streamlit as st

from allcell.ui.reviewing import wire
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions.who import actor
from allcell.ui.shell.assets import asset

#: Joined into one module, in this order.
_SCRIPTS = (
    *("zoom.js", "stage.js", "slider.js"),
    *(f"review/{part}.js" for part in ("statistics", "store", "crops", "field", "side")),
    *(f"review/{part}.js" for part in ("counter", "gallery", "bars", "keys", "judging", "desk")),
)


@lru_cache(maxsize=1)
def _script() -> str:
    return "".join(map(asset, _SCRIPTS))


def show_desk(
    session: ReviewSession,
    data: Mapping[str, object],
    *,
    page: str,
    on_shown: Callable[[str], None] = lambda field: None,
    on_gallery: Callable[[], None] = lambda: None,
) -> None:
    """Draw the desk and listen to it.

    Args:
        session: The review behind it.
        data: What is shown, besides what the session says (see `Desk.update` in `desk.js`): at
            least `fields`, `all` and `shown`.
        page: `detect` or `review`.
        on_shown: Called before the page's next run with the SHA-256 of the picture that the browser
            wants to see.
        on_gallery: Called when the gallery is opened, which needs crops of all cells.
    """
    key = f"{page}.desk"

    def event(name: str) -> Any:
        return st.session_state[key].get(name)

    def edited() -> None:
        if message := event("edits"):
            wire.take(session, message, actor().name)

    def shown() -> None:
        if message := event("shown"):
            on_shown(str(message.get("field")))

    def viewed() -> None:
        if event("view"):
            on_gallery()

    component = st.components.v2.component(
        "allcell_desk", js=_script(), css=asset("viewer.css") + asset("review/desk.css")
    )
    component(
        key=key,
        data={
            **{"page": page, "epoch": session.epoch, "seen": session.seen},
            "undo": len(session.review.undoable),
            "redo": len(session.review.redoable),
            "readOnly": session.read_only,
            "unsaved": session.would_be_lost,
            "labels": wire.labels_of(session.review.labels.all),
            **data,
        },
        on_edits_change=edited,
        on_shown_change=shown,
        on_view_change=viewed,
    )
