"""The scores of several models on a user's own set, as a table and as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from allcell.evaluation.intervals import ShownInterval, class_interval, interval_of, score_text
from allcell.evaluation.judged_fields import FieldCounts
from allcell.evaluation.results import EvaluationResult
from allcell.models.classes import CELL_CLASSES
from allcell.report.table1 import CLASS_ROWS, MEANS, short
from allcell.settings import RESEARCH_USE
from allcell.statistics import Proportion
from allcell.text.words import SCORE_TITLES

#: Titles of the classes, as in Table 1.
ROW_TITLES = {**{cell.name: cell.row for cell in CELL_CLASSES}, **CLASS_ROWS}


def long_scores(scored: Sequence[tuple[str, EvaluationResult]]) -> pd.DataFrame:
    """One row per model and class that has cells or boxes; numbers stay numeric.

    Args:
        scored: Title of each model, and its scores.
    """
    table = pd.DataFrame(_rows(scored))
    # Counts stay integers, although the row of both classes has none.
    for column in ("cells", "tp", "fp", "fn"):
        table[column] = table[column].astype("Int64")
    return table


def wide_scores(scored: Sequence[tuple[str, EvaluationResult]]) -> pd.DataFrame:
    """The same for display: each score with its 95 % interval, then the counts."""
    rows = []
    for row in _rows(scored):
        wide = {"Model": row["model"], "Cells": ROW_TITLES[row["class"]]}
        wide["True cells"] = _count(row["cells"])
        for title in SCORE_TITLES.values():
            ends = row[f"{title}_95_low"], row[f"{title}_95_high"]
            interval = ShownInterval(row[f"{title}_95_kind"] or "n/a", *ends)
            wide[f"{title} (95 %)"] = score_text(row[title], interval, short)
        for column, title in (("tp", "Found (tp)"), ("fp", "False alarms (fp)")):
            wide[title] = _count(row[column])
        rows.append({**wide, "Missed (fn)": _count(row["fn"])})
    return pd.DataFrame(rows)


def field_scores(scored: Sequence[tuple[str, FieldCounts]]) -> pd.DataFrame:
    """One row per model: is there a blast in the field? Counts, and shares with exact intervals.

    Args:
        scored: Title of each model, and its correct answers.
    """
    return pd.DataFrame(
        [
            {
                "Model": title,
                "Fields judged rightly": f"{counts.accuracy.k} of {counts.accuracy.n}",
                "Accuracy (95 %)": _share(counts.accuracy),
                "Sensitivity (95 %)": _share(counts.sensitivity),
                "Specificity (95 %)": _share(counts.specificity),
            }
            for title, counts in scored
        ]
    )


def _share(part: Proportion) -> str:
    if part.fraction is None:
        return "no such field"
    return f"{short(part.fraction)} ({short(part.low)} to {short(part.high)})"


def scores_csv(scored: Sequence[tuple[str, EvaluationResult]]) -> str:
    """`long_scores` as CSV; its last column is empty, with the notice as its title."""
    table = long_scores(scored)
    table[RESEARCH_USE] = ""
    return str(table.to_csv(index=False, float_format="%.6g"))


def _rows(scored: Sequence[tuple[str, EvaluationResult]]) -> list[dict[str, Any]]:
    rows = []
    for title, result in scored:
        threshold = result.settings["operating_confidence"]
        head = {"model": title, "images": result.images, "threshold": threshold}
        for name, of_class in result.classes.items():
            at = of_class.at_operating_point
            if of_class.cells or at.tp or at.fp:
                values = {metric: getattr(of_class, metric) for metric in SCORE_TITLES}
                intervals = {
                    metric: class_interval(
                        result.intervals, result.images, name, metric, vars(of_class)
                    )
                    for metric in SCORE_TITLES
                }
                counts: dict[str, int | None] = {"tp": at.tp, "fp": at.fp, "fn": at.fn}
                if of_class.unknown:
                    counts = dict.fromkeys(counts)
                counts["cells"] = of_class.cells
                rows.append({**head, "class": name, **_scores(values, intervals), **counts})
        values = {metric: getattr(result, mean) for metric, mean in MEANS.items()}
        intervals = {
            metric: interval_of(result.intervals.get(mean), result.images)
            for metric, mean in MEANS.items()
        }
        nothing = dict.fromkeys(("tp", "fp", "fn", "cells"))
        rows.append({**head, "class": "all", **_scores(values, intervals), **nothing})
    return rows


def _scores(
    values: Mapping[str, float | None], intervals: Mapping[str, ShownInterval]
) -> dict[str, Any]:
    """Each score with its interval; None where undefined."""
    row: dict[str, Any] = {}
    for metric, title in SCORE_TITLES.items():
        value = values.get(metric)
        shown = None if value is None else intervals[metric]
        row |= {
            title: value,
            f"{title}_95_low": shown.low if shown else None,
            f"{title}_95_high": shown.high if shown else None,
            f"{title}_95_kind": shown.kind if shown else None,
        }
    return row


def _count(value: int | None) -> str:
    return "" if value is None else str(value)
