"""The cells as a table with their pictures, linked to the field."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from allcell.formats.pixels import RGBImage
from allcell.ui.bench import Bench
from allcell.ui.controls import title_of
from allcell.ui.crops import crop, data_uri
from allcell.ui.viewer import Box

#: Sides of the pictures in the table and beside it, in pixels.
SMALL_CROP_PX = 80
LARGE_CROP_PX = 360
_ROW_PX = 52
_HEADER_PX = 40
_MOST_ROWS = 8


def cells(desk: Bench, image: RGBImage, boxes: Sequence[Box], red_cell_px: float | None) -> None:
    """The table and, beside it, the selected cell.

    Args:
        desk: Knows which cell is selected; picking a row selects one and moves the field to it.
        image: The pixels of the field.
        boxes: The cells.
        red_cell_px: Red-cell diameter, as a unit for sizes; None leaves that column out.
    """
    # The table's own buttons appear above its corner.
    st.space("xsmall")
    left, right = st.columns([3, 1], gap="medium")
    with left:
        _table(desk, image, boxes, red_cell_px)
    with right:
        chosen = next((box for box in boxes if box.id == desk.selected), None)
        if chosen is None:
            st.caption(
                "Click a row of the table, or a cell in the field, to see that cell large."
            )
        else:
            _card(image, chosen, red_cell_px)


def _table(desk: Bench, image: RGBImage, boxes: Sequence[Box], red_cell_px: float | None) -> None:
    ids = [box.id for box in boxes]
    # Other boxes are another table: the row that was picked before means nothing in it.
    key = f"detect.cells.{hashlib.sha256(repr(ids).encode()).hexdigest()[:16]}"
    # The field may have picked a cell since the table was drawn last.
    rows = [ids.index(desk.selected)] if desk.selected in ids else []
    state = st.session_state.get(key)
    selection = {"selection": {"rows": rows, "columns": [], "cells": []}}
    if state is not None and state["selection"] != selection["selection"]:
        st.session_state[key] = selection

    def pick() -> None:
        picked = picked_row(st.session_state[key]["selection"])
        desk.selected = None if picked is None else ids[picked]
        desk.focus += 1

    st.dataframe(
        table_of(image, boxes, red_cell_px),
        hide_index=True,
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
        key=key,
        on_select=pick,
        selection_mode=["single-row", "single-cell"],
        selection_default=selection,
        alt="One row a cell: suggested class, confidence, place and size in pixels",
    )


def picked_row(selection: Mapping[str, Any]) -> int | None:
    """The row that was clicked, anywhere in it, or ticked at its left; None if it was let go."""
    if selection["cells"]:
        return int(selection["cells"][0][0])
    return int(selection["rows"][0]) if selection["rows"] else None


def table_of(image: RGBImage, boxes: Sequence[Box], red_cell_px: float | None) -> pd.DataFrame:
    """One row a cell, in the order of the boxes; places and sizes in pixels of the image."""
    frame = pd.DataFrame(
        {
            "No.": [box.number for box in boxes],
            "Cell": [data_uri(crop(image, b.x1, b.y1, b.x2, b.y2, SMALL_CROP_PX)) for b in boxes],
            "Suggested class": [title_of(box.kind) for box in boxes],
            "Confidence": [box.confidence for box in boxes],
            "x (px)": [round(box.x1) for box in boxes],
            "y (px)": [round(box.y1) for box in boxes],
            "Width (px)": [round(box.x2 - box.x1) for box in boxes],
            "Height (px)": [round(box.y2 - box.y1) for box in boxes],
        }
    )
    if red_cell_px:
        frame["Size (red cells)"] = [_size_px(box) / red_cell_px for box in boxes]
    return frame


def _size_px(box: Box) -> float:
    return (box.x2 - box.x1 + box.y2 - box.y1) / 2


def _card(image: RGBImage, box: Box, red_cell_px: float | None) -> None:
    picture = crop(image, box.x1, box.y1, box.x2, box.y2, LARGE_CROP_PX)
    st.image(picture, width="stretch", output_format="JPEG", alt=f"Cell {box.number}")
    st.markdown(f"**No. {box.number}: {title_of(box.kind)}**, confidence {box.confidence:.2f}")
    size = f"{box.x2 - box.x1:.0f} x {box.y2 - box.y1:.0f} px"
    if red_cell_px:
        size += f", {_size_px(box) / red_cell_px:.1f} red-cell diameters"
    st.caption(f"{size}. A suggested class, not confirmed by anyone.")
