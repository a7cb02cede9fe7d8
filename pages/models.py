"""Models: which there are, what they are made of, whether they can be used here, and how fast."""

import streamlit as st

from allcell.ui.models.cards import show_model
from allcell.ui.models.laboratories import in_other_laboratories
from allcell.ui.models.overview import figure_6, overview
from allcell.ui.models.own import import_own, own_news
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.frame import require_frame

_TAB, _LAST_TAB = "models.tab", "models.last_tab"

require_frame()
st.title("Models", anchor=False)
# Unlike other controls, tabs lose their state while the user is on another page.
if _TAB not in st.session_state and _LAST_TAB in st.session_state:
    st.session_state[_TAB] = st.session_state[_LAST_TAB]
models, benchmark = st.tabs(["All models", "Benchmark"], key=_TAB, on_change="rerun")
st.session_state[_LAST_TAB] = st.session_state[_TAB]
if models.open:
    with models:
        entries = catalog()
        in_other_laboratories()
        own_news()
        st.subheader("All models", anchor=False)
        overview(entries)
        figure_6(entries)
        # What was taught here first: it is what they came for.
        for entry in sorted(entries, key=lambda entry: entry.own is None):
            show_model(entry)
        import_own()
if benchmark.open:
    # What measures is imported only for those who want to.
    from allcell.ui.models.benchmark import benchmark_here

    with benchmark:
        benchmark_here()
