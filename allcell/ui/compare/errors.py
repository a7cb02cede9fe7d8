"""Compare: how detections go wrong, by kind for each model and by field for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from allcell.evaluation.confusion import KINDS, by_kind, confusion
from allcell.ui.compare.views import View, draw_confusion
from allcell.ui.shell.controls import title_of

_FIELD = "Field"
#: Rows of the table by field that are in view without scrolling in it.
_ROWS = 12


def draw_errors(views: Sequence[View], fields: Sequence[str], class_name: str) -> None:
    """Errors by kind of all models; the confusion matrix and the fields of one.

    Args:
        views: The models, all for one class.
        fields: Names of the images.
        class_name: That class.
    """
    st.subheader("What goes wrong", anchor=False)
    table = errors_by_kind(views)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={"Model": st.column_config.TextColumn(pinned=True, width=190)},
        alt="Errors of each model by kind, all classes, at its threshold",
    )
    meanings = "; ".join(f"*{kind}*, {meaning}" for kind, meaning in KINDS.items())
    st.caption(
        f"All classes, each model at its threshold above, one class a cell. Kinds: {meanings}."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        chosen = draw_confusion(views)
    with right:
        _by_field(chosen, fields, class_name)


def errors_by_kind(views: Sequence[View]) -> pd.DataFrame:
    """One row per model: how many errors of each kind, over all classes.

    Args:
        views: The models at their thresholds.
    """
    rows = []
    for view in views:
        found = confusion(view.kept.evidence.shown_at(view.threshold))
        kinds = by_kind(found.mistakes)
        rows.append(
            {
                "Model": view.title,
                **{f"{kind[:1].upper()}{kind[1:]}": number for kind, number in kinds.items()},
                "All": sum(kinds.values()),
            }
        )
    return pd.DataFrame(rows)


def errors_by_field(view: View, fields: Sequence[str]) -> pd.DataFrame:
    """One row per image, the worst first: cells of the class, found, false alarms, missed.

    Args:
        view: A model at its threshold, for one class.
        fields: Names of the images.
    """
    matches, n = view.matches, len(view.matches.truths)
    used = matches.counted_at(view.threshold)
    found = np.bincount(matches.image[used & matches.correct[0]], minlength=n)
    boxes = np.bincount(matches.image[used], minlength=n)
    table = pd.DataFrame(
        {
            _FIELD: list(fields),
            "Cells": matches.truths,
            "Found": found,
            "False alarms": boxes - found,
            "Missed": matches.truths - found,
        }
    )
    wrong = table["False alarms"] + table["Missed"]
    return table.loc[wrong.sort_values(ascending=False, kind="stable").index]


def _by_field(view: View, fields: Sequence[str], class_name: str) -> None:
    table = errors_by_field(view, fields)
    st.markdown(f"**{title_of(class_name)} by field, {view.title} at {view.threshold:.2f}**")
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * min(_ROWS, len(table)),
        column_config={_FIELD: st.column_config.TextColumn(pinned=True, width=110)},
        alt="Cells, found, false alarms and missed in each field, the worst field first",
    )
    st.caption("The fields with most errors first; a click on a title sorts by it.")
