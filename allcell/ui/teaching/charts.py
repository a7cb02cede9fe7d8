"""Before and after, and the learning curve, as figures. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from allcell.models.classes import CELL_CLASSES
from allcell.ui.shell.charts import COLOURS, LEGEND, SHARE

#: What the two models are called wherever they stand side by side.
BEFORE, AFTER = "as it came", "taught here"
#: Scores of a class, in words.
SCORES = {
    "recall": "found",
    "precision": "rightly suggested",
    "ap": "overall (AP)",
}
_ROWS = {cell.name: cell.row for cell in CELL_CLASSES}
#: Of intervals, which lie half on a bar and half on the page: on a light page, and on a dark one.
_LINES = {False: "#14191b", True: "#f1efeb"}


def before_and_after(verdict: Mapping[str, Any], *, dark: bool = False) -> go.Figure:
    """Bars of both models one below the other, with their intervals.

    Args:
        verdict: That of a teaching's report.
        dark: Whether the page has the dark theme.
    """
    names, pairs = [], []
    for kind, scores in verdict["before"]["classes"].items():
        for score, words in SCORES.items():
            pair = (scores[score], verdict["after"]["classes"][kind][score])
            if any(one["value"] is not None for one in pair):
                names.append(f"{_ROWS.get(kind, kind)},<br>{words}")
                pairs.append(pair)
    intervals = any(one["low"] is not None for pair in pairs for one in pair)
    figure = go.Figure()
    looks = ((BEFORE, COLOURS[5], "/"), (AFTER, COLOURS[0], ""))
    for side, (title, colour, pattern) in enumerate(looks):
        measured = [pair[side] for pair in pairs]
        figure.add_bar(
            x=[one["value"] for one in measured],
            y=names,
            name=title,
            orientation="h",
            marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.25}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_length(one["value"], one["high"]) for one in measured],
                "arrayminus": [_length(one["low"], one["value"]) for one in measured],
                "color": _LINES[dark],
                "thickness": 2,
                "width": 4,
            }
            if intervals
            else None,
            hovertemplate=f"%{{y}}, {title}: %{{x:.2f}}<extra></extra>",
        )
    figure.update_layout(
        height=130 + 52 * len(names),
        title={"text": "Before and after, on the same fields", "font": {"size": 15}},
        margin={"l": 10, "r": 10, "t": 40, "b": 80},
        legend=LEGEND | {"traceorder": "normal"},
        barmode="group",
        bargap=0.35,
        xaxis={
            "title": {"text": f"Share (0 to 1){', 95 % interval' * intervals}"},
            "range": list(SHARE),
        },
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return figure


def _length(low: float | None, high: float | None) -> float | None:
    """Of one arm; None where there is no interval, of which the end caps would be drawn."""
    return None if low is None or high is None else max(0.0, high - low)


def learning_curve(points: Sequence[Mapping[str, float]]) -> go.Figure:
    """How the score grew with the number of fields that were learned from.

    Args:
        points: Those of a teaching's report.
    """
    figure = go.Figure()
    # Of two with as many fields, the one that the verdict is about.
    points = list({point["fields"]: point for point in points}.values())
    scores = [point["mean_ap"] for point in points]
    figure.add_scatter(
        x=[point["fields"] for point in points],
        y=scores,
        mode="lines+markers+text",
        line={"color": COLOURS[0], "width": 2},
        marker={"color": COLOURS[0], "size": 10},
        text=[f"{score:.2f}" for score in scores],
        textposition="top center",
        hovertemplate="%{x:.0f} fields: %{y:.3f}<extra></extra>",
        cliponaxis=False,
    )
    # A flat curve is not to look steep.
    lowest = max(0.0, min(scores) - 0.15)
    most = max(point["fields"] for point in points) or 1.0
    figure.update_layout(
        height=300,
        title={"text": "What each further field brought", "font": {"size": 15}},
        margin={"l": 10, "r": 24, "t": 40, "b": 10},
        showlegend=False,
        xaxis={
            "title": {"text": "Fields learned from"},
            "range": [-0.07 * most, 1.07 * most],
            "zeroline": False,
        },
        yaxis={"title": {"text": "Mean AP@0.5 (0 to 1)"}, "range": [lowest, 1.06], "dtick": 0.1},
    )
    return figure
