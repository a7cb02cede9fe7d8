"""What a sweep found: its counts, where the cells lie, the next one to look at, and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import streamlit as st

from allcell.errors import AllcellError
from allcell.report.slide import cells_of_sweep, slide_csv, slide_geojson, slide_parquet
from allcell.review.labels import FIXED_LABELS
from allcell.runs.sweeping.found import FoundBySweep, read_found
from allcell.runs.sweeping.work import SlideSweep
from allcell.scanning.density import Order, tour
from allcell.scanning.grid import centres
from allcell.slides.slide import Slide
from allcell.text.noticed import csv_file
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import interval_text, share_text
from allcell.ui.slides.density_map import density_picture

#: Moves the view to a place, x and y in pixels of the slide's finest level.
Go: TypeAlias = Callable[[float, float], None]
_FOUND = "slides.sweep.found"


def show_found(sweep: SlideSweep, slide: Slide, go: Go) -> None:
    """Draw what a sweep that is not working has found.

    Args:
        sweep: The sweep.
        slide: Its slide.
        go: Moves the view.
    """
    try:
        found = _found(sweep, slide)
    except AllcellError as error:
        show_problem(error)
        return
    if found is None:
        return
    seen, key = found.seen, sweep.folder.name
    counts = seen.counts_of(seen.cells())
    share = counts.blast_share
    st.markdown(
        f"**{counts.white_cells or 0:,} white cells**, {counts.blasts or 0:,} suggested as blasts"
        + (f": {share_text(share)} of them, {interval_text(share)}." if share.n else ".")
    )
    if not len(seen.cells()):
        return
    kind = st.segmented_control(
        "Map of",
        ["White cells", "Blasts"],
        default="White cells",
        key=f"slides.sweep.map.{key}",
    )
    st.image(
        density_picture(slide, seen, blasts=kind == "Blasts"),
        caption="Where they lie: the stronger the colour, the more of them. What was not seen is "
        "paler.",
    )
    with st.container(horizontal=True):
        _tour("Next blast", "place", f"{key}.blast", found, go, "blast")
        _tour("Next uncertain cell", "doubt", f"{key}.doubt", found, go)
    _files(sweep, found)


def _found(sweep: SlideSweep, slide: Slide) -> FoundBySweep | None:
    """Read once for each state of its file."""
    try:
        known = sweep.answers.stat()
    except OSError:
        return None
    stamp = (sweep.folder.name, known.st_size, known.st_mtime_ns)
    kept = st.session_state.setdefault(_FOUND, {})
    if kept.get(sweep.folder.name, (None,))[0] != stamp:
        kept[sweep.folder.name] = (stamp, read_found(sweep, slide))
    found: FoundBySweep | None = kept[sweep.folder.name][1]
    return found


def _tour(
    label: str, order: Order, key: str, found: FoundBySweep, go: Go, role: str | None = None
) -> None:
    cells = tour(found.seen, order, "blast") if role else tour(found.seen, order)
    at = st.session_state.get(f"slides.sweep.at.{key}", -1)

    def move() -> None:
        st.session_state[f"slides.sweep.at.{key}"] = now = (at + 1) % len(cells)
        x, y = centres(cells.xyxy[now : now + 1])[0].tolist()
        go(x, y)

    place = f" ({at + 1} of {len(cells)})" if at >= 0 else f" ({len(cells)})"
    st.button(
        f"{label}{place}",
        key=f"slides.sweep.tour.{key}",
        icon=":material/arrow_forward:",
        on_click=move,
        disabled=not len(cells),
    )


def _files(sweep: SlideSweep, found: FoundBySweep) -> None:
    key = sweep.folder.name
    colours = {label.name: label.colour for label in FIXED_LABELS}

    def geojson() -> bytes:
        words = "Suggestions of a model, reviewed by nobody."
        cells = cells_of_sweep(found.seen)
        return slide_geojson(sweep.request.key, cells, colours, words).encode()

    def table() -> bytes:
        return csv_file(slide_csv(cells_of_sweep(found.seen), found.made))

    def parquet() -> bytes:
        return slide_parquet(cells_of_sweep(found.seen), found.made)

    with st.container(horizontal=True, gap="small"):
        for label, make, name, mime in (
            ("GeoJSON for QuPath", geojson, "slide.geojson", "application/geo+json"),
            ("Cells (CSV)", table, "slide-cells.csv", "text/csv"),
            ("Cells (Parquet)", parquet, "slide-cells.parquet", "application/octet-stream"),
        ):
            st.download_button(
                label,
                make,
                f"allcell-{name}",
                mime,
                key=f"slides.sweep.file.{key}.{name}",
                on_click="ignore",
                icon=":material/download:",
            )
    st.caption("What the model found, as nobody has reviewed it. The case has files of its own.")
