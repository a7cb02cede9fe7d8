"""The paper's Table 1 next to our own measurements, cell by cell, and as a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from allcell.evaluation.intervals import ShownInterval, class_interval, interval_of
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import MODELS, ModelSpec
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_current
from allcell.report.paper import METRICS, TABLE_1, published
from allcell.settings import RESEARCH_USE
from allcell.text.words import SCORE_TITLES

#: Titles of the rows of the table, by the class names of `PublishedModel.value`.
CLASS_ROWS = {
    **{cell.name: cell.row for cell in CELL_CLASSES if cell.paper},
    "all": "Both classes",
}

#: Suffix of the columns of `wide_table` that hold measured minus published.
DIFFERENCE = "ours - paper"

#: Names of the means over both classes in the evaluator's JSON.
MEANS = {
    "ap50_as_shown": "map50_as_shown",
    "ap50_95_as_shown": "map50_95_as_shown",
    "ap50": "map50",
    "ap50_95": "map50_95",
}

#: Scores of this table: the paper's, and each AP as shown beside the one that the paper has.
TABLE_METRICS = ("ap50", "ap50_as_shown", "ap50_95", "ap50_95_as_shown", "precision", "recall")


@dataclass(frozen=True)
class TableCell:
    """One number of the table.

    Attributes:
        model: Our name for the model.
        title: Our title for it, for display.
        paper: The paper's name for it; empty if the paper has no such model.
        class_name: blast | healthy | all.
        metric: One of `TABLE_METRICS`.
        published: The paper's number, 0 to 1; None if it has none.
        measured: Ours on the 17 test fields, 0 to 1; None if these weights were not measured.
        interval: Its 95 % interval over fields; None if it is not measured.
    """

    model: str
    title: str
    paper: str
    class_name: str
    metric: str
    published: float | None
    measured: float | None
    interval: ShownInterval | None

    @property
    def low(self) -> float | None:
        """Lower bound of the interval that is shown, if there is one."""
        return self.interval.low if self.interval else None

    @property
    def high(self) -> float | None:
        """Upper bound of the interval that is shown, if there is one."""
        return self.interval.high if self.interval else None

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        if self.measured is None or self.published is None:
            return None
        return self.measured - self.published


def table_1(weights_dir: Path) -> tuple[TableCell, ...]:
    """Every cell: the models of the registry in its order, classes and metrics in the paper's.

    Args:
        weights_dir: Folder that holds the manifest and `metrics/`.
    """
    manifest = read_manifest(weights_dir)
    cells = []
    for spec in MODELS:
        files = manifest.get(spec.name)
        metrics = read_current(weights_dir, spec.name, files, "allidb1_test")
        cells += [
            _cell(spec, metrics, class_name, metric)
            for class_name in CLASS_ROWS
            for metric in TABLE_METRICS
            if class_name != "all" or metric in MEANS
        ]
    return tuple(cells)


def _cell(
    spec: ModelSpec, metrics: dict[str, Any] | None, class_name: str, metric: str
) -> TableCell:
    paper = published(spec.name)
    value = interval = None
    if metrics is not None and class_name == "all":
        # JSON of earlier versions has no AP as shown.
        value = metrics.get(MEANS[metric])
        interval = interval_of(metrics["intervals"].get(MEANS[metric]), metrics["images"])
    elif metrics is not None:
        scores = metrics["classes"][class_name]
        value = scores.get(metric)
        interval = class_interval(
            metrics["intervals"], metrics["images"], class_name, metric, scores
        )
    return TableCell(
        spec.name,
        spec.title,
        paper.name if paper else "",
        class_name,
        metric,
        paper.value(class_name, metric) if paper and metric in METRICS else None,
        value,
        interval,
    )


def long_table(cells: tuple[TableCell, ...]) -> pd.DataFrame:
    """One row per cell that has a published or a measured number; numbers stay numeric."""
    return pd.DataFrame(
        [
            {
                "model": c.model,
                "paper_model": c.paper,
                "class": c.class_name,
                "metric": SCORE_TITLES[c.metric],
                "published": c.published,
                "measured": c.measured,
                "measured_95_low": c.low,
                "measured_95_high": c.high,
                "measured_95_kind": c.interval.kind if c.interval else None,
                "difference": c.difference,
            }
            for c in cells
            if c.published is not None or c.measured is not None
        ]
    )


def wide_table(cells: tuple[TableCell, ...]) -> pd.DataFrame:
    """One row per model and class, for display: published | measured | difference.

    AP as shown is only measured.

    Means over both classes are shown where the paper has them, or if `cells` holds nothing else.

    Differences are numbers, so that they sort; all else is text.
    """
    metrics = list(dict.fromkeys(c.metric for c in cells))
    only_means = all(c.class_name == "all" for c in cells)
    rows = []
    for model, class_name in dict.fromkeys((c.model, c.class_name) for c in cells):
        here = {c.metric: c for c in cells if (c.model, c.class_name) == (model, class_name)}
        published_here = any(c.published is not None for c in here.values())
        if class_name == "all" and not (published_here or only_means):
            continue
        if not published_here and all(c.measured is None for c in here.values()):
            continue
        any_cell = next(iter(here.values()))
        row: dict[str, object] = {"Model": any_cell.title, "Cells": CLASS_ROWS[class_name]}
        for metric in metrics:
            cell, title = here.get(metric), SCORE_TITLES[metric]
            if metric in METRICS:
                row[f"{title}, paper"] = _number(cell.published) if cell else ""
            row[f"{title}, ours (95 %)"] = _measured(cell) if cell else ""
            if metric in METRICS:
                row[f"{title}, {DIFFERENCE}"] = cell.difference if cell else None
        rows.append(row)
    return pd.DataFrame(rows)


def to_csv(cells: tuple[TableCell, ...]) -> str:
    """`long_table` as CSV; its last column is empty, with the notice as its title."""
    table = long_table(cells).assign(**{RESEARCH_USE: ""})
    return str(table.to_csv(index=False, float_format="%.6g"))


def to_markdown(cells: tuple[TableCell, ...], notes: tuple[str, ...]) -> str:
    """`wide_table` as a Markdown table, with its notes."""
    return table_markdown(_as_text(wide_table(cells)), notes)


def to_latex(cells: tuple[TableCell, ...], notes: tuple[str, ...]) -> str:
    """`wide_table` as a LaTeX table (package booktabs), its notes as comments."""
    return table_latex(_as_text(wide_table(cells)), notes)


def table_markdown(table: pd.DataFrame, notes: tuple[str, ...]) -> str:
    """A table of strings in Markdown, with its notes."""
    text = table.to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([str(text), *notes]) + "\n"


def table_latex(table: pd.DataFrame, notes: tuple[str, ...]) -> str:
    """A table of strings in LaTeX (package booktabs), its notes as comments."""
    named = table.rename(columns=lambda name: str(name).replace("%", r"\%"))
    styled = named.style.hide(axis="index").format(escape="latex")
    comments = "".join(f"% {note}\n" for note in notes)
    return comments + str(styled.to_latex(hrules=True))


def paper_times() -> pd.DataFrame:
    """The paper's time and speed of each of its models, with its AP of blasts."""
    rows = []
    for paper in TABLE_1:
        score = paper.value("blast", "ap50")
        rows.append(
            {
                "Paper's model": paper.name,
                "ms an image": f"{paper.inference_ms:g}",
                "Frames a second": f"{1000 / paper.inference_ms:.0f}",
                f"Blasts, {SCORE_TITLES['ap50']}": "" if score is None else f"{score:.3f}",
            }
        )
    return pd.DataFrame(rows)


def _number(value: float | None) -> str:
    return "" if value is None else short(value)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    signed = [name for name in table if str(name).endswith(DIFFERENCE)]
    return table.assign(**{str(name): table[name].map(_signed) for name in signed})


def _signed(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{'-' if value < 0 else '+'}{short(abs(value))}"


def short(value: float) -> str:
    """A score as Table 1 prints it: three decimals, no zero before the point."""
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def _measured(cell: TableCell) -> str:
    if cell.measured is None or cell.interval is None:
        return ""
    return f"{short(cell.measured)} ({cell.interval.text(short)})"
