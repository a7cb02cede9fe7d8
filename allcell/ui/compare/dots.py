"""A chart of one score in several laboratories, model beside model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from allcell.ui.shell.charts import LEGEND, SHARE, looks


@dataclass(frozen=True)
class Dot:
    """One number.

    Attributes:
        series: Display title of the model.
        row: Display title of the laboratory.
        value: The number.
        ends: Its interval, if there is one.
        filled: Whether its mark is filled, not open.
    """

    series: str
    row: str
    value: float
    ends: tuple[float, float] | None
    filled: bool


def dots(points: Sequence[Dot], *, title: str, share: bool) -> go.Figure:
    """A row for each laboratory; in it one below the other a mark for each model.

    Args:
        points: The numbers; rows and series keep their order.
        title: Display title of the score.
        share: Whether the score is a share, 0 to 1.
    """
    figure = go.Figure()
    names = list(dict.fromkeys(point.series for point in points))
    rows = list(dict.fromkeys(point.row for point in points))
    look_of = looks(names)
    # A group is drawn from below.
    for name in reversed(names):
        mine = [point for point in points if point.series == name]
        look = look_of[name]
        figure.add_scatter(
            x=[point.value for point in mine],
            y=[point.row for point in mine],
            name=name,
            mode="markers",
            # In groups, the models of a row do not cover each other.
            orientation="h",
            offsetgroup=name,
            marker={
                "color": look.colour,
                "symbol": [look.symbol if p.filled else f"{look.symbol}-open" for p in mine],
                "size": 11,
                "line": {"width": 2, "color": look.colour},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                # Without an interval there is no bar: one of length 0 has its end caps drawn.
                "array": [p.ends[1] - p.value if p.ends else None for p in mine],
                "arrayminus": [p.value - p.ends[0] if p.ends else None for p in mine],
                "color": look.colour,
                "thickness": 2,
                "width": 5,
            },
            hovertemplate=f"%{{y}}, {name}: %{{x:.3f}}<extra></extra>",
        )
    figure.update_layout(
        height=150 + len(rows) * (24 + 18 * len(names)) + 22 * len(names) // 2,
        scattermode="group",
        showlegend=True,
        title={"text": title, "font": {"size": 15}},
        margin={"l": 10, "r": 10, "t": 40, "b": 80 + 11 * len(names)},
        legend={**LEGEND, "traceorder": "reversed"},
        xaxis={
            "title": {"text": f"{title} (0 to 1)" if share else title},
            # With room for a mark at 0.
            **({"range": [SHARE[0] - 0.02, SHARE[1]]} if share else {"rangemode": "tozero"}),
        },
        yaxis={"categoryorder": "array", "categoryarray": rows[::-1], "automargin": True},
    )
    return figure
