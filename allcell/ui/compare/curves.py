"""Compare: curves of all models in shared plots, and one threshold that moves everything."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from allcell.detections import IntArray
from allcell.evaluation.intervals import (
    ShownInterval,
    counts_interval,
    interval_note,
    interval_of,
    score_text,
)
from allcell.evaluation.operating import Interval, operating_point
from allcell.evaluation.predictions import CALIBRATION_FLOOR
from allcell.models.registry import CLASSES
from allcell.statistics import resamples
from allcell.text.words import BOTH_APS
from allcell.ui.compare.answers import Answers, KeptAnswers, answers
from allcell.ui.compare.errors import draw_errors
from allcell.ui.compare.views import View, draw_chart, draw_curves
from allcell.ui.compare.your_data import boxes as user_boxes
from allcell.ui.shell import charts
from allcell.ui.shell.controls import choose_one, title_of
from allcell.ui.shell.kept_metrics import training_curve

_OWN = "compare.own"
#: Resamples behind the intervals that follow the slider.
_DRAWS = 1000


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
    if chosen.run is None:
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
            # The user's own set has other models, and gains more while the evaluation runs.
            key=f"compare.models.{'+'.join(titles)}" if of_set.run else "compare.models",
            persist_state="session",
        )
    with right:
        kind = choose_one(
            "Cells", {c: title_of(c) for c in CLASSES}, key="compare.kind", default=CLASSES[0]
        )
    shown = [a for a in of_set.models if a.spec.name in names]
    if not shown:
        st.info("Choose at least one model.")
        return
    # It stays in view while the user scrolls to what it moves (see assets/frame.css).
    with st.container(key="allcell-threshold"):
        own, confidence = _threshold()
    class_id = CLASSES.index(kind)
    views = []
    for kept in shown:
        threshold = kept.spec.confidence if own else confidence
        matches = kept.evidence.user_matches[class_id]
        point = operating_point(matches, threshold, _draws(kept.evidence.n_images))
        views.append(View(kept, class_id, threshold, point))
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
    st.caption(interval_note(shown[0].evidence.n_images))
    if of_set.run:
        user_boxes.field_at_threshold(of_set, class_id, [(v.kept, v.threshold) for v in views])
    if any(view.matches.n_truth for view in views):
        draw_curves(views, of_set.fields, list(titles.values()))
    else:
        st.info(f"No {title_of(kind).lower()} is labelled here: there are no curves for it.")
    draw_errors(views, of_set.names, kind)


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
            # The switch next to it, which is drawn after it.
            disabled=bool(st.session_state.get(_OWN)),
        )
    with right:
        own = st.toggle(
            "Each at its own",
            key=_OWN,
            persist_state="session",
            help="Each model's operating threshold, chosen on the validation fields.",
        )
    return own, confidence


def _row(view: View) -> dict[str, object]:
    point, counts = view.point, view.point.counts
    images = view.kept.evidence.n_images

    def of(metric: str, bounds: Interval | None) -> ShownInterval:
        return counts_interval(bounds, images, metric, vars(counts))

    return {
        "Model": view.title,
        "Threshold": view.threshold,
        "Found (tp)": counts.tp,
        "False alarms (fp)": counts.fp,
        "Missed (fn)": counts.fn,
        "P (95 % interval)": _score(counts.precision, of("precision", point.precision_interval)),
        "R (95 % interval)": _score(counts.recall, of("recall", point.recall_interval)),
        "F1 (95 % interval)": _score(point.f1, interval_of(point.f1_interval, images)),
        "False alarms a field": point.false_alarms_per_image,
    }


def _score(value: float | None, interval: ShownInterval) -> str:
    return score_text(value, interval, "{:.3f}".format, missing="none")


def _training(models: Sequence[KeptAnswers]) -> None:
    everyone = [a.spec.title for a in models]
    learned = {a.spec.title: c for a in models if (c := training_curve(a.spec.name)) is not None}
    columns = st.columns(2, gap="medium")
    for n, (column, title) in enumerate(charts.DETECTOR_CURVES):
        with columns[n % 2]:
            draw_chart(charts.training_overlay(learned, column, title, everyone), f"training-{n}")
    st.caption(
        "After the paper's Figures 4 to 6: mean over all classes on the 13 validation fields, "
        f"epoch by epoch of the training on ALL-IDB1; pre-training is not drawn. {BOTH_APS}"
    )
