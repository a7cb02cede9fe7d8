"""Compare: each laboratory, as seen by models that never saw it and by those that are shipped."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.data.laboratories import LABORATORIES
from allcell.evaluation.intervals import NO_WIDTH
from allcell.models.registry import get_spec
from allcell.report.laboratories.scores import (
    LABORATORY_SCORES,
    NOT_MEASURED,
    SCORES_NOTE,
    SEEN_NOTE,
    UNSEEN_NOTE,
    LaboratoryScores,
    basis,
    evidence_of_unseen,
    expectation,
    model_with_twins,
)
from allcell.report.laboratories.tables import (
    COMMAND,
    FIELDS,
    LABORATORY,
    MODEL,
    NEVER,
    beside_each_other,
    everything,
    laboratories_csv,
    of_one_detector,
    one_below_the_other,
)
from allcell.report.table1 import table_latex, table_markdown
from allcell.settings import RESEARCH_USE, settings
from allcell.text.words import BOTH_APS
from allcell.ui.compare.dots import Dot, dots
from allcell.ui.shell.controls import choose_one
from allcell.ui.shell.table_downloads import table_downloads

_EVERY = "every"


def other_laboratories() -> None:
    """What to expect, the table, a chart of one score, downloads."""
    weights, name = settings().weights_dir, model_with_twins()
    title = get_spec(name).title
    evidence = evidence_of_unseen(weights, name)
    st.markdown(f"{title}. **{expectation(evidence)}** {basis(evidence)}")
    view = choose_one(
        "In the table",
        {name: f"Never seen, and {title}", _EVERY: "All detectors"},
        key="compare.laboratories.view",
        default=name,
    )
    every = view == _EVERY
    scores = everything(weights) if every else of_one_detector(weights, name)
    table = one_below_the_other(scores) if every else beside_each_other(weights, name)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={
            # Pinned and narrow, so that a phone shows a score next to it.
            LABORATORY: st.column_config.TextColumn(pinned=True, width=90),
            MODEL: st.column_config.TextColumn(width=165),
            FIELDS: st.column_config.TextColumn(width=60),
            # As wide as an interval with its kind.
            **{
                head: st.column_config.TextColumn(width=195)
                for head in (LABORATORY_SCORES.values() if every else ())
            },
        },
        alt="Scores of models in each laboratory, seen in training or not",
    )
    notes = (
        f"{UNSEEN_NOTE} {SEEN_NOTE}",
        f"{SCORES_NOTE} {BOTH_APS}",
        f"In parentheses: 95 % intervals. {NO_WIDTH}",
    )
    st.caption("\n\n".join(notes))
    if any(one.metrics is None for one in scores):
        st.caption(f"What is {NOT_MEASURED} is measured by `{COMMAND}`.")
    table_downloads(
        "compare.laboratories",
        "laboratories",
        csv=lambda: laboratories_csv(everything(weights)),
        markdown=lambda: table_markdown(table, (*notes, *_caveats(), RESEARCH_USE)),
        latex=lambda: table_latex(table, (*notes, *_caveats(), RESEARCH_USE)),
    )
    _chart(scores)
    st.subheader("The laboratories", anchor=False)
    st.markdown("\n".join(f"- {line}" for line in _caveats()))


def _caveats() -> list[str]:
    return [f"**{lab.title}**: {lab.about}" for lab in LABORATORIES.values()]


def _chart(scores: Sequence[LaboratoryScores]) -> None:
    score = choose_one(
        "Score in the chart",
        LABORATORY_SCORES,
        key="compare.laboratories.score",
        default=next(iter(LABORATORY_SCORES)),
    )
    found = [
        Dot(
            one.title if one.shipped else NEVER.capitalize(),
            one.laboratory.title,
            value,
            one.interval(score).ends,
            filled=one.seen is False,
        )
        for one in scores
        if (value := one.value(score)) is not None
    ]
    if not found:
        st.info("This score is not measured in any laboratory yet.")
        return
    st.plotly_chart(
        dots(found, title=LABORATORY_SCORES[score], share=score != "false_blasts_per_field"),
        key="compare.laboratories.chart",
        config={"displayModeBar": False},
    )
    st.caption(
        "Filled: the model never saw the laboratory. Open: it has seen other fields of it. Bars: "
        "95 % intervals."
    )
