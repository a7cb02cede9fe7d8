"""What can be done with the image that is shown, and with all of them."""

from __future__ import annotations

import streamlit as st

from allcell.ui.detect.cleared import clear
from allcell.ui.field.bench import Bench
from allcell.ui.field.handover import show_side_by_side
from allcell.ui.field.pictures import Picture


def actions(desk: Bench, picture: Picture) -> None:
    """Buttons below the picture: compare models on it, remove it.

    Args:
        desk: The pictures of the session.
        picture: The one that is shown.
    """
    with st.container(horizontal=True, gap="small", key="allcell-actions"):
        if st.button(
            "Compare models on this image",
            icon=":material/compare:",
            key="detect.compare",
            help="Opens this image on Compare, Side by side.",
        ):
            show_side_by_side(picture)
        st.button(
            "Remove this image",
            icon=":material/close:",
            on_click=desk.discard,
            args=(picture.id,),
            key="detect.remove",
            help="Takes it off the list, with what was found in it. The others stay.",
        )


def clear_all(desk: Bench) -> None:
    """Remove every image, after a question.

    Args:
        desk: The pictures of the session, at least one.
    """
    n = len(desk.pictures)
    images = "1 image" if n == 1 else f"all {n} images"
    with st.popover("Clear all images", type="tertiary", key="detect.ask_to_clear"):
        st.markdown(
            f"Remove {images}, what was found, your corrections and the red-cell sizes you set? "
            "You can undo it for a minute. After that, only a kept case has them."
        )
        st.button(
            f"Remove {images}", on_click=clear, args=(desk,), type="primary", key="detect.clear"
        )
