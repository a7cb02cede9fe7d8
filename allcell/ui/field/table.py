"""Tables in which a row can be picked, and the table of cells, linked to the field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from allcell.formats.pixels import RGBImage
from allcell.ui.field.bench import Bench
from allcell.ui.field.crops import crop, data_uri
from allcell.ui.field.viewer import Box
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.wording import plain

#: Side of the pictures in the table, in pixels.
SMALL_CROP_PX = 80
_ROW_PX = 52
_HEADER_PX = 40
_MOST_ROWS = 8


def cells(
    desk: Bench,
    image: RGBImage,
    boxes: Sequence[Box],
    red_cell_px: float | None,
    *,
    reservation: str = "",
) -> None:
    """The table of cells; the field shows the one that is picked.

    Args:
        desk: Holds the selection; picking a row selects its cell and moves the view to it.
        image: The field, RGB uint8 (H, W, 3).
        boxes: The cells.
        red_cell_px: Red-cell diameter in pixels, the unit of the size column; None leaves it out.
        reservation: What has to be said with the table (see `Cautioned.reservation`).
    """
    if reservation:
        st.caption(plain(reservation))
    # The table's own buttons appear above its corner.
    st.space("xsmall")
    _table(desk, image, boxes, red_cell_px)


def _table(desk: Bench, image: RGBImage, boxes: Sequence[Box], red_cell_px: float | None) -> None:
    ids = [box.id for box in boxes]
    # Other boxes need another widget key: the row picked before means nothing among them.
    key = f"detect.cells.{hashlib.sha256(repr(ids).encode()).hexdigest()[:16]}"

    def pick(row: int | None) -> None:
        desk.selected = None if row is None else ids[row]
        desk.focus += 1

    pickable(
        table_of(image, boxes, red_cell_px),
        key,
        ids.index(desk.selected) if desk.selected in ids else None,
        pick,
        row_height=_ROW_PX,
        height=_HEADER_PX + _ROW_PX * min(max(len(boxes), 1), _MOST_ROWS),
        column_config={
            "No.": st.column_config.NumberColumn(width=50),
            "Cell": st.column_config.ImageColumn(width=64),
            "Confidence": st.column_config.NumberColumn(format="%.2f"),
            "Size (red cells)": st.column_config.NumberColumn(
                format="%.1f", help="Mean of width and height, in red-cell diameters."
            ),
        },
        alt="One row per cell: suggested class, confidence, place and size in pixels",
    )


def pickable(
    frame: pd.DataFrame,
    key: str,
    chosen: int | None,
    on_pick: Callable[[int | None], None],
    *,
    required: bool = False,
    **look: Any,
) -> None:
    """A table in which one row can be picked, by a click anywhere in it or on its tick box.

    Args:
        frame: What it shows.
        key: Key of the widget; other rows need another one, or the pick carries over to them.
        chosen: Index of the row that is picked now, wherever it was picked.
        on_pick: Called before the page's next run with the row's index, or None if it was unpicked.
        required: Whether a row is always picked.
        look: Further arguments of `st.dataframe`.
    """
    rows = [] if chosen is None else [chosen]
    now: Any = {"rows": rows, "columns": [], "cells": []}
    state = st.session_state.get(key)
    if state is not None and state["selection"] != now:
        st.session_state[key] = {"selection": now}

    def pick() -> None:
        on_pick(picked_row(st.session_state[key]["selection"]))

    st.dataframe(
        frame,
        hide_index=True,
        key=key,
        on_select=pick,
        selection_mode=["single-row-required" if required else "single-row", "single-cell"],
        selection_default={"selection": now},
        **look,
    )


def pick_picture(
    desk: Bench,
    rows: Sequence[Mapping[str, object]],
    name: str,
    *,
    columns: Mapping[str, Any],
    alt: str,
) -> None:
    """A table of the pictures on the bench; picking a row shows that picture.

    Args:
        desk: The pictures, in the order of the rows.
        rows: One per picture, with the columns `No.`, `Image` and `Note` among others.
        name: Names the table among those of the page.
        columns: `column_config` of the other columns.
        alt: What the table shows, for a screen reader.
    """
    ids = list(desk.pictures)
    # Other images need another widget key: the row picked before means nothing among them.
    key = f"detect.{name}.{hashlib.sha256(repr(ids).encode()).hexdigest()[:12]}"
    pickable(
        pd.DataFrame(rows),
        key,
        ids.index(desk.shown) if desk.shown in ids else 0,
        lambda row: None if row is None else desk.show(ids[row]),
        required=True,
        height=min(38 + 35 * len(rows), 330),
        column_config={
            "No.": st.column_config.NumberColumn(width="small"),
            **columns,
            "Note": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt=alt,
    )


def picked_row(selection: Mapping[str, Any]) -> int | None:
    """Index of the row that was clicked, or ticked at its left; None if it was unpicked."""
    if selection["cells"]:
        return int(selection["cells"][0][0])
    return int(selection["rows"][0]) if selection["rows"] else None


def table_of(image: RGBImage, boxes: Sequence[Box], red_cell_px: float | None) -> pd.DataFrame:
    """One row per cell, in the order of the boxes; places and sizes in pixels of the image."""
    frame = pd.DataFrame(
        {
            "No.": [box.number for box in boxes],
            "Cell": [data_uri(crop(image, b.x1, b.y1, b.x2, b.y2, SMALL_CROP_PX)) for b in boxes],
            "Suggested class": [title_of(box.kind) for box in boxes],
            "Confidence": [rounded(box.confidence, 2) for box in boxes],
            "x (px)": [round(box.x1) for box in boxes],
            "y (px)": [round(box.y1) for box in boxes],
            "Width (px)": [round(box.x2 - box.x1) for box in boxes],
            "Height (px)": [round(box.y2 - box.y1) for box in boxes],
        }
    )
    if red_cell_px:
        frame["Size (red cells)"] = [rounded(_size_px(box) / red_cell_px, 1) for box in boxes]
    return frame


def rounded(value: float | None, decimals: int) -> float | None:
    """A number as a table shows it.

    A column's format is for the eye only: screen readers, copied cells and a cell that is opened
    have the number itself.
    """
    return None if value is None else round(float(value), decimals)


def _size_px(box: Box) -> float:
    return (box.x2 - box.x1 + box.y2 - box.y1) / 2
