"""The head of the Models page: all models in one table, and how they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from allcell.evaluation.intervals import interval_of, score_text
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import ClassifierSpec
from allcell.own.card import NOTE
from allcell.text.words import BOTH_APS, SCORE_TITLES
from allcell.ui.shell import charts
from allcell.ui.shell.catalog import Listing
from allcell.ui.shell.kept_metrics import test_metrics, training_curve

#: Models whose curves share a plot, as in the paper's Figure 6.
_FIGURE_6 = ("yolov5s", "yolov5m", "yolov5s-scratch")

#: Columns of scores: title, class and score.
_SCORES = {
    f"{cell.heading}, {SCORE_TITLES[score]}": (cell.name, score)
    for score in ("ap50_as_shown", "ap50")
    for cell in CELL_CLASSES
    if cell.paper
}


def overview(entries: Sequence[Listing]) -> None:
    """One row per model: state, size, and scores on the test fields."""
    st.dataframe(
        pd.DataFrame([_row(entry) for entry in entries]),
        hide_index=True,
        column_config={
            # Pinned and narrow, so that a phone shows a score next to it.
            "Model": st.column_config.TextColumn(pinned=True, width=190),
            "Weights (MB)": st.column_config.NumberColumn(format="%.1f"),
            "Parameters (million)": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="One row per model: state, size, scores on the 17 test fields",
    )
    st.caption(
        "Scores on the 17 ALL-IDB1 test fields, with 95 % bootstrap intervals over the fields; "
        "for the whole-field CNN, right answers with the exact interval. "
        f"{BOTH_APS} Sources, settings and every mistake are in the cards below."
    )


def _row(entry: Listing) -> dict[str, Any]:
    spec, files = entry.spec, entry.files
    metrics = test_metrics(entry)
    state = "yours" if entry.user_model else "ready" if entry.usable else "not here"
    if entry.own is not None:
        state = NOTE
    row: dict[str, Any] = {
        "Model": spec.title,
        **{title: "" for title in _SCORES},
        "Whole fields right": "",
        "State": state,
        "Weights (MB)": files.checkpoint.bytes / 1e6 if files else None,
        "Parameters (million)": files.parameters / 1e6 if files else None,
    }
    if entry.user_model is not None:
        row["Weights (MB)"] = entry.user_model.network.size_bytes / 1e6
    if entry.own is not None:
        row["Weights (MB)"] = entry.own.size_bytes / 1e6
    if metrics is None:
        return row
    if isinstance(spec, ClassifierSpec):
        right = metrics["counts"]["accuracy"]
        row["Whole fields right"] = (
            f"{right['k']} of {right['n']} ({right['low']:.2f} to {right['high']:.2f})"
        )
        return row
    for title, (name, score) in _SCORES.items():
        # JSON of earlier versions has no AP as shown.
        interval = interval_of(metrics["intervals"].get(f"{name}.{score}"), metrics["images"])
        value = metrics["classes"][name].get(score)
        row[title] = score_text(value, interval, "{:.3f}".format)
    right = sum(f["blast_present"] == f["blast_suggested"] for f in metrics["fields"])
    row["Whole fields right"] = f"{right} of {metrics['images']}"
    return row


def curves_of(entry: Listing) -> None:
    """The training curves of one model."""
    curve = training_curve(entry.spec.name)
    if curve is None:
        return
    # Drawn only when asked for: the charting library is larger than the rest of the page.
    learned = st.expander(
        "How it learned", key=f"models.learned.{entry.spec.name}", on_change="rerun"
    )
    if not learned.open:
        return
    with learned:
        scores, losses = (
            (charts.classifier_accuracy, charts.classifier_losses)
            if isinstance(entry.spec, ClassifierSpec)
            else (charts.training_scores, charts.training_losses)
        )
        left, right = st.columns(2, gap="medium")
        with left:
            _chart(scores(curve), f"{entry.spec.name}-scores")
        with right:
            _chart(losses(curve), f"{entry.spec.name}-losses")
        st.caption("Validation is on 13 ALL-IDB1 fields that are neither trained on nor tested on.")


def figure_6(entries: Sequence[Listing]) -> None:
    """The paper's Figure 6: YOLOv5 in its sizes, pre-trained or not."""
    curves = {
        entry.spec.title: curve
        for entry in entries
        if entry.spec.name in _FIGURE_6 and (curve := training_curve(entry.spec.name)) is not None
    }
    if len(curves) < 2:
        return
    st.subheader("YOLOv5, pre-trained and from random weights", anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        _chart(
            charts.training_overlay(curves, "metrics/mAP50(B)", SCORE_TITLES["ap50"]),
            "figure-6-50",
        )
    with right:
        _chart(
            charts.training_overlay(curves, "metrics/mAP50-95(B)", SCORE_TITLES["ap50_95"]),
            "figure-6-95",
        )
    st.caption(
        "After the paper's Figure 6: mean over all classes on the 13 validation fields, epoch by "
        "epoch of the training on ALL-IDB1, pre-training not drawn."
    )


def _chart(figure: Figure, key: str) -> None:
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})
