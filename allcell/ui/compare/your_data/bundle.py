"""Compare: the whole of the user's own comparison in one ZIP, which anyone can check."""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from allcell.evaluation.bundle import pack
from allcell.evaluation.scored import compare_scored
from allcell.runs.evaluation import EvaluationRun
from allcell.runs.measured import numbered
from allcell.ui.shell.controls import choose_names, kept_names

#: What a set is called where file names are left out: its name may hold a patient's, too.
_UNNAMED = "own-data"


def download(run: EvaluationRun) -> None:
    """The button, and whether file names go into the file."""
    # Asked here: the file is made later, in a thread that belongs to no session.
    named = kept_names()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download everything to check this (ZIP)",
            lambda: bundle(run, named=named),
            "comparison.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key="compare.user_bundle",
            help="Every box of every model and every label of your set, with scores, settings, "
            "hashes, versions and machine, and what whole-field models said; without pictures. "
            "`python -m allcell evaluate --from comparison.zip` scores it again.",
        )
        choose_names()


def bundle(run: EvaluationRun, *, named: bool) -> bytes:
    """The ZIP of the models that are done.

    Args:
        run: A run with at least one result.
        named: Whether images and set go by their own names, which may hold a patient's.
    """
    names = numbered(len(run.names))
    if named:
        # Two folders may hold a file of the same name; numbers keep them apart.
        names = [
            f"{number}-{PurePath(name).stem}" for number, name in zip(names, run.names, strict=True)
        ]
    data = run.user_set.name if named else _UNNAMED
    finished = run.finished
    models = [
        scored.renamed(data, run.user_set.split, names)
        for _, scored in sorted(finished.results.items())
    ]
    fields = [judged for _, judged in sorted(finished.fields.items())]
    return pack(
        [m.predictions for m in models],
        [m.result for m in models],
        compare_scored(models, fields),
        fields,
    )
