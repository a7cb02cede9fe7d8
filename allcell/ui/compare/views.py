"""Compare: the charts of several models, each with a mark at its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from allcell.evaluation.bands import CurveBands
from allcell.evaluation.confusion import confusion
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.metrics import calibration, threshold_curve
from allcell.evaluation.operating import OperatingPoint
from allcell.evaluation.predictions import CALIBRATION_FLOOR
from allcell.models.registry import CLASSES
from allcell.statistics import Proportion, too_few_images
from allcell.text.words import AS_SHOWN, AS_YOLOV5_COUNTS
from allcell.ui.compare.answers import KeptAnswers
from allcell.ui.compare.bands import DRAWN, MOST, TOO_MANY, with_bands
from allcell.ui.compare.charts import confusion_map
from allcell.ui.shell import charts
from allcell.ui.shell.controls import choose_one, title_of

_AGAINST = {"precision": "P", "recall": "R", "f1": "F1"}


@dataclass(frozen=True, eq=False)
class View:
    """One model at its threshold, seen for one class.

    Attributes:
        kept: The model and its answers.
        class_id: The class.
        threshold: Lowest confidence, 0 to 1.
        point: Counts and scores there.
    """

    kept: KeptAnswers
    class_id: int
    threshold: float
    point: OperatingPoint

    @property
    def matches(self) -> ClassMatches:
        """Matches of the class, as a user sees it."""
        return self.kept.evidence.user_matches[self.class_id]

    @property
    def title(self) -> str:
        """Display title of the model."""
        return self.kept.spec.title


def draw_curves(views: list[View], fields: str, everyone: Sequence[str]) -> None:
    """Precision and recall, FROC, a score against the threshold, reliability.

    Args:
        views: The models, all for one class.
        fields: What the images are called in a sentence.
        everyone: Titles of all models that could be chosen.
    """
    curves = {view.title: threshold_curve(view.matches) for view in views}
    bands = _bands(views)
    at = {view.title: view.point.counts for view in views}
    left, right = st.columns(2, gap="medium")
    with left:
        figure = with_bands(
            charts.lines(
                {t: (pd.Series(c.recall), pd.Series(c.precision)) for t, c in curves.items()},
                title="Precision against recall",
                x_title="Recall (0 to 1)",
                y_title="Precision (0 to 1)",
                x_range=charts.SHARE,
                y_range=charts.upper_share(
                    float(c.precision.min()) for c in curves.values() if len(c.precision)
                ),
                marks={
                    t: (c.recall, c.precision)
                    for t, c in at.items()
                    if c.precision is not None and c.recall is not None
                },
                everyone=everyone,
            ),
            {title: of.precision_recall for title, of in bands.items()},
            everyone,
        )
        draw_chart(figure, "pr")
    with right:
        figure = with_bands(
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
                everyone=everyone,
            ),
            {title: of.froc for title, of in bands.items()},
            everyone,
        )
        draw_chart(figure, "froc")
    left, right = st.columns(2, gap="medium")
    with left:
        score = choose_one(
            "Score against the threshold", _AGAINST, key="compare.against", default="f1"
        )
        figure = with_bands(
            _against_threshold(views, score, everyone),
            {title: of.by_threshold[score] for title, of in bands.items()},
            everyone,
        )
        draw_chart(figure, "against")
    with right:
        draw_chart(_reliability(views, everyone), "reliability")
        st.caption(
            "Reliability: a model whose confidence can be taken at face value lies on the "
            "diagonal. A larger mark stands for more boxes, and up to three models have exact 95 % "
            "intervals. Boxes to the right of the dotted line are shown."
        )
    few = too_few_images(views[0].kept.evidence.n_images)
    note = "" if few else f"{DRAWN if bands else TOO_MANY} "
    st.caption(
        f"{note}"
        f"On {fields}, IoU 0.5, confidence {CALIBRATION_FLOOR:g} and above, {AS_SHOWN}: one cell "
        f"has one class. Table 1's P and R are {AS_YOLOV5_COUNTS}: a box counts for each class "
        "that it reaches."
    )


def _bands(views: Sequence[View]) -> dict[str, CurveBands]:
    """The bands of few models; none if they would hide one another."""
    if len(views) > MOST:
        return {}
    return {view.title: view.kept.evidence.bands[view.class_id] for view in views}


def _on_grid(view: View, score: str) -> tuple[pd.Series, pd.Series]:
    """Thresholds and a score at each; the slider only moves the mark on it."""
    known = view.kept.evidence.sweeps[view.class_id]
    return pd.Series(known.threshold), pd.Series(getattr(known, score))


def _value(point: OperatingPoint, score: str) -> float:
    found = point.f1 if score == "f1" else getattr(point.counts, score)
    return float("nan") if found is None else float(found)


def _against_threshold(views: list[View], score: str, everyone: Sequence[str]) -> Figure:
    return charts.lines(
        {view.title: _on_grid(view, score) for view in views},
        title=f"{_AGAINST[score]} against the threshold",
        x_title="Threshold (confidence, 0 to 1)",
        y_title=f"{_AGAINST[score]} (0 to 1)",
        x_range=(0.0, 1.0),
        y_range=charts.SHARE,
        marks={view.title: (view.threshold, _value(view.point, score)) for view in views},
        everyone=everyone,
    )


def _reliability(views: list[View], everyone: Sequence[str]) -> Figure:
    series, found = {}, {}
    for view in views:
        if not len(view.matches.confidence):
            continue
        bins = [b for b in calibration(view.matches).bins if b["count"]]
        series[view.title] = (
            pd.Series([b["avg_confidence"] for b in bins]),
            pd.Series([b["avg_accuracy"] for b in bins]),
        )
        found[view.title] = [
            Proportion.of(round(b["avg_accuracy"] * b["count"]), b["count"]) for b in bins
        ]
    figure = charts.lines(
        series,
        title="Reliability",
        x_title="Confidence (mean of a bin)",
        y_title="Right (share, 0 to 1)",
        x_range=charts.SHARE,
        y_range=charts.SHARE,
        everyone=everyone,
        # The chart next to it has a control above it.
        height_px=420,
    )
    look_of = charts.looks(series, everyone)
    most = max((share.n for of_model in found.values() for share in of_model), default=1)
    for name, shares in found.items():
        colour = look_of[name].colour
        ends = {
            "type": "data",
            "symmetric": False,
            "array": [share.high - (share.fraction or 0.0) for share in shares],
            "arrayminus": [(share.fraction or 0.0) - share.low for share in shares],
            "color": colour,
            "thickness": 1,
            "width": 3,
        }
        figure.update_traces(
            selector={"name": name},
            mode="lines+markers",
            # Area by number of boxes: 3 of 7 does not look like 300 of 700.
            marker={
                "color": colour,
                "symbol": look_of[name].symbol,
                "size": [5 + 15 * (share.n / most) ** 0.5 for share in shares],
                "opacity": 0.75,
            },
            error_y=ends if len(found) <= MOST else None,
            customdata=[[share.k, share.n] for share in shares],
            hovertemplate=f"{name}: %{{y:.3f}}, %{{customdata[0]}} of %{{customdata[1]}} boxes"
            "<extra></extra>",
        )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#7f7f7f", "width": 1})
    for threshold in sorted({view.threshold for view in views}):
        figure.add_vline(x=threshold, line={"color": "#7f7f7f", "width": 1.5, "dash": "dot"})
    return figure


def draw_confusion(views: Sequence[View]) -> View:
    """The confusion matrix of one of the models, with the background.

    Args:
        views: The models at their thresholds.

    Returns:
        The model that is chosen.
    """
    by_name = {view.kept.spec.name: view for view in views}
    # Streamlit keeps a reference to what formats the titles: titles only, so that a set can go.
    titles = {name: view.title for name, view in by_name.items()}
    name = st.selectbox(
        "Confusion matrix of",
        list(by_name),
        format_func=titles.__getitem__,
        key="compare.confusion",
        persist_state="session",
    )
    chosen = by_name[name]
    shown = chosen.kept.evidence.shown_at(chosen.threshold)
    names = [*(title_of(c) for c in CLASSES), "background"]
    draw_chart(
        confusion_map(
            confusion(shown).matrix.tolist(),
            names,
            f"{chosen.title} at {chosen.threshold:.2f}",
            dark=st.context.theme.type == "dark",
        ),
        "confusion",
    )
    st.caption(
        "Cells in rows, what they are called in columns. Background as a row: a box on no cell. "
        "Background as a column: a cell without a box."
    )
    return chosen


def draw_chart(figure: Figure, key: str) -> None:
    """A chart of the page, without the library's buttons."""
    st.plotly_chart(figure, key=f"compare.chart.{key}", config={"displayModeBar": False})
