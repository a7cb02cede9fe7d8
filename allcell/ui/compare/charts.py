"""Figures that only the Compare page has, in the style of `shell.charts`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from allcell.models.registry import PAPER_CLASSES
from allcell.report.table1 import CLASS_ROWS
from allcell.text.words import SCORE_TITLES
from allcell.ui.shell.charts import COLOURS, LEGEND, looks, upper_share
from allcell.ui.shell.controls import choose_one

#: Name, measured, its interval, published; None where there is no number.
ForestRow = tuple[str, float | None, tuple[float, float] | None, float | None]


def forest(rows: Sequence[ForestRow], *, title: str, x_title: str) -> go.Figure:
    """Published (open) and measured (filled, with its interval) one below the other.

    Args:
        rows: One per model.
        title: Title of the figure.
        x_title: Title of the x axis, with its unit.
    """
    figure = go.Figure()
    measured = [(name, value, ends) for name, value, ends, _ in rows if value is not None]
    figure.add_scatter(
        x=[value for _, value, _ in measured],
        y=[name for name, *_ in measured],
        name="measured by us, 95 % interval",
        mode="markers",
        marker={"color": COLOURS[0], "symbol": "circle", "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            # Without an interval there is no bar: one of length 0 has its end caps drawn.
            "array": [ends[1] - value if ends else None for _, value, ends in measured],
            "arrayminus": [value - ends[0] if ends else None for _, value, ends in measured],
            "color": COLOURS[0],
            "thickness": 2,
            "width": 6,
        },
        hovertemplate="%{y}, measured: %{x:.3f}<extra></extra>",
    )
    paper = [row for row in rows if row[3] is not None]
    if paper:
        figure.add_scatter(
            x=[value for *_, value in paper],
            y=[name for name, *_ in paper],
            name="published",
            mode="markers",
            marker={
                "color": COLOURS[1],
                "symbol": "diamond-open",
                "size": 12,
                "line": {"width": 2.5},
            },
            hovertemplate="%{y}, published: %{x:.3f}<extra></extra>",
        )
    figure.update_layout(
        height=130 + 38 * len(rows),
        title={"text": title, "font": {"size": 15}},
        margin={"l": 10, "r": 10, "t": 40, "b": 80},
        legend=LEGEND,
        xaxis={
            "title": {"text": x_title},
            "range": list(
                upper_share(
                    [min(value, ends[0]) if ends else value for _, value, ends in measured]
                    + [value for *_, value in paper if value is not None]
                )
            ),
        },
        yaxis={
            "categoryorder": "array",
            "categoryarray": [name for name, *_ in reversed(rows)],
            "automargin": True,
        },
    )
    return figure


def forests(
    rows_of: Callable[[str, str], list[ForestRow]],
    metrics: Iterable[str],
    *,
    key: str,
    default: str,
) -> None:
    """A choice of the score, and a chart for each class.

    Args:
        rows_of: Gives a chart's rows for a class and a score; where no row has a number, a line of
            text replaces the chart.
        metrics: The scores to choose from, as `SCORE_TITLES` names them.
        key: Prefix of the widgets' keys.
        default: The score chosen at first.
    """
    titles = {metric: SCORE_TITLES[metric] for metric in metrics}
    metric = choose_one("Score in the chart", titles, key=f"{key}.metric", default=default)
    for column, name in zip(st.columns(2, gap="medium"), PAPER_CLASSES, strict=True):
        rows = rows_of(name, metric)
        with column:
            if all(measured is None and published is None for _, measured, _, published in rows):
                st.caption(f"No score of {CLASS_ROWS[name].lower()}: nothing to score here.")
                continue
            st.plotly_chart(
                forest(
                    rows,
                    title=f"{CLASS_ROWS[name]}: {titles[metric]}",
                    x_title=f"{titles[metric]} (0 to 1)",
                ),
                key=f"{key}.{name}",
                config={"displayModeBar": False},
            )


@dataclass(frozen=True)
class SpeedPoint:
    """One model at one input size on this machine.

    Attributes:
        name: Display title.
        fps: Frames a second, frame to boxes.
        score: AP, 0 to 1.
        ends: Its 95 % interval, if there is one.
        size: Its input in pixels, for display.
    """

    name: str
    fps: float
    score: float
    ends: tuple[float, float] | None = None
    size: str = ""


def pareto(points: Sequence[SpeedPoint]) -> list[SpeedPoint]:
    """The points that no other equals or beats in both speed and score, from slow to fast."""
    front: list[SpeedPoint] = []
    for point in sorted(points, key=lambda p: (-p.fps, -p.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return front[::-1]


def speed_against_score(
    points: Sequence[SpeedPoint], *, y_title: str, everyone: Sequence[str] = ()
) -> go.Figure:
    """Speed on this machine against AP with its interval, and the Pareto front.

    Args:
        points: Of this machine alone: times of another are of another axis.
        y_title: Title of the y axis, with its unit.
        everyone: See `charts.looks`.
    """
    figure = go.Figure()
    look_of = looks((p.name for p in points), everyone)
    for name in dict.fromkeys(p.name for p in points):
        mine = [p for p in points if p.name == name]
        its = look_of[name]
        figure.add_scatter(
            x=[p.fps for p in mine],
            y=[p.score for p in mine],
            name=name,
            mode="markers",
            marker={"color": its.colour, "symbol": its.symbol, "size": 13},
            error_y={
                "type": "data",
                "symmetric": False,
                # Without an interval there is no bar: one of length 0 has its end caps drawn.
                "array": [p.ends[1] - p.score if p.ends else None for p in mine],
                "arrayminus": [p.score - p.ends[0] if p.ends else None for p in mine],
                "color": its.colour,
                "thickness": 1.5,
                "width": 5,
            },
            text=[p.size for p in mine],
            hovertemplate=f"{name}, %{{text}}: %{{x:.1f}} frames a second, %{{y:.3f}}"
            "<extra></extra>",
        )
    front = pareto(points)
    if len(front) > 1:
        figure.add_scatter(
            x=[p.fps for p in front],
            y=[p.score for p in front],
            name="Pareto front (of the scores alone)",
            mode="lines",
            line={"color": "#7f7f7f", "dash": "dot", "width": 2},
            hoverinfo="skip",
        )
    figure.update_layout(
        height=460,
        margin={"l": 10, "r": 10, "t": 20, "b": 130},
        # Of one model alone, its name would be missing.
        showlegend=True,
        legend=LEGEND,
        xaxis={
            "title": {"text": "Speed here (frames a second, logarithmic)"},
            "type": "log",
            "tickvals": [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
        },
        yaxis={"title": {"text": y_title}},
    )
    return figure


#: Colours from no cells to the most, on a light page and on a dark one.
_FEW_TO_MANY = {False: ["#eaf2fb", "#08306b"], True: ["#1d2a33", "#8cc8f5"]}


def confusion_map(
    matrix: Sequence[Sequence[int]], names: Sequence[str], title: str, *, dark: bool = False
) -> go.Figure:
    """A confusion matrix: cells in rows, calls in columns, background last.

    Args:
        matrix: Counts, (n, n).
        names: Names of its rows and columns.
        title: Title of the figure.
        dark: Whether the page has the dark theme.
    """
    figure = go.Figure(
        go.Heatmap(
            z=[[value**0.5 for value in row] for row in matrix],
            x=[f"called {name}" for name in names],
            y=list(names),
            # Background called background cannot be counted.
            text=[
                ["" if i == j == len(names) - 1 else str(value) for j, value in enumerate(row)]
                for i, row in enumerate(matrix)
            ],
            texttemplate="%{text}",
            textfont={"size": 15},
            colorscale=_FEW_TO_MANY[dark],
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y}, %{x}: %{text} cells<extra></extra>",
        )
    )
    figure.update_layout(
        height=340,
        title={"text": title, "font": {"size": 15}},
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        yaxis={"autorange": "reversed", "automargin": True},
        xaxis={"automargin": True},
    )
    return figure
