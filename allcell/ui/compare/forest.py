"""Compare: one score of all models as a chart, blasts and healthy cells side by side."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.models.registry import PAPER_CLASSES
from allcell.report.paper import METRIC_TITLES
from allcell.report.table1 import CLASS_ROWS
from allcell.ui.compare.charts import ForestRow, forest
from allcell.ui.shell.controls import choose_one


def forests(rows_of: Callable[[str, str], list[ForestRow]], *, key: str) -> None:
    """A choice of the score, and a chart for each class.

    Args:
        rows_of: Gives a chart's rows for a class and a score; where no row has a number, a word
            stands in the chart's place.
        key: Of the widgets.
    """
    metric = choose_one("Score in the chart", METRIC_TITLES, key=f"{key}.metric", default="ap50")
    for column, name in zip(st.columns(2, gap="medium"), PAPER_CLASSES, strict=True):
        rows = rows_of(name, metric)
        with column:
            if all(measured is None and published is None for _, measured, _, published in rows):
                st.caption(f"No score of {CLASS_ROWS[name].lower()}: nothing to score here.")
                continue
            st.plotly_chart(
                forest(
                    rows,
                    title=f"{CLASS_ROWS[name]}: {METRIC_TITLES[metric]}",
                    x_title=f"{METRIC_TITLES[metric]} (0 to 1)",
                ),
                key=f"{key}.{name}",
                config={"displayModeBar": False},
            )
