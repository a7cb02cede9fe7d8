"""Compare: is the difference between two models real?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from allcell.evaluation.bundle import write_bundle
from allcell.evaluation.compare import ALPHA, COMPARED, NEAR
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.spread import Spread, spread_note
from allcell.models.registry import CLASSES, CLASSIFIERS, PAPER_CLASSES
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_current
from allcell.report.table1 import CLASS_ROWS, MEANS
from allcell.settings import settings
from allcell.statistics import too_few_images
from allcell.text.words import BOTH_APS, SCORE_TITLES
from allcell.ui.compare.answers import Answers, answers
from allcell.ui.compare.verdicts import (
    CELLS,
    closest,
    difference_table,
    field_table,
    field_verdict,
    verdict,
    why_not,
)
from allcell.ui.compare.your_data import bundle as user_bundle
from allcell.ui.shell.controls import choose_one

#: Display titles of the comparison's measures.
MEASURES = {
    **{
        f"{name}.{score}": f"{CLASS_ROWS[name]}, {SCORE_TITLES[score]}"
        for score in MEANS
        for name in PAPER_CLASSES
    },
    **{mean: f"{CLASS_ROWS['all']}, {SCORE_TITLES[score]}" for score, mean in MEANS.items()},
    "centroids.recall": "Expert blast centroids found",
    "centroids.precision": "Blast boxes on an expert centroid",
    "white_cells.recall": "White cells found",
}


def differences() -> None:
    """The matrix of paired differences, and McNemar's test on whole fields."""
    chosen = answers()
    comparison = chosen.comparison
    if comparison is None:
        st.info("The models are not compared yet. `make evaluate DATA=folder` does it.")
        return
    if chosen.run is None:
        _say_what_is_stale(comparison)
    titles = {a.spec.name: a.spec.title for a in chosen.models}
    known = _measures(comparison)
    measure = st.selectbox(
        "Score",
        # A set without blasts, for example, has no score for them.
        [name for name in COMPARED if name in MEASURES and (name in known or not known)],
        format_func=MEASURES.__getitem__,
        key="compare.user_measure" if chosen.run else "compare.measure",
        persist_state="session",
        help=BOTH_APS,
    )
    pairs = [d for d in comparison["differences"] if d["measure"] == measure]
    st.markdown(f"**{verdict(pairs, titles, chosen.n_images)}**")
    comparisons = len(comparison["differences"])
    if pairs:
        if nearest := closest(pairs, titles, comparisons):
            st.markdown(nearest)
        shown = choose_one("In the table", CELLS, key="compare.cells", default="difference")
        st.dataframe(
            difference_table(pairs, titles, p_values=shown == "p"),
            column_config={"_index": st.column_config.TextColumn(width=165)},
            alt=f"Each pair of models: {CELLS[shown]}",
        )
        st.caption(_how(chosen, comparison, len(pairs)))
    if chosen.run:
        user_bundle.download(chosen.run)
    else:
        _bundle(chosen)
    st.subheader("Whole fields: is there a blast?", anchor=False)
    fields = comparison["fields"]
    st.markdown(f"**{field_verdict(fields, chosen.n_images)}**")
    if not fields:
        return
    st.dataframe(
        field_table(fields, titles),
        hide_index=True,
        alt="McNemar's test of each pair of models on whole fields",
    )
    judges = {spec.name for spec in CLASSIFIERS} & set(comparison["models"])
    st.caption(
        "McNemar's exact test on the fields that only one of the two judged rightly"
        f"{f', Holm-adjusted over all {len(fields)} pairs' if len(fields) > 1 else ''}"
        f"{'; the whole-field CNN is included' if judges else ''}."
    )


def _how(chosen: Answers, comparison: Mapping[str, Any], pairs: int) -> str:
    """How interval and p come about, and what they rest on."""
    comparisons = len(comparison["differences"])
    draws = comparison.get("draws")
    scores = f"{pairs} pair{'s' * (pairs != 1)} in each of {len(_measures(comparison))} scores"
    spread = spread_note(_spreads(chosen))
    return (
        "Differences: row minus column. Interval and p: paired bootstrap, both models on the same "
        f"{f'{draws:,} ' if draws else ''}resamples of {chosen.fields}; p is adjusted after Holm "
        f"over all {comparisons} comparisons of this page ({scores}). ● decisive: p is clearly "
        f"below {ALPHA:g} and the interval excludes 0. ○ on the edge: p is within a factor of "
        f"{NEAR:g} of {ALPHA:g}, or other resamples could carry it across. Few fields hide small "
        "differences; not decisive is not equal. no width: all resamples give the same "
        f"difference, which is not certainty. n/a: {why_not(chosen.n_images)}."
        f"{f' {spread}' if spread and not too_few_images(chosen.n_images) else ''}"
    )


def _measures(comparison: Mapping[str, Any]) -> set[str]:
    return {d["measure"] for d in comparison["differences"]}


def _spreads(chosen: Answers) -> list[tuple[str, int, Spread]]:
    """The true cells of the paper's classes by field."""
    if not chosen.models:
        return []
    of_class = chosen.models[0].evidence.matches
    return [
        (name, matches.n_truth, Spread.of(matches.truths.tolist()))
        for name in PAPER_CLASSES
        if (matches := of_class[CLASSES.index(name)]).n_truth
    ]


def _say_what_is_stale(comparison: Mapping[str, Any]) -> None:
    manifest = read_manifest(settings().weights_dir)
    stale = [
        name
        for name, sha256 in comparison["models"].items()
        if name not in manifest or manifest[name].checkpoint.sha256 != sha256
    ]
    if "draws" not in comparison:
        st.warning(
            "Compared by an earlier version, which adjusted p for each score by itself. "
            "`make evaluate DATA=folder` compares again."
        )
    if stale:
        st.warning(
            f"Compared with other weights than those that are here: {', '.join(stale)}. "
            "`make evaluate DATA=folder` compares again."
        )


def _bundle(kept: Answers) -> None:
    predictions = [a.predictions for a in kept.models]
    if not predictions:
        return
    st.download_button(
        "Download everything to check this (ZIP)",
        # Made when it is asked for: the resampling takes some seconds a model.
        lambda: write_bundle(predictions, _kept_fields(predictions[0])),
        "comparison.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
        key="compare.bundle",
        help="Every box of every model on the test fields, what whole-field models said, "
        "with scores, settings, hashes, versions and machine; without pictures and the experts' "
        "centroids, which are not ours to give. "
        "`python -m allcell evaluate --from comparison.zip` scores it again.",
    )


def _kept_fields(first: Predictions) -> list[JudgedFields]:
    """The whole-field classifiers' stored answers on the images of `first`."""
    weights = settings().weights_dir
    manifest = read_manifest(weights)
    return [
        JudgedFields.from_result(kept, spec.threshold)
        for spec in CLASSIFIERS
        if (kept := read_current(weights, spec.name, manifest.get(spec.name), "allidb1_test"))
        and kept["data_sha256"] == first.data_sha256
    ]
