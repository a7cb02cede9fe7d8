"""Side by side: the cells on which the models disagree, and the whole-field CNN against them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import comb

import pandas as pd
import streamlit as st

from allcell.classifier import FieldClass
from allcell.environment.provenance import Provenance
from allcell.imaging.images import RGBImage
from allcell.models.registry import FIELD_CLASSES
from allcell.report.agreement import NOT_FOUND, Agreement, Call, cells_csv
from allcell.result import Result
from allcell.text.noticed import csv_file
from allcell.ui.compare.side.runs import SideDesk
from allcell.ui.field.crops import crop, data_uri
from allcell.ui.field.pictures import Picture
from allcell.ui.field.table import SMALL_CROP_PX, pickable, rounded
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.wording import plain

_ROW_PX = 52
_HEADER_PX = 40
_MOST_ROWS = 8


def agreement_text(agreement: Agreement, models: int) -> str:
    """On how many of the cells the models agree, and how they differ on the others."""
    n = len(agreement.found)
    if not n:
        return "No model found a cell at these thresholds."
    whole = "both models agree" if models == 2 else f"all {models} models agree"
    text = f"Of {n} {_cells(n)} found, {whole} on {agreement.agreed}."
    apart = []
    if agreement.named_apart:
        apart.append(f"{agreement.named_apart} with different suggested classes")
    if agreement.overlooked:
        apart.append(f"{agreement.overlooked} that not every model finds")
    if apart:
        text += f" The others: {', '.join(apart)}."
    missed = len(agreement.cells) - n
    if missed:
        text += f" {missed} true {_cells(missed)} found by none."
    return text


def _cells(n: int) -> str:
    return "cell" if n == 1 else "cells"


def field_text(title: str, field: FieldClass, results: Mapping[str, Result]) -> tuple[bool, str]:
    """What a whole-field classifier suggests, and which detectors suggest something else.

    A detector suggests a blast if it shows at least one at its threshold; one without a blast class
    is left out.

    Args:
        title: Title of the classifier.
        field: Its answer, not withheld.
        results: What the detectors show, by title.

    Returns:
        Whether any detector differs, and the words (Markdown).
    """
    cancerous = field.suggested == FIELD_CLASSES[1]
    blast = {
        plain(name): suggests
        for name, result in results.items()
        if (suggests := result.counts.suggests_blasts) is not None
    }
    mark = ", not to be trusted" if field.overruled else ""
    text = (
        f"{plain(title)}: suggested class of the whole field **{field.suggested}**, probability "
        f"of cancerous {field.probability:.2f} (not calibrated{mark})."
    )
    for suggests in (True, False):
        names = [name for name, found in blast.items() if found == suggests]
        if not names:
            continue
        who = f"all {len(names)} detectors" if 2 < len(names) == len(blast) else ", ".join(names)
        what = f"{_verb(names)} {'a' if suggests else 'no'} blast"
        if suggests == cancerous:
            text += f" With it: {who} {what}."
        else:
            text += f" Against it: **{who}** {what} at the chosen threshold."
    return any(found != cancerous for found in blast.values()), text


def unknown_text(classes: Mapping[str, Sequence[str]]) -> str:
    """Which models cannot suggest a class that another one can; empty if there is none.

    Args:
        classes: Class names of each model, by its title.
    """
    everything = dict.fromkeys(name for names in classes.values() for name in names)
    lacking = [
        f"{plain(title)} knows no {' and no '.join(plain(title_of(c)) for c in missing)}"
        for title, names in classes.items()
        if (missing := [name for name in everything if name not in names])
    ]
    return f"{'; '.join(lacking)}: such cells can only be missed." if lacking else ""


def _verb(names: Sequence[str]) -> str:
    return "suggests" if len(names) == 1 else "suggest"


def cells(
    desk: SideDesk,
    picture: Picture,
    agreement: Agreement,
    titles: Mapping[str, str],
    made: Mapping[str, Provenance],
    *,
    truth: bool,
    reservation: str = "",
) -> None:
    """The sentence, the table of cells and its download; picking a row moves all panes to it.

    Args:
        desk: Holds the selection.
        picture: The field.
        agreement: Its cells.
        titles: Titles of the models by name, in the order of the calls.
        made: How the boxes of the models came about, by name.
        truth: Whether the ground truth is shown.
        reservation: What has to be said with the table (see `Cautioned.reservation`).
    """
    st.subheader("Where the models disagree", anchor=False)
    if reservation:
        st.caption(plain(reservation))
    st.markdown(f"**{agreement_text(agreement, len(titles))}**")
    if not agreement.cells:
        st.caption("Lower the threshold to see what the models consider less certain.")
        return
    # The table's own buttons appear above its corner.
    st.space("xxsmall")
    places = [cell.xyxy for cell in agreement.cells]

    def pick(row: int | None) -> None:
        desk.select(picture, None if row is None else places[row])
        desk.focus += 1

    # Other cells need another widget key: the row picked before means nothing among them.
    digest = hashlib.sha256(repr((picture.digest, places)).encode()).hexdigest()[:16]
    pickable(
        table_of(desk.memory.image(picture), agreement, list(titles.values()), truth=truth),
        f"side.cells.{digest}",
        desk.selected(picture, agreement),
        pick,
        row_height=_ROW_PX,
        height=_HEADER_PX + _ROW_PX * min(len(places), _MOST_ROWS),
        column_config={
            "No.": st.column_config.NumberColumn(width=50),
            "Cell": st.column_config.ImageColumn(width=64),
            "Pairs that differ": st.column_config.TextColumn(
                help="Of all pairs of models, how many say different things about it; "
                '"not found" is one of them. The rows are sorted by it, different classes first.'
            ),
            "Confidence spread": st.column_config.NumberColumn(
                format="%.2f", help="Highest minus lowest confidence; not found counts as 0."
            ),
        },
        alt="One row per cell: what each model says about it, the most disputed cell first",
    )
    st.caption(
        "Click a row to see the cell in all panes, or a box in a pane. Boxes of two models are one "
        "cell at an intersection over union of 0.5 or more. Suggested classes, confirmed by no one."
    )
    st.download_button(
        "Download the cells (CSV)",
        csv_file(cells_csv(agreement, made, truth=truth, reservation=reservation)),
        "side-by-side.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="side.csv",
    )


def table_of(
    image: RGBImage, agreement: Agreement, titles: Sequence[str], *, truth: bool
) -> pd.DataFrame:
    """One row per cell, in the order of the cells; `image` is RGB uint8 (H, W, 3)."""
    found = agreement.cells
    columns: dict[str, Sequence[object]] = {
        "No.": list(range(1, len(found) + 1)),
        "Cell": [data_uri(crop(image, *cell.xyxy, SMALL_CROP_PX)) for cell in found],
    }
    for n, title in enumerate(titles):
        columns[title] = [_call(cell.calls[n]) for cell in found]
    if truth:
        columns["Truth"] = [title_of(c.truth.class_name) if c.truth else "no cell" for c in found]
    pairs = comb(len(titles), 2)
    columns["Pairs that differ"] = [f"{round(c.disagreement * pairs)} of {pairs}" for c in found]
    columns["Confidence spread"] = [rounded(cell.spread, 2) for cell in found]
    return pd.DataFrame(columns)


def _call(call: Call | None) -> str:
    return f"{title_of(call.class_name)} {call.confidence:.2f}" if call else NOT_FOUND
