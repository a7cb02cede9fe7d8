"""Compare: what the models score on the user's own set."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from allcell.evaluation.evaluate import mean_f1, suggest_confidence
from allcell.evaluation.evidence import Evidence
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
from allcell.ui.shell.catalog import catalog, short_title
from allcell.ui.shell.kept_metrics import with_size
from allcell.ui.shell.table_downloads import table_downloads

_IN_USE, _F1 = "Threshold in use", "F1 there"
_BEST, _BEST_F1 = "Best for this set", "F1 at the best"
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
    table = with_size(wide_scores(scored), catalog())
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
    _thresholds(run)
    _chart(scored)


def scored_models(run: EvaluationRun) -> list[tuple[str, EvaluationResult]]:
    """Display title and scores of each model that is done."""
    done = sorted(run.results.items())
    return [(run.jobs[n].spec.title, scored.result) for n, scored in done]


def _thresholds(run: EvaluationRun) -> None:
    st.subheader("The best threshold for this set", anchor=False)
    table = best_thresholds(
        [
            (run.jobs[n].spec.title, scored.evidence)
            for n, scored in sorted(dict(run.results).items())
        ]
    )
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={
            "Model": st.column_config.TextColumn(pinned=True, width=190),
            **{name: st.column_config.NumberColumn(format="%.2f") for name in (_IN_USE, _BEST)},
            **{name: st.column_config.NumberColumn(format="%.3f") for name in (_F1, _BEST_F1)},
        },
        alt="For each model the threshold in use and the best one for this set",
    )
    st.caption(
        "F1: mean of blasts and healthy white cells, one class a cell; a class that a model does "
        "not have is left out. Best: the lowest of .10, .15 ... .90 whose F1 is within .005 of the "
        "highest, as our own thresholds were chosen. It is chosen on the very images that it is "
        "scored on, so its F1 is optimistic: check it on "
        "others before you use it."
    )


def best_thresholds(models: Sequence[tuple[str, Evidence]]) -> pd.DataFrame:
    """One row per model: its threshold, the best one for the set, and F1 at both.

    Args:
        models: Title of each model, and its matched answers.
    """
    rows = []
    for title, evidence in models:
        best = suggest_confidence(evidence)
        rows.append(
            {
                "Model": title,
                _IN_USE: evidence.confidence,
                _F1: mean_f1(evidence, evidence.confidence),
                _BEST: best,
                _BEST_F1: mean_f1(evidence, best),
            }
        )
    return pd.DataFrame(rows)


def _whole_fields(run: EvaluationRun) -> None:
    st.subheader("Whole fields: is there a blast?", anchor=False)
    finished = run.finished
    found: dict[int, FieldCounts] = {n: judged.counts for n, judged in finished.fields.items()}
    for n, scored in finished.results.items():
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
