"""Compare: 95 % bands behind the curves of a few models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from allcell.evaluation.bands import Band
from allcell.ui.shell.charts import looks

#: The bands of more models would hide one another.
MOST = 3
#: What stands under charts whose bands are not drawn.
TOO_MANY = f"Choose {MOST} models or fewer to see the 95 % band of each curve."
DRAWN = "Bands: 95 %, bootstrap over fields, point by point."
_OPACITY = 0.15


def with_bands(
    figure: go.Figure, bands: Mapping[str, Band], everyone: Sequence[str] = ()
) -> go.Figure:
    """The figure with a band behind each line.

    Args:
        figure: From `charts.lines`.
        bands: By the name of the line.
        everyone: See `charts.looks`.
    """
    look_of = looks(bands, everyone)
    behind = go.Figure()
    for name, band in bands.items():
        known = ~np.isnan(band.low) & ~np.isnan(band.high)
        if known.sum() < 2:
            continue
        red, green, blue = hex_to_rgb(look_of[name].colour)
        x = band.x[known]
        behind.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([band.low[known], band.high[known][::-1]]),
            name=f"{name}, 95 %",
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=f"rgba({red},{green},{blue},{_OPACITY})",
            hoverinfo="skip",
            legendgroup=name,
            showlegend=False,
        )
    return go.Figure(data=[*behind.data, *figure.data], layout=figure.layout)
