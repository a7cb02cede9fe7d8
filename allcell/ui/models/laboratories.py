"""The Models page: what to expect of the models in a laboratory that they never saw."""

from __future__ import annotations

import streamlit as st

from allcell.report.laboratories import (
    SCORES_NOTE,
    SEEN_NOTE,
    UNSEEN_NOTE,
    basis,
    evidence_of_unseen,
    expectation,
)
from allcell.report.laboratory_tables import LABORATORY, beside_each_other
from allcell.settings import settings


def in_other_laboratories() -> None:
    """The sentence for the default model, and each laboratory as one that never saw it sees it."""
    weights, name = settings().weights_dir, settings().default_model
    evidence = evidence_of_unseen(weights, name)
    st.subheader("In other laboratories", anchor=False)
    st.markdown(f"`{name}`, the default model: **{expectation(evidence)}** {basis(evidence)}")
    table = beside_each_other(weights, name)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={LABORATORY: st.column_config.TextColumn(pinned=True, width=90)},
        alt="Scores in each laboratory, of a model that never saw it and of the default model",
    )
    st.caption(
        f"{UNSEEN_NOTE} {SCORES_NOTE} {SEEN_NOTE} All detectors and charts: Compare, *Other "
        "laboratories*."
    )
