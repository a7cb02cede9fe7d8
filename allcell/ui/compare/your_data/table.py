"""Compare: what the models score on the user's own set."""

from __future__ import annotations

import streamlit as st

from allcell.evaluation.intervals import class_interval, interval_note
from allcell.evaluation.judged_fields import FieldCounts
from allcell.evaluation.results import EvaluationResult
from allcell.report.table1 import table_latex, table_markdown
from allcell.report.user_scores import field_scores, scores_csv, wide_scores
from allcell.runs.evaluation import EvaluationRun
from allcell.settings import RESEARCH_USE
from allcell.text.words import BOTH_APS, SCORE_TITLES
from allcell.ui.compare.answers import Answers
from allcell.ui.compare.charts import ForestRow, forests
from allcell.ui.shell.catalog import short_title
from allcell.ui.shell.table_downloads import table_downloads

_RULES = (
    f"{BOTH_APS} It is computed as COCO does; P and R at the confidence of the best F1 of blasts "
    "and healthy cells, as YOLOv5 prints them; found, false alarms and missed at each model's "
    "operating threshold, IoU 0.5."
)


def measured(answers: Answers) -> None:
    """The table, a chart of one column, and downloads.

    Args:
        answers: On a set of the user's own.
    """
    run = answers.run
    if run is None:
        return
    scored = scored_models(run)
    table = wide_scores(scored)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={"Model": st.column_config.TextColumn(pinned=True, width=190)},
        alt="Scores of each model on your own set",
    )
    st.caption(
        f"On {answers.fields}. {_RULES} {interval_note(len(run.names))} "
        "There is no published column: the paper's numbers are for other images."
    )
    if run.running:
        st.caption("More models are being evaluated; see *Your data*.")
    _downloads(run, scored)
    _whole_fields(run)
    _chart(scored)


def scored_models(run: EvaluationRun) -> list[tuple[str, EvaluationResult]]:
    """Display title and scores of each model that is done."""
    done = sorted(dict(run.results).items())
    return [(run.jobs[n].spec.title, scored.result) for n, scored in done]


def _whole_fields(run: EvaluationRun) -> None:
    st.subheader("Whole fields: is there a blast?", anchor=False)
    found: dict[int, FieldCounts] = {n: judged.counts for n, judged in run.fields.items()}
    for n, scored in run.results.items():
        fields = scored.result.fields
        found[n] = FieldCounts.of([f.blast_present for f in fields], scored.result.right)
    table = field_scores([(short_title(run.jobs[n].spec), c) for n, c in sorted(found.items())])
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={"Model": st.column_config.TextColumn(pinned=True, width=190)},
        alt="How many fields each model judges correctly",
    )
    st.caption(
        "A field is judged rightly if a blast is suggested where one is labelled, and none where "
        "none is, at each model's operating threshold. Exact intervals over fields."
    )


def _downloads(run: EvaluationRun, scored: list[tuple[str, EvaluationResult]]) -> None:
    table = wide_scores(scored)
    images = len(run.names)
    notes = (f"{images} images. {_RULES} {interval_note(images)}", RESEARCH_USE)
    table_downloads(
        "compare.user_download",
        "own-scores",
        csv=lambda: scores_csv(scored),
        markdown=lambda: table_markdown(table, notes),
        latex=lambda: table_latex(table, notes),
    )


def _chart(scored: list[tuple[str, EvaluationResult]]) -> None:
    def rows(name: str, metric: str) -> list[ForestRow]:
        return [
            (
                title,
                getattr(result.classes[name], metric),
                class_interval(
                    result.intervals, result.images, name, metric, vars(result.classes[name])
                ).ends,
                None,
            )
            for title, result in scored
        ]

    forests(rows, SCORE_TITLES, key="compare.user_forest", default="ap50_as_shown")
