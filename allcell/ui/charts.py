"""Plotly figures from tables. Pure functions; colours differ by lightness too, lines by dash."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

#: Okabe and Ito's palette, without its yellow, which fades on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b38600", "#56b4e9", "#7f7f7f", "#8c564b")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")

#: What of a detector's training curve is drawn: column, title.
DETECTOR_CURVES = (
    ("metrics/mAP50(B)", "mAP@0.5"),
    ("metrics/mAP50-95(B)", "mAP@0.5:0.95"),
    ("metrics/precision(B)", "P"),
    ("metrics/recall(B)", "R"),
)
LOSS_CURVES = (
    ("train/box_loss", "box, training"),
    ("train/cls_loss", "class, training"),
    ("val/box_loss", "box, validation"),
    ("val/cls_loss", "class, validation"),
)
CLASSIFIER_CURVES = (
    ("train/accuracy", "accuracy, training"),
    ("val/accuracy", "accuracy, validation"),
    ("train/loss", "loss, training"),
    ("val/loss", "loss, validation"),
)


def lines(
    series: Mapping[str, tuple[pd.Series, pd.Series]],
    *,
    x_title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    height_px: int = 300,
) -> go.Figure:
    """Some lines over one another, told apart by colour and by dash.

    Args:
        series: x and y by name.
        x_title: Of the abscissa, with its unit.
        y_title: Of the ordinate, with its unit.
        y_range: Limits of the ordinate; those of the data if None.
        height_px: Height of the figure.
    """
    figure = go.Figure()
    for n, (name, (x, y)) in enumerate(series.items()):
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line={
                "color": COLOURS[n % len(COLOURS)],
                "dash": DASHES[n % len(DASHES)],
                "width": 2,
            },
            hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
        )
    figure.update_layout(
        height=height_px,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": -0.25, "x": 0},
        hovermode="x unified",
        xaxis={"title": {"text": x_title}},
        yaxis={"title": {"text": y_title}, "range": list(y_range) if y_range else None},
    )
    return figure


def training_scores(curve: pd.DataFrame) -> go.Figure:
    """P, R and both mAPs of a detector on validation, epoch by epoch (the paper's Figures 4, 5)."""
    return lines(
        {title: (curve["epoch"], curve[column]) for column, title in DETECTOR_CURVES},
        x_title="Epoch",
        y_title="On validation, 0 to 1",
        y_range=(0, 1.02),
    )


def training_losses(curve: pd.DataFrame) -> go.Figure:
    """A detector's losses, epoch by epoch."""
    return lines(
        {title: (curve["epoch"], curve[column]) for column, title in LOSS_CURVES},
        x_title="Epoch",
        y_title="Loss",
    )


def classifier_training(curve: pd.DataFrame) -> go.Figure:
    """A classifier's accuracies and losses, epoch by epoch; the first losses are cut off."""
    return lines(
        {title: (curve["epoch"], curve[column]) for column, title in CLASSIFIER_CURVES},
        x_title="Epoch",
        y_title="Accuracy (0 to 1), loss",
        y_range=(0, 2),
    )


def training_overlay(curves: Mapping[str, pd.DataFrame], column: str, title: str) -> go.Figure:
    """One score of several models over one another, epoch by epoch (the paper's Figure 6).

    Args:
        curves: Training curves by model.
        column: Of the curve.
        title: What a person reads for it.
    """
    return lines(
        {name: (curve["epoch"], curve[column]) for name, curve in curves.items()},
        x_title="Epoch",
        y_title=f"{title} on validation, 0 to 1",
        y_range=(0, 1.02),
    )
