"""Compare: the paper's Table 1 next to our own measurements."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from allcell.evaluation.intervals import NO_WIDTH
from allcell.evaluation.spread import spread_note_of
from allcell.models.registry import CLASSIFIERS, MODELS, ClassifierSpec, ModelSpec
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_current, read_training
from allcell.report.paper import CNN_FOOTNOTE, FOOTNOTES, published, published_error
from allcell.report.table1 import (
    CLASS_ROWS,
    DIFFERENCE,
    TABLE_METRICS,
    TableCell,
    table_1,
    to_csv,
    to_latex,
    to_markdown,
    wide_table,
)
from allcell.report.unlike_paper import unlike_paper
from allcell.settings import RESEARCH_USE, settings
from allcell.text.words import BOTH_APS, SCORE_TITLES
from allcell.ui.compare.answers import answers, user_set_is_shown
from allcell.ui.compare.charts import ForestRow, forests
from allcell.ui.compare.your_data import table as user_table
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.kept_metrics import classifier_rows, test_metrics, with_size
from allcell.ui.shell.table_downloads import table_downloads

_SETS = (
    "Measured: on our 17 ALL-IDB1 test fields with our corrected boxes, intervals by bootstrap "
    f"over fields. {NO_WIDTH} Published: on other fields and the authors' own boxes. Read the "
    "difference with that in mind."
)


def published_and_measured() -> None:
    """The table, its filters, a chart of one column, and downloads, for the set in use."""
    if user_set_is_shown():
        user_table.measured(answers())
        return
    every = table_1(settings().weights_dir)
    _say_what_is_missing(every)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        classes = st.pills(
            "Cells",
            list(CLASS_ROWS),
            selection_mode="multi",
            default=list(CLASS_ROWS),
            format_func=CLASS_ROWS.__getitem__,
            key="compare.classes",
            persist_state="session",
        )
    with right:
        metrics = st.pills(
            "Scores",
            TABLE_METRICS,
            selection_mode="multi",
            default=TABLE_METRICS,
            format_func=SCORE_TITLES.__getitem__,
            key="compare.metrics",
            persist_state="session",
            wrap=True,
        )
    cells = tuple(c for c in every if c.class_name in classes and c.metric in metrics)
    table = wide_table(cells)
    if table.empty:
        st.info(
            "There is no such score for both classes together."
            if classes and metrics
            else "Choose at least one kind of cells and one score."
        )
        return
    shown = grouped(with_size(table, catalog()))
    columns: list[tuple[str, str]] = shown.columns.to_list()  # type: ignore[assignment]
    config: Any = {"Model": st.column_config.TextColumn(pinned=True, width=165)}
    # By position, of which the hidden index is the first: wide enough for the titles above.
    config |= {
        n: st.column_config.TextColumn(width=72 if kind == "paper" else 165)
        for n, (score, kind) in enumerate(columns, 1)
        if score.startswith("AP")
    }
    st.dataframe(
        shown,
        hide_index=True,
        height=73 + 35 * len(table),
        column_config=config,
        placeholder="",
        alt="Table 1 of the paper, each published score next to the measured one",
    )
    st.caption(" ".join(filter(None, (BOTH_APS, _SETS, published_error(), _spread()))))
    _downloads(cells)
    _chart(every)
    _cnn()
    _notes()


def grouped(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the title of a score over its columns, which fits a laptop's screen.

    The differences are left to the files: they stand beside what they are differences of.

    Args:
        table: From `wide_table`.
    """
    shown = table[[name for name in map(str, table) if not name.endswith(DIFFERENCE)]]
    of_score = set(SCORE_TITLES.values())
    pairs = [name.rpartition(", ") for name in map(str, shown)]
    return shown.set_axis(
        pd.MultiIndex.from_tuples(
            [
                (score, kind) if score in of_score else ("", f"{score}{comma}{kind}")
                for score, comma, kind in pairs
            ]
        ),
        axis="columns",
    )


def _say_what_is_missing(cells: tuple[TableCell, ...]) -> None:
    measured = {c.model for c in cells if c.measured is not None}
    lacking = [spec.title for spec in MODELS if spec.name not in measured]
    if lacking:
        st.info(
            f"Not measured with the weights that are here: {', '.join(lacking)}. "
            "`make evaluate DATA=folder` measures every model that has weights."
        )


def _spread() -> str:
    """How the cells are spread over the test fields: the same for all models."""
    for entry in catalog():
        if isinstance(entry.spec, ModelSpec) and (metrics := test_metrics(entry)):
            return spread_note_of(metrics)
    return ""


def _downloads(cells: tuple[TableCell, ...]) -> None:
    notes = (
        BOTH_APS,
        _SETS,
        published_error(),
        FOOTNOTES[0],
        *_model_notes(),
        *_cnn_notes(),
        RESEARCH_USE,
    )
    table_downloads(
        "compare.download",
        "table-1",
        csv=lambda: to_csv(cells),
        markdown=lambda: to_markdown(cells, notes),
        latex=lambda: to_latex(cells, notes),
    )


def _chart(cells: tuple[TableCell, ...]) -> None:
    def rows(class_name: str, metric: str) -> list[ForestRow]:
        return [
            (
                c.title,
                c.measured,
                c.interval.ends if c.interval else None,
                c.published,
            )
            for c in cells
            if (c.class_name, c.metric) == (class_name, metric)
            and (c.measured is not None or c.published is not None)
        ]

    forests(rows, TABLE_METRICS, key="compare.forest", default="ap50")


def _cnn() -> None:
    st.subheader("The whole-field CNN", anchor=False)
    names = {spec.name for spec in CLASSIFIERS}
    for entry in catalog():
        if entry.spec.name not in names:
            continue
        metrics = test_metrics(entry)
        st.markdown(f"**{entry.spec.title}**")
        if metrics is None:
            st.caption("Not measured yet.")
            continue
        rows = classifier_rows(metrics)
        st.dataframe(
            rows,
            hide_index=True,
            width="content",
            height=38 + 35 * len(rows),
            alt="Right answers of the whole-field CNN: measured and published",
        )
    st.caption(f"Published: {CNN_FOOTNOTE} Our interval: exact, over the fields.")


def _notes() -> None:
    st.subheader("How ours differs from the paper", anchor=False)
    st.markdown("\n".join(f"- {line}" for line in (FOOTNOTES[0], *_model_notes())))


def _model_notes() -> list[str]:
    """How each model differs from the paper's, one line each."""
    lines, weights = [], settings().weights_dir
    manifest = read_manifest(weights)
    for spec in MODELS:
        paper = published(spec.name)
        if paper is None:
            lines.append(f"**{spec.title}**: the paper has no such model. {spec.summary}")
            continue
        notes = " ".join(FOOTNOTES[n - 1] for n in paper.footnotes)
        files = manifest.get(spec.name)
        test = read_current(weights, spec.name, files, "allidb1_test")
        ours = unlike_paper(spec, files, read_training(weights, spec.name), test)
        lines.append(
            f"**{spec.title}** stands next to the paper's {paper.name} ({paper.inference_ms:g} ms "
            f"per image on its GPU). Ours: {ours}. {notes}".rstrip()
        )
    return lines


def _cnn_notes() -> list[str]:
    """The CNN's results as notes: they do not fit the table's columns."""
    lines = []
    for entry in catalog():
        if isinstance(entry.spec, ClassifierSpec) and (metrics := test_metrics(entry)):
            right = metrics["counts"]["accuracy"]
            lines.append(
                f"**{entry.spec.title}**: {right['k']} of {right['n']} fields right (exact 95 % "
                f"interval {right['low']:.3f} to {right['high']:.3f}). Published: {CNN_FOOTNOTE}"
            )
    return lines
