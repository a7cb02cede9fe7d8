"""The numbers of one model on the Models page, next to the paper's."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from allcell.evaluation.intervals import class_interval, interval_of
from allcell.models.registry import PAPER_CLASSES, ClassifierSpec
from allcell.report.paper import (
    CNN_FOOTNOTE,
    FOOTNOTES,
    METRICS,
    PublishedModel,
    published,
)
from allcell.report.table1 import MEANS
from allcell.text.words import SCORE_TITLES
from allcell.ui.shell.catalog import Listing
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.kept_metrics import (
    INTERVAL,
    MEASURED,
    PUBLISHED,
    classifier_rows,
    test_metrics,
)


def measured(entry: Listing) -> None:
    """A model's scores on the test fields, next to what the paper published."""
    metrics = test_metrics(entry)
    if metrics is None:
        st.caption("These weights are not measured yet." if entry.files else "Not measured yet.")
        return
    if isinstance(entry.spec, ClassifierSpec):
        _table(classifier_rows(metrics))
        st.caption(f"Published: {CNN_FOOTNOTE}")
        return
    paper = published(entry.spec.name)
    _table(detector_rows(metrics, paper))
    if paper is None:
        st.caption("The paper has no such model.")
        return
    notes = (FOOTNOTES[0], *(FOOTNOTES[n - 1] for n in paper.footnotes))
    st.caption(f"Published: the paper's {paper.name}. {' '.join(notes)}")


def detector_rows(metrics: dict[str, Any], paper: PublishedModel | None) -> pd.DataFrame:
    """One row per class and score, with a column of the paper if the paper has the model.

    Args:
        metrics: The evaluator's JSON of a detector.
        paper: Its counterpart in the paper's Table 1, if there is one.
    """
    rows = []
    intervals, images = metrics["intervals"], metrics["images"]
    for name in PAPER_CLASSES:
        scores = metrics["classes"][name]
        for metric, title in SCORE_TITLES.items():
            row = {"Score": f"{title_of(name)}, {title}"}
            # JSON of earlier versions has no AP as shown.
            row |= {
                MEASURED: _number(scores.get(metric)),
                INTERVAL: class_interval(intervals, images, name, metric, scores).text(_number),
            }
            row |= {PUBLISHED: _published(paper, name, metric)} if paper else {}
            rows.append(row)
    if paper is not None and any(value is not None for value in paper.every):
        for metric, key in MEANS.items():
            rows.append(
                {
                    "Score": f"Both, {SCORE_TITLES[metric]}",
                    MEASURED: _number(metrics.get(key)),
                    INTERVAL: interval_of(intervals.get(key), images).text(_number),
                    PUBLISHED: _published(paper, "all", metric),
                }
            )
    return pd.DataFrame(rows)


def _published(paper: PublishedModel, class_name: str, metric: str) -> str:
    return _number(paper.value(class_name, metric)) if metric in METRICS else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(rows: pd.DataFrame) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        width="content",
        height=38 + 35 * len(rows),
        alt="Scores on the 17 test fields: published and measured",
    )
