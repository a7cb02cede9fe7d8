"""Compare: what the comparisons of all pairs of models say, in words and in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from allcell.evaluation.compare import ALPHA, field_is_decisive, least_differing
from allcell.evaluation.intervals import UNDECIDED, ShownInterval, difference_interval
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.statistics import too_few_images
from allcell.ui.shell.catalog import short_title

#: Marks of what is decisive and of what is on the edge.
DECISIVE, EDGE = " ●", " ○"
#: Titles of what the table of differences can show.
CELLS = {"difference": "Difference (95 % interval)", "p": "p, Holm-adjusted"}


def verdict(pairs: Sequence[dict[str, Any]], titles: Mapping[str, str], images: int) -> str:
    """The verdict over all pairs of one measure, in words.

    Args:
        pairs: `compare.Difference` as JSON.
        titles: Display titles, by name, of models that the registry does not know.
        images: How many images the models are compared on.
    """
    if not pairs:
        return "Nothing to compare: fewer than two models are measured."
    if few := too_few_images(images):
        return f"Nothing is decided: {few}."
    decisive = [d for d in pairs if d["decisive"]]
    # JSON before version 0.3 knows no edge.
    edge = [d for d in pairs if d.get("edge")]
    said = []
    if decisive:
        said.append(
            f"Decisive in {len(decisive)} of {len(pairs)} pairs: {_better(decisive, titles)}."
        )
    else:
        said.append(_none_decisive(len(pairs)))
    if edge:
        said.append(f"On the edge: {_better(edge, titles)}.")
    undecided = sum(d["p_adjusted"] is None for d in pairs)
    if undecided:
        said.append(f"Of {len(pairs)} pairs {undecided} {UNDECIDED}.")
    return " ".join(said)


def closest(pairs: Sequence[dict[str, Any]], titles: Mapping[str, str], comparisons: int) -> str:
    """What comes nearest to a difference where none is decisive; empty if nothing does.

    Args:
        pairs: See `verdict`.
        titles: See `verdict`.
        comparisons: How many the p-values are adjusted for.
    """
    known = [d for d in pairs if d.get("p") is not None and d["value"]]
    if any(d["decisive"] for d in pairs) or not known:
        return ""
    best = min(known, key=lambda d: float(d["p"]))
    if best["p"] >= ALPHA:
        return ""
    return (
        f"Nearest to one: {_better([best], titles)}, p {_number(best['p'])} by itself, "
        f"{_number(best['p_adjusted'])} as one of {comparisons} comparisons."
    )


def _better(differences: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> str:
    return "; ".join(
        f"{_title(d['first' if d['value'] > 0 else 'second'], titles)} over "
        f"{_title(d['second' if d['value'] > 0 else 'first'], titles)}"
        for d in differences
    )


def why_not(images: int) -> str:
    """Why a difference has neither interval nor p.

    Args:
        images: See `verdict`.
    """
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
    least, most = least_differing(len(fields)), max(map(_differing, fields))
    if decisive:
        return f"Decisive in {len(decisive)} of {len(fields)} pairs."
    if most >= least:
        return _none_decisive(len(fields))
    if len(fields) == 1:
        must, differ = "two models would", "these differ on"
    else:
        must = f"with Holm's adjustment for {len(fields)} pairs, two models would"
        differ = "these differ on at most"
    return (
        f"This test cannot be decisive here: {must} have to differ on at least {least} of the "
        f"{images} fields, all in favour of one, and {differ} {most}."
    )


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
            table.at[first, second] = table.at[second, first] = _p(d["p_adjusted"], _mark(d))
            continue
        shown, turned = (difference_interval(d["interval"], turned=t) for t in (False, True))
        table.at[first, second] = _difference(d["value"], shown, _mark(d))
        table.at[second, first] = _difference(-d["value"], turned, _mark(d))
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
                CELLS["p"]: _p(f["p_adjusted"]),
            }
            for f in fields
        ]
    )


def _mark(difference: Mapping[str, Any]) -> str:
    return DECISIVE if difference["decisive"] else EDGE if difference.get("edge") else ""


def _difference(value: float, interval: ShownInterval, mark: str) -> str:
    # z: no minus sign on what rounds to zero.
    return f"{value:+z.3f}{mark} ({interval.text('{:+z.3f}'.format)})"


def _p(adjusted: float | None, mark: str = "") -> str:
    return "n/a" if adjusted is None else _number(adjusted) + mark


def _number(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _title(name: str, titles: Mapping[str, str]) -> str:
    known = {spec.name: short_title(spec) for spec in MODELS}
    known |= {spec.name: short_title(spec) for spec in CLASSIFIERS}
    return {**known, **titles}.get(name, name)
