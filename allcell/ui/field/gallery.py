"""The gallery of synthetic samples; one click opens one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from allcell.imaging.images import SUPPORTED
from allcell.synth.samples import SEPIA, Sample, samples
from allcell.ui.shell.cache import sample_thumbnail

#: Files that can be opened, in words.
FORMATS = SUPPORTED
#: Width of a sample in the gallery: two fit side by side on a phone.
THUMBNAIL_PX = 165


def gallery(
    page: str,
    on_open: Callable[[Sample], None],
    on_open_unknown: Callable[[], None] | None = None,
) -> None:
    """Show all samples.

    Args:
        page: Prefix of the widgets' keys.
        on_open: Called with the clicked sample before the page's next run.
        on_open_unknown: Called when the fields of a laboratory that no model knows are clicked,
            before the page's next run; if None, they are not shown.
    """
    opened = [(one.name, one.title, one.caption, partial(on_open, one)) for one in samples()]
    if on_open_unknown is not None:
        opened.append((SEPIA.name, SEPIA.title, SEPIA.caption, partial(on_open_unknown)))
    with st.container(key=f"allcell-gallery-{page}"):
        cells = st.grid(min_column_width=THUMBNAIL_PX)
        for name, title, caption, act in opened:
            # A click anywhere on it is a click on its button (see assets/frame.css).
            with cells.cell(), st.container(key=f"allcell-sample-{page}-{name}", gap="xxsmall"):
                st.image(sample_thumbnail(name), width="stretch", alt=caption)
                st.button(
                    title,
                    key=f"{page}.sample.{name}",
                    type="tertiary",
                    help=caption,
                    on_click=act,
                )
