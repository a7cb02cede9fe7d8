"""Compare: is the difference between two models real?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from allcell.evaluation.bundle import write_bundle
from allcell.evaluation.compare import ALPHA, COMPARED, field_is_decisive, least_differing
from allcell.evaluation.intervals import UNDECIDED, ShownInterval, difference_interval
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.models.registry import CLASSIFIERS, MODELS, PAPER_CLASSES
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_current
from allcell.report.table1 import CLASS_ROWS, MEANS
from allcell.settings import settings
from allcell.statistics import too_few_images
from allcell.text.words import BOTH_APS, SCORE_TITLES
from allcell.ui.compare.answers import Answers, answers
from allcell.ui.compare.your_data import bundle as user_bundle
from allcell.ui.shell.catalog import short_title
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

_DECISIVE = " ●"
_CELLS = {"difference": "Difference (95 % interval)", "p": "p, Holm-adjusted"}


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
    known = {d["measure"] for d in comparison["differences"]}
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
    if pairs:
        shown = choose_one("In the table", _CELLS, key="compare.cells", default="difference")
        st.dataframe(
            difference_table(pairs, titles, p_values=shown == "p"),
            column_config={"_index": st.column_config.TextColumn(width=165)},
            alt=f"Each pair of models: {_CELLS[shown]}",
        )
        st.caption(
            "Differences: row minus column. Interval and p: paired bootstrap, both models on the "
            f"same resamples of {chosen.fields}; p is adjusted after Holm over all pairs. ● "
            f"decisive: p is below {ALPHA:g} and the interval excludes 0. Few fields hide small "
            "differences; not decisive is not equal. no width: all resamples give the same "
            f"difference, which is not certainty. n/a: {_why_not(chosen.n_images)}."
        )
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
        "McNemar's exact test on the fields that only one of the two judged rightly, Holm-adjusted "
        f"over all pairs{'; the whole-field CNN is included' if judges else ''}."
    )


def _say_what_is_stale(comparison: Mapping[str, Any]) -> None:
    manifest = read_manifest(settings().weights_dir)
    stale = [
        name
        for name, sha256 in comparison["models"].items()
        if name not in manifest or manifest[name].checkpoint.sha256 != sha256
    ]
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
        # Made when it is asked for: the resampling takes a few seconds.
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


def verdict(pairs: Sequence[dict[str, Any]], titles: Mapping[str, str], images: int) -> str:
    """The verdict over all pairs of one measure, in words.

    Args:
        pairs: `compare.Difference` as JSON.
        titles: Display titles, by name, of models that the registry does not know.
        images: How many images the models are compared on.
    """
    decisive = [d for d in pairs if d["decisive"]]
    if not pairs:
        return "Nothing to compare: fewer than two models are measured."
    if few := too_few_images(images):
        return f"Nothing is decided: {few}."
    undecided = sum(d["p_adjusted"] is None for d in pairs)
    cannot = f" Of {len(pairs)} pairs {undecided} {UNDECIDED}." if undecided else ""
    if not decisive:
        return _none_decisive(len(pairs)) + cannot
    better = "; ".join(
        f"{_title(d['first' if d['value'] > 0 else 'second'], titles)} over "
        f"{_title(d['second' if d['value'] > 0 else 'first'], titles)}"
        for d in decisive
    )
    return f"Decisive in {len(decisive)} of {len(pairs)} pairs: {better}.{cannot}"


def _why_not(images: int) -> str:
    few = too_few_images(images)
    return f"not decided, {few}" if few else f"it {UNDECIDED}"


def field_verdict(fields: Sequence[dict[str, Any]], images: int) -> str:
    """The verdict over all pairs on whole fields, in words.

    Args:
        fields: `compare.FieldDifference` as JSON.
        images: How many images there are.
    """
    decisive = [f for f in fields if field_is_decisive(f["p_adjusted"], images)]
    if not fields:
        return "Nothing to compare: fewer than two models are measured."
    if few := too_few_images(images):
        return f"Nothing is decided: {few}."
    if not decisive:
        least, most = least_differing(len(fields)), max(map(_differing, fields))
        return _none_decisive(len(fields)) + (
            f" There could be none: two models would have to differ on at least {least} fields, "
            f"and these differ on at most {most}."
            if most < least
            else ""
        )
    return f"Decisive in {len(decisive)} of {len(fields)} pairs."


def _differing(field: Mapping[str, Any]) -> int:
    return int(field["only_first"] + field["only_second"])


def _none_decisive(pairs: int) -> str:
    among = "between the two models" if pairs == 1 else f"among {pairs} pairs of models"
    return f"No decisive difference {among}."


def difference_table(
    pairs: Sequence[dict[str, Any]], titles: Mapping[str, str], *, p_values: bool = False
) -> pd.DataFrame:
    """A table of differences, models by models.

    Args:
        pairs: See `verdict`.
        titles: See `verdict`.
        p_values: Holm's adjusted p of each pair, instead of row minus column with its interval.
    """
    names = list(dict.fromkeys(name for d in pairs for name in (d["first"], d["second"])))
    table = pd.DataFrame(
        "",
        index=[_title(n, titles) for n in names],
        columns=[_title(n, titles) for n in names],
        dtype=str,
    )
    for d in pairs:
        first, second = _title(d["first"], titles), _title(d["second"], titles)
        if p_values:
            table.at[first, second] = table.at[second, first] = _p(d["p_adjusted"], d["decisive"])
            continue
        shown, turned = (difference_interval(d["interval"], turned=t) for t in (False, True))
        table.at[first, second] = _difference(d["value"], shown, d["decisive"])
        table.at[second, first] = _difference(-d["value"], turned, d["decisive"])
    for name in table.index:
        table.at[name, name] = "same"
    return table


def field_table(fields: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> pd.DataFrame:
    """One row per pair. See `field_verdict`."""
    return pd.DataFrame(
        [
            {
                "First": _title(f["first"], titles),
                "Second": _title(f["second"], titles),
                "Only first right (fields)": f["only_first"],
                "Only second right (fields)": f["only_second"],
                _CELLS["p"]: _p(f["p_adjusted"]),
            }
            for f in fields
        ]
    )


def _difference(value: float, interval: ShownInterval, decisive: bool) -> str:
    # z: no minus sign on what rounds to zero.
    return f"{value:+z.3f}{_DECISIVE * decisive} ({interval.text('{:+z.3f}'.format)})"


def _p(adjusted: float | None, decisive: bool = False) -> str:
    if adjusted is None:
        return "n/a"
    return ("below 0.001" if adjusted < 0.001 else f"{adjusted:.3f}") + _DECISIVE * decisive


def _title(name: str, titles: Mapping[str, str]) -> str:
    known = {spec.name: short_title(spec) for spec in MODELS}
    known |= {spec.name: short_title(spec) for spec in CLASSIFIERS}
    return {**known, **titles}.get(name, name)
