"""The app: its pages, and what surrounds them."""

import streamlit as st

from allcell.ui.shell.frame import ICON, frame

st.set_page_config(page_title="allcell", page_icon=ICON, layout="wide")
pages = [
    st.Page("pages/detect.py", title="Detect", default=True),
    st.Page("pages/live.py", title="Live"),
    st.Page("pages/slides.py", title="Slides"),
    st.Page("pages/review.py", title="Review"),
    st.Page("pages/compare.py", title="Compare"),
    st.Page("pages/models.py", title="Models"),
]
page = st.navigation(pages, position="top")
frame(pages, page)
page.run()
