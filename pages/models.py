"""Models: which there are, what they are made of, and whether they can be used here."""

import streamlit as st

from allcell.ui.cards import show_model
from allcell.ui.catalog import catalog
from allcell.ui.frame import require_frame

require_frame()
st.title("Models", anchor=False)
for entry in catalog():
    show_model(entry)
