"""The red-cell size of a picture, and the control to set it; models then run again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.imaging.scale import Scale
from allcell.ui.field.pictures import Picture, PictureMemory
from allcell.ui.shell.wording import scale_text

#: A red cell is rarely imaged smaller or larger than this.
RED_CELL_RANGE_PX = (4.0, 800.0)
#: Where the control starts when nothing could be measured.
_UNKNOWN_PX = 40.0


def red_cells(
    memory: PictureMemory,
    picture: Picture,
    scale: Scale,
    *,
    key: str,
    before: str = "",
    all_of: Sequence[Picture] = (),
) -> None:
    """Where the red-cell size came from and, behind a button, the control to change it.

    Args:
        memory: Keeps what the user sets.
        picture: The picture.
        scale: The scale used for it.
        key: Prefix of the widgets' keys.
        before: Text in front, as Markdown.
        all_of: Pictures that may be given the same size at once.
    """
    st.markdown(f"{before} {scale_text(scale)}".lstrip(), width="content")
    with st.popover("Change", type="tertiary", key=f"{key}.change_red_cells"):
        _control(memory, picture, scale, key, all_of)


def _control(
    memory: PictureMemory, picture: Picture, scale: Scale, key: str, all_of: Sequence[Picture]
) -> None:
    given = memory.red_cells.get(picture.digest)
    switch = f"{key}.own_red_cell.{picture.digest}"
    number = f"{key}.red_cell.{picture.digest}"
    low, high = RED_CELL_RANGE_PX
    start = min(max(scale.red_cell_px or _UNKNOWN_PX, low), high)

    def take() -> None:
        if st.session_state.get(switch):
            memory.red_cells[picture.digest] = float(st.session_state.get(number) or start)
        else:
            memory.red_cells.pop(picture.digest, None)

    set_here = st.toggle(
        "Use my own red-cell size",
        value=given is not None,
        key=switch,
        on_change=take,
        help="Models see the image at the size that suits its red cells. Set their diameter if the "
        "measured one is wrong; the model is then run again.",
    )
    if not set_here:
        return
    st.number_input(
        "Red-cell diameter in pixels of the image",
        min_value=low,
        max_value=high,
        value=round(given or start, 1),
        step=1.0,
        format="%.1f",
        key=number,
        on_change=take,
    )
    if len(all_of) > 1 and given is not None:
        st.button(
            f"Use it for all {len(all_of)} images",
            on_click=lambda: memory.red_cells.update({p.digest: given for p in all_of}),
            key=f"{key}.red_cell_for_all",
        )
