"""The Models page: what to expect of the models in a laboratory that they never saw."""

from __future__ import annotations

import streamlit as st

from allcell.models.registry import get_spec
from allcell.report.laboratories.scores import (
    SCORES_NOTE,
    SEEN_NOTE,
    UNSEEN_NOTE,
    basis,
    evidence_of_unseen,
    expectation,
    model_with_twins,
)
from allcell.report.laboratories.tables import LABORATORY, beside_each_other
from allcell.settings import settings


def in_other_laboratories() -> None:
    """What to expect in words, and in numbers: of a model that never saw it, and as shipped."""
    weights, name = settings().weights_dir, model_with_twins()
    evidence = evidence_of_unseen(weights, name)
    st.subheader("In other laboratories", anchor=False)
    st.markdown(f"{get_spec(name).title}. **{expectation(evidence)}** {basis(evidence)}")
    table = beside_each_other(weights, name)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={LABORATORY: st.column_config.TextColumn(pinned=True, width=90)},
        alt="Scores in each laboratory, of a model that never saw it and of the shipped one",
    )
    st.caption(
        f"{UNSEEN_NOTE} {SEEN_NOTE} All detectors, and a chart: Compare, *Other laboratories*."
        f"\n\n{SCORES_NOTE}"
    )
