"""Compare: what the paper published, what our models measure, and how fast they are here."""

import streamlit as st

from allcell.ui.frame import require_frame

require_frame()
# Imported only now: the charts' library takes a moment that the other pages need not wait for.
from allcell.ui import (  # noqa: E402
    answers,
    compare_curves,
    compare_pairs,
    compare_speed,
    compare_table,
    own_data,
    own_models,
    side_by_side,
)

st.title("Compare models", anchor=False)
answers.measured_on()
# Only the open one is made.
table, speed, curves, pairs, side, data, own = st.tabs(
    [
        "Published and measured",
        "Speed here",
        "Curves and threshold",
        "Real differences?",
        "Side by side",
        "Your data",
        "Your model",
    ],
    key="compare.tab",
    on_change="rerun",
)
if table.open:
    with table:
        compare_table.published_and_measured()
if speed.open:
    with speed:
        compare_speed.speed_here()
if curves.open:
    with curves:
        compare_curves.curves_and_threshold()
if pairs.open:
    with pairs:
        compare_pairs.differences()
if side.open:
    with side:
        side_by_side.side_by_side()
if data.open:
    with data:
        own_data.your_data()
if own.open:
    with own:
        own_models.your_model()
