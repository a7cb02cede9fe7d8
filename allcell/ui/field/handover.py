"""From one page to another with a picture: it is never uploaded twice."""

from __future__ import annotations

import streamlit as st

from allcell.ui.field.pictures import Picture

#: The tab of the Compare page with several models on one image, and the key of the open tab.
SIDE_TAB, TAB = "Side by side", "compare.tab"
#: Where its image comes from, whether the user has chosen that, and the image on Detect.
ORIGIN, ORIGIN_CHOSEN, ON_DETECT = "side.origin", "side.origin_chosen", "side.bench"
#: One of the origins.
FROM_DETECT = "From Detect"


def show_side_by_side(picture: Picture) -> None:
    """Leave for Side by side, with this picture of the Detect page chosen there."""
    state = st.session_state
    state[TAB], state[ORIGIN], state[ON_DETECT] = SIDE_TAB, FROM_DETECT, picture.id
    st.switch_page("pages/compare.py")
