"""Plotly figures of the runtimes of this machine. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from allcell.runs.runtime_speeds import Speed
from allcell.ui.shell.charts import LEGEND, looks

_THEIRS, _OURS = "#d55e00", "#0072b2"
_BAR_PX, _AROUND_PX = 44, 130


def frames_chart(speeds: Sequence[Speed], paper_fps: float) -> go.Figure:
    """Frames a second of each runtime as bars, with the paper's.

    Args:
        speeds: Those that were measured, at least one.
        paper_fps: The paper's frames a second.
    """
    named = [(speed.description, speed.fps, _OURS) for speed in speeds]
    named.append(("the paper: YOLOv5s · 1024 px, Tesla P100", paper_fps, _THEIRS))
    figure = go.Figure(
        go.Bar(
            x=[fps for _, fps, _ in named],
            y=[_wrapped(name) for name, _, _ in named],
            orientation="h",
            marker={"color": [colour for _, _, colour in named]},
            text=[f"{fps:.0f}" for _, fps, _ in named],
            textposition="auto",
            hovertemplate="%{y}: %{x:.1f} frames a second<extra></extra>",
        )
    )
    figure.add_vline(x=paper_fps, line={"color": _THEIRS, "dash": "dash", "width": 1.5})
    figure.update_layout(
        title="One frame after the other",
        xaxis={"title": "Frames a second", "rangemode": "tozero"},
        yaxis={"autorange": "reversed"},
        height=_AROUND_PX + _BAR_PX * len(named),
        margin={"l": 10, "r": 10, "t": 50, "b": 40},
        showlegend=False,
    )
    return figure


def viewers_chart(speeds: Sequence[Speed]) -> go.Figure:
    """Frames a second that each viewer gets, by the number of those who look at once.

    Args:
        speeds: Those that were measured.
    """
    figure = go.Figure()
    for name, look in looks(speed.description for speed in speeds).items():
        speed = next(speed for speed in speeds if speed.description == name)
        figure.add_scatter(
            x=[str(viewers) for viewers in speed.viewers_fps],
            y=list(speed.viewers_fps.values()),
            name=_wrapped(name),
            mode="lines+markers",
            line={"color": look.colour, "dash": look.dash, "width": 2},
            marker={"symbol": look.symbol, "size": 9},
            hovertemplate="%{x} at once: %{y:.1f} frames a second each<extra></extra>",
        )
    figure.update_layout(
        title="Several viewers at once",
        xaxis={"title": "Viewers", "type": "category"},
        yaxis={"title": "Frames a second for each", "rangemode": "tozero"},
        height=_AROUND_PX + _BAR_PX * (len(speeds) + 1) + 60,
        margin={"l": 10, "r": 10, "t": 50, "b": 110},
        legend=LEGEND,
    )
    return figure


def _wrapped(name: str) -> str:
    """A name in two lines where it is long."""
    parts = name.split(" · ")
    middle = (len(parts) + 1) // 2
    return "<br>".join(filter(None, (" · ".join(parts[:middle]), " · ".join(parts[middle:]))))
