"""The gallery of synthetic samples; one click opens one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.imaging.images import SUPPORTED
from allcell.synth.samples import Sample, samples
from allcell.ui.shell.cache import sample_thumbnail

#: Files that can be opened, in words.
FORMATS = SUPPORTED
#: Width of a sample in the gallery: two fit side by side on a phone.
THUMBNAIL_PX = 165


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
