"""Models: which there are, what they are made of, and whether they can be used here."""

import streamlit as st

from allcell.ui.cards import show_model
from allcell.ui.catalog import catalog
from allcell.ui.frame import require_frame
from allcell.ui.model_overview import figure_6, overview

require_frame()
st.title("Models", anchor=False)
entries = catalog()
overview(entries)
figure_6(entries)
for entry in entries:
    show_model(entry)
