"""Compare: curves of all models over one another, and one threshold that moves everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from allcell.detections import IntArray
from allcell.evaluation.confusion import confusion
from allcell.evaluation.evidence import CALIBRATION_FLOOR
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.metrics import calibration, curve
from allcell.evaluation.operating import Interval, OperatingPoint, operating_point
from allcell.models.registry import CLASSES
from allcell.statistics import resamples
from allcell.ui import charts, own_boxes
from allcell.ui.answers import Answers, answers
from allcell.ui.compare_charts import confusion_map
from allcell.ui.controls import title_of
from allcell.ui.kept_answers import KeptAnswers
from allcell.ui.model_overview import training_curve

#: Resamples behind the intervals that follow the slider.
_DRAWS = 1000
_AGAINST = {"precision": "P", "recall": "R", "f1": "F1"}


@dataclass(frozen=True, eq=False)
class _View:
    """One model at its threshold, seen for one class."""

    kept: KeptAnswers
    matches: ClassMatches
    threshold: float
    point: OperatingPoint

    @property
    def title(self) -> str:
        return self.kept.spec.title


@st.cache_data(show_spinner=False)
def _draws(images: int) -> IntArray:
    return resamples(images, _DRAWS)


def curves_and_threshold() -> None:
    """Curves on the chosen set; on the test fields also how the models learned."""
    chosen = answers()
    if not chosen.models:
        st.info(
            "No model's answers are kept with the weights that are here. "
            "`make evaluate DATA=folder` makes them."
        )
        return
    _at_threshold(chosen)
    if chosen.own is None:
        st.subheader("How they learned", anchor=False)
        _training(chosen.models)


@st.fragment
def _at_threshold(of_set: Answers) -> None:
    """What follows the slider; the rest of the page stays as it is."""
    titles = {a.spec.name: a.spec.title for a in of_set.models}
    left, right = st.columns([2, 1], gap="medium")
    with left:
        names = st.pills(
            "Models",
            list(titles),
            selection_mode="multi",
            default=list(titles),
            format_func=titles.__getitem__,
            # An own set has other models, and more of them from one minute to the next.
            key=f"compare.models.{'+'.join(titles)}" if of_set.own else "compare.models",
            persist_state="session",
        )
    with right:
        kind = st.segmented_control(
            "Cells",
            CLASSES,
            default=CLASSES[0],
            required=True,
            format_func=title_of,
            key="compare.kind",
            persist_state="session",
        )
    shown = [a for a in of_set.models if a.spec.name in names]
    if not shown:
        st.info("Choose at least one model.")
        return
    # It stays in view while one scrolls to what it moves (see assets/frame.css).
    with st.container(key="allcell-threshold"):
        own, confidence = _threshold()
    class_id = CLASSES.index(kind)
    views = []
    for kept in shown:
        threshold = kept.spec.confidence if own else confidence
        matches = kept.evidence.user_matches[class_id]
        point = operating_point(matches, threshold, _draws(kept.evidence.n_images))
        views.append(_View(kept, matches, threshold, point))
    table = pd.DataFrame([_row(view) for view in views])
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={
            "Model": st.column_config.TextColumn(pinned=True, width=190),
            "Threshold": st.column_config.NumberColumn(format="%.2f"),
            "False alarms a field": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="Counts and scores of each model at its threshold",
    )
    if of_set.own:
        own_boxes.field_at_threshold(of_set, class_id, [(v.kept, v.threshold) for v in views])
    _curves(views, of_set.fields)
    _confusion(views)


def _threshold() -> tuple[bool, float]:
    """Whether each model is at its own threshold, and the common one."""
    left, right = st.columns([3, 1], gap="medium", vertical_alignment="bottom")
    with left:
        confidence = st.slider(
            "One threshold for all models (confidence)",
            CALIBRATION_FLOOR,
            0.95,
            0.40,
            0.01,
            key="compare.threshold",
            persist_state="session",
        )
    with right:
        own = st.toggle(
            "Each at its own",
            key="compare.own",
            persist_state="session",
            help="Each model's operating threshold, chosen on the validation fields.",
        )
    return own, confidence


def _row(view: _View) -> dict[str, object]:
    point, counts = view.point, view.point.counts
    return {
        "Model": view.title,
        "Threshold": view.threshold,
        "Found (tp)": counts.tp,
        "False alarms (fp)": counts.fp,
        "Missed (fn)": counts.fn,
        "P (95 % interval)": _score(counts.precision, point.precision_interval),
        "R (95 % interval)": _score(counts.recall, point.recall_interval),
        "F1 (95 % interval)": _score(point.f1, point.f1_interval),
        "False alarms a field": point.false_alarms_per_image,
    }


def _score(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "none"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _curves(views: list[_View], fields: str) -> None:
    curves = {view.title: curve(view.matches) for view in views}
    at = {view.title: view.point.counts for view in views}
    left, right = st.columns(2, gap="medium")
    with left:
        _chart(
            charts.lines(
                {t: (pd.Series(c.recall), pd.Series(c.precision)) for t, c in curves.items()},
                title="Precision against recall",
                x_title="Recall (0 to 1)",
                y_title="Precision (0 to 1)",
                x_range=charts.SHARE,
                y_range=_top([c.precision for c in curves.values()]),
                marks={
                    t: (c.recall, c.precision)
                    for t, c in at.items()
                    if c.precision is not None and c.recall is not None
                },
            ),
            "pr",
        )
    with right:
        _chart(
            charts.lines(
                {
                    t: (pd.Series(c.false_alarms_per_image), pd.Series(c.recall))
                    for t, c in curves.items()
                },
                title="FROC: sensitivity against false alarms",
                x_title="False alarms a field (mean)",
                y_title="Sensitivity (0 to 1)",
                y_range=charts.SHARE,
                marks={
                    view.title: (view.point.false_alarms_per_image, view.point.counts.recall)
                    for view in views
                    if view.point.counts.recall is not None
                },
            ),
            "froc",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        score = st.segmented_control(
            "Score against the threshold",
            list(_AGAINST),
            default="f1",
            required=True,
            format_func=_AGAINST.__getitem__,
            key="compare.against",
            persist_state="session",
        )
        _chart(_against_threshold(views, score), "against")
    with right:
        _chart(_reliability(views), "reliability")
        st.caption(
            "Reliability: a model whose confidence can be taken at its word lies on the diagonal."
        )
    st.caption(
        f"On {fields}, IoU 0.5, from confidence "
        f"{CALIBRATION_FLOOR:g} on. As a user sees it: one cell has one class. Table 1's P, R and "
        "mAP follow YOLOv5, where a box counts for each class it reaches."
    )


def _top(curves: Iterable[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Limits of an axis of scores that lie near 1: from a tenth below the lowest."""
    lowest = min((float(c.min()) for c in curves if len(c)), default=0.0)
    return max(0.0, np.floor(10 * lowest - 0.5) / 10), charts.SHARE[1]


@lru_cache(maxsize=64)
def _scores_on_grid(matches: ClassMatches, score: str) -> tuple[pd.Series, pd.Series]:
    """Thresholds and a score at each; the slider only moves the mark on it."""
    grid = np.round(np.arange(CALIBRATION_FLOOR, 0.951, 0.01), 2)
    values = [_value(operating_point(matches, float(t)), score) for t in grid]
    return pd.Series(grid), pd.Series(values)


def _value(point: OperatingPoint, score: str) -> float:
    found = point.f1 if score == "f1" else getattr(point.counts, score)
    return float("nan") if found is None else float(found)


def _against_threshold(views: list[_View], score: str) -> Figure:
    return charts.lines(
        {view.title: _scores_on_grid(view.matches, score) for view in views},
        title=f"{_AGAINST[score]} against the threshold",
        x_title="Threshold (confidence, 0 to 1)",
        y_title=f"{_AGAINST[score]} (0 to 1)",
        x_range=(0.0, 1.0),
        y_range=charts.SHARE,
        marks={view.title: (view.threshold, _value(view.point, score)) for view in views},
    )


def _reliability(views: list[_View]) -> Figure:
    series = {}
    for view in views:
        if not len(view.matches.confidence):
            continue
        bins = [b for b in calibration(view.matches).bins if b["count"]]
        series[view.title] = (
            pd.Series([b["avg_confidence"] for b in bins]),
            pd.Series([b["avg_accuracy"] for b in bins]),
        )
    figure = charts.lines(
        series,
        title="Reliability",
        x_title="Confidence (mean of a bin)",
        y_title="Right (share, 0 to 1)",
        x_range=charts.SHARE,
        y_range=charts.SHARE,
        height_px=380,
    )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#7f7f7f", "width": 1})
    return figure


def _confusion(views: list[_View]) -> None:
    by_name = {view.kept.spec.name: view for view in views}
    name = st.selectbox(
        "Confusion matrix of",
        list(by_name),
        format_func=lambda name: by_name[name].title,
        key="compare.confusion",
        persist_state="session",
    )
    chosen = by_name[name]
    shown = chosen.kept.evidence.shown_at(chosen.threshold)
    names = [*(title_of(c) for c in CLASSES), "background"]
    _chart(
        confusion_map(
            confusion(shown).matrix.tolist(),
            names,
            f"{chosen.title} at {chosen.threshold:.2f}: cells in rows, calls in columns",
        ),
        "confusion",
    )
    st.caption(
        "Background as a row: a box on no cell. Background as a column: a cell without a box."
    )


def _training(models: Sequence[KeptAnswers]) -> None:
    learned = {a.spec.title: c for a in models if (c := training_curve(a.spec.name)) is not None}
    columns = st.columns(2, gap="medium")
    for n, (column, title) in enumerate(charts.DETECTOR_CURVES):
        with columns[n % 2]:
            _chart(charts.training_overlay(learned, column, title), f"training-{n}")
    st.caption(
        "After the paper's Figures 4 to 6: mean over all classes on the 13 validation fields, "
        "epoch by epoch of the training on ALL-IDB1; pre-training is not drawn."
    )


def _chart(figure: Figure, key: str) -> None:
    st.plotly_chart(figure, key=f"compare.chart.{key}", config={"displayModeBar": False})
