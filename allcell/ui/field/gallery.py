"""The gallery of synthetic samples: one click opens one, or eight of an unknown laboratory."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.imaging.images import SUPPORTED
from allcell.synth.samples import SEPIA, Sample, samples
from allcell.ui.shell.cache import sample_thumbnail

#: Files that can be opened, in words.
FORMATS = SUPPORTED
#: Width of a sample in the gallery: two fit side by side on a phone.
THUMBNAIL_PX = 165
#: Width of the words beside a thumbnail; on a phone they come below it.
TEXT_PX = 330


def gallery(page: str, on_open: Callable[[Sample], None]) -> None:
    """Show all samples.

    Args:
        page: Prefix of the widgets' keys.
        on_open: Called with the clicked sample before the page's next run.
    """
    with st.container(key=f"allcell-gallery-{page}"):
        cells = st.grid(min_column_width=THUMBNAIL_PX)
        for sample in samples():
            # A click anywhere on it is a click on its button (see assets/frame.css).
            with (
                cells.cell(),
                st.container(key=f"allcell-sample-{page}-{sample.name}", gap="xxsmall"),
            ):
                st.image(sample_thumbnail(sample.name), width="stretch", alt=sample.caption)
                st.button(
                    sample.title,
                    key=f"{page}.sample.{sample.name}",
                    type="tertiary",
                    help=sample.caption,
                    on_click=on_open,
                    args=(sample,),
                )


def unknown_laboratory(page: str, on_open: Callable[[], None]) -> None:
    """Offer the fields of a laboratory that no model knows, all at once.

    Args:
        page: Prefix of the widgets' keys.
        on_open: Called when they are clicked, before the page's next run.
    """
    with st.container(
        key=f"allcell-sample-{page}-{SEPIA.name}",
        horizontal=True,
        vertical_alignment="center",
        gap="medium",
    ):
        st.image(sample_thumbnail(SEPIA.name), width=THUMBNAIL_PX, alt=SEPIA.caption)
        with st.container(width=TEXT_PX, gap="xxsmall"):
            st.button(
                SEPIA.title, key=f"{page}.sample.{SEPIA.name}", type="tertiary", on_click=on_open
            )
            st.caption(SEPIA.caption)
