"""Compare: what the paper published, what our models measure, and how fast they are here."""

import streamlit as st

from allcell.ui.shell.frame import require_frame

require_frame()
# Imported only now: the charts' library takes a moment that the other pages need not wait for.
from allcell.ui.compare import answers  # noqa: E402
from allcell.ui.compare.curves import curves_and_threshold  # noqa: E402
from allcell.ui.compare.laboratories import other_laboratories  # noqa: E402
from allcell.ui.compare.pairs import differences  # noqa: E402
from allcell.ui.compare.side.page import side_by_side  # noqa: E402
from allcell.ui.compare.speed import speed_here  # noqa: E402
from allcell.ui.compare.table import published_and_measured  # noqa: E402
from allcell.ui.compare.user_model import your_model  # noqa: E402
from allcell.ui.compare.your_data.page import your_data  # noqa: E402

_TAB, _LAST_TAB = "compare.tab", "compare.last_tab"

st.title("Compare models", anchor=False)
answers.measured_on()
# Unlike other controls, tabs lose their state while the user is on another page.
if _TAB not in st.session_state and _LAST_TAB in st.session_state:
    st.session_state[_TAB] = st.session_state[_LAST_TAB]
# Only the open tab is rendered: the others cost time.
_TABS = {
    "Published and measured": published_and_measured,
    "Other laboratories": other_laboratories,
    "Speed here": speed_here,
    "Curves and threshold": curves_and_threshold,
    "Real differences?": differences,
    "Side by side": side_by_side,
    "Your data": your_data,
    "Your model": your_model,
}
tabs = st.tabs(list(_TABS), key=_TAB, on_change="rerun")
st.session_state[_LAST_TAB] = st.session_state[_TAB]
for tab, show in zip(tabs, _TABS.values(), strict=True):
    if tab.open:
        with tab:
            show()
