"""Models: which there are, what they are made of, and whether they can be used here."""

import streamlit as st

from allcell.ui.models.cards import show_model
from allcell.ui.models.laboratories import in_other_laboratories
from allcell.ui.models.overview import figure_6, overview
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.frame import require_frame

require_frame()
st.title("Models", anchor=False)
entries = catalog()
in_other_laboratories()
st.subheader("All models", anchor=False)
overview(entries)
figure_6(entries)
for entry in entries:
    show_model(entry)
