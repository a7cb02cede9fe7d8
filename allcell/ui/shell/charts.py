"""Plotly figures from tables. Pure functions; colours differ by lightness too, lines by dash."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from allcell.text.words import SCORE_TITLES

#: Okabe and Ito's palette, without its yellow, which fades on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b38600", "#56b4e9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
#: Shapes of marks, told apart without colour.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
#: Below the plot and as wide as the figure: on a phone two names fit side by side.
LEGEND = {
    "orientation": "h",
    "xref": "container",
    "yref": "container",
    "x": 0.02,
    "y": 0.01,
    "yanchor": "bottom",
    "font": {"size": 11},
}
#: Limits of a score's axis, with room for a line at 1.
SHARE = (0.0, 1.02)


@dataclass(frozen=True)
class Look:
    """How one of several models is drawn.

    Attributes:
        colour: Colour of its line and marks.
        dash: Dash of its line.
        symbol: Shape of its marks.
    """

    colour: str
    dash: str
    symbol: str


def looks(names: Iterable[str], everyone: Sequence[str] = ()) -> dict[str, Look]:
    """A look for each model; the first 36 differ from one another.

    Args:
        names: Models that are drawn.
        everyone: All models that could be, so that each keeps its look whichever others are drawn.
    """
    found = {}
    for n, name in enumerate(dict.fromkeys([*everyone, *names])):
        shifted = n + n // len(COLOURS)
        found[name] = Look(
            COLOURS[n % len(COLOURS)],
            DASHES[shifted % len(DASHES)],
            SYMBOLS[shifted % len(SYMBOLS)],
        )
    return found


def upper_share(values: Iterable[float]) -> tuple[float, float]:
    """Axis limits for scores near 1: from a little below the lowest."""
    lowest = min(values, default=0.0)
    return max(0.0, math.floor(10 * lowest - 0.5) / 10), SHARE[1]


#: Columns of a detector's training curve that are drawn, each with its title.
DETECTOR_CURVES = (
    ("metrics/mAP50(B)", SCORE_TITLES["ap50"]),
    ("metrics/mAP50-95(B)", SCORE_TITLES["ap50_95"]),
    ("metrics/precision(B)", "P"),
    ("metrics/recall(B)", "R"),
)
LOSS_CURVES = (
    ("train/box_loss", "box, training"),
    ("train/cls_loss", "class, training"),
    ("val/box_loss", "box, validation"),
    ("val/cls_loss", "class, validation"),
)
CLASSIFIER_ACCURACIES = (("train/accuracy", "training"), ("val/accuracy", "validation"))
CLASSIFIER_LOSSES = (("train/loss", "training"), ("val/loss", "validation"))


def lines(
    series: Mapping[str, tuple[pd.Series, pd.Series]],
    *,
    title: str,
    x_title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    everyone: Sequence[str] = (),
    height_px: int = 380,
) -> go.Figure:
    """Several lines in one plot, told apart by colour and by dash.

    Args:
        series: x and y by name.
        title: Title of the figure.
        x_title: Title of the x axis, with its unit.
        y_title: Title of the y axis, with its unit.
        y_range: Limits of the y axis; those of the data if None.
        x_range: Limits of the x axis; those of the data if None.
        marks: A point (x, y) on some of the lines, by name; its shape differs from line to line.
        everyone: See `looks`.
        height_px: Height of the figure.
    """
    figure = go.Figure()
    look_of = looks(series, everyone)
    for name, (x, y) in series.items():
        mine = look_of[name]
        line = {"color": mine.colour, "dash": mine.dash, "width": 2}
        symbol = {"color": mine.colour, "symbol": mine.symbol}
        mark = (marks or {}).get(name)
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line=line,
            hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
            legendgroup=name,
            showlegend=mark is None,
        )
        if mark is None:
            continue
        figure.add_scatter(
            x=[mark[0]],
            y=[mark[1]],
            name=name,
            mode="markers",
            marker=symbol | {"size": 12, "line": {"width": 1.5, "color": "white"}},
            hovertemplate=f"{name} here: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
            legendgroup=name,
            showlegend=False,
        )
        # The legend names line and mark together.
        figure.add_scatter(
            x=[None],
            y=[None],
            name=name,
            mode="lines+markers",
            line=line,
            marker=symbol | {"size": 9},
            legendgroup=name,
        )
    figure.update_layout(
        height=height_px,
        title={"text": title, "font": {"size": 15}},
        margin={"l": 10, "r": 10, "t": 40, "b": 90},
        legend=LEGEND,
        hovermode="closest" if marks else "x unified",
        xaxis={"title": {"text": x_title}, "range": list(x_range) if x_range else None},
        yaxis={"title": {"text": y_title}, "range": list(y_range) if y_range else None},
    )
    return figure


def _of_epochs(
    curve: pd.DataFrame,
    columns: Sequence[tuple[str, str]],
    *,
    title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
) -> go.Figure:
    """Some columns of a training curve against the epoch, given as (column, title)."""
    return lines(
        {words: (curve["epoch"], curve[column]) for column, words in columns},
        title=title,
        x_title="Epoch",
        y_title=y_title,
        y_range=y_range,
    )


def training_scores(curve: pd.DataFrame) -> go.Figure:
    """P, R and AP of a detector on validation, epoch by epoch (the paper's Figures 4, 5)."""
    return _of_epochs(
        curve,
        DETECTOR_CURVES,
        title="Scores on validation",
        y_title="Score (0 to 1)",
        y_range=SHARE,
    )


def training_losses(curve: pd.DataFrame) -> go.Figure:
    """A detector's losses, epoch by epoch."""
    return _of_epochs(curve, LOSS_CURVES, title="Losses", y_title="Loss (no unit)")


def classifier_accuracy(curve: pd.DataFrame) -> go.Figure:
    """A classifier's accuracy on what it trains on and on validation, epoch by epoch."""
    return _of_epochs(
        curve,
        CLASSIFIER_ACCURACIES,
        title="Accuracy",
        y_title="Fields right (0 to 1)",
        y_range=SHARE,
    )


def classifier_losses(curve: pd.DataFrame) -> go.Figure:
    """A classifier's losses, epoch by epoch; values above 2 nats are cut off."""
    return _of_epochs(
        curve,
        CLASSIFIER_LOSSES,
        title="Loss",
        y_title="Cross-entropy (nats)",
        y_range=(0, min(2.0, 1.05 * float(curve[["train/loss", "val/loss"]].to_numpy().max()))),
    )


def training_overlay(
    curves: Mapping[str, pd.DataFrame], column: str, title: str, everyone: Sequence[str] = ()
) -> go.Figure:
    """One score of several models in one plot, epoch by epoch (the paper's Figure 6).

    Args:
        curves: Training curves by model.
        column: Column of the curves.
        title: Display title of the score.
        everyone: See `looks`.
    """
    return lines(
        {name: (curve["epoch"], curve[column]) for name, curve in curves.items()},
        title=f"{title} on validation",
        x_title="Epoch",
        y_title=f"{title} (0 to 1)",
        y_range=SHARE,
        everyone=everyone,
    )
