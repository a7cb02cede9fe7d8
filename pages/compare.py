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

_TAB, _LAST_TAB = "compare.tab", "compare.last_tab"

st.title("Compare models", anchor=False)
answers.measured_on()
# Unlike other controls, tabs are not kept by Streamlit while one is on another page.
if _TAB not in st.session_state and _LAST_TAB in st.session_state:
    st.session_state[_TAB] = st.session_state[_LAST_TAB]
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
    key=_TAB,
    on_change="rerun",
)
st.session_state[_LAST_TAB] = st.session_state[_TAB]
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
