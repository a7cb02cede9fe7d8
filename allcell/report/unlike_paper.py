"""In what a model of ours differs from its counterpart in the paper: from what is on record."""

from __future__ import annotations

from typing import Any

from allcell.data.laboratories import LABORATORIES
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles
from allcell.report.paper import published
from allcell.text.words import SCORE_TITLES, in_words

#: The laboratory of the paper's fields.
_OF_THE_PAPER = "allidb1"
_CUT = "cells cut by the edge count neither way"


def unlike_paper(
    spec: ModelSpec,
    files: ModelFiles | None,
    facts: dict[str, Any] | None,
    test: dict[str, Any] | None,
) -> str:
    """The differences, one after the other; empty if the paper has no such model.

    Args:
        spec: The model.
        files: Its entry in the manifest; None if it has no weights.
        facts: How it was trained (see `metrics_files.read_training`), if that is stored.
        test: The evaluator's JSON on the test fields, if it was measured there.
    """
    paper = published(spec.name)
    if paper is None:
        return ""
    parts = [spec.unlike_paper] if spec.unlike_paper else []
    if files is not None and paper.parameters_millions is not None:
        parts.append(
            f"{files.parameters / 1e6:.1f} million parameters against "
            f"{paper.parameters_millions:.1f} million"
        )
    if facts is not None:
        parts += _training(facts)
    classes = [cell for cell in CELL_CLASSES if cell.name in spec.classes]
    extra = [cell.row.lower() for cell in classes if not cell.paper]
    if extra:
        parts.append(
            f"{len(classes)} classes instead of {len(classes) - len(extra)}: also "
            f"{in_words(extra, 'and')}"
        )
    parts.append(_cut_cells(test))
    return "; ".join(parts)


def saw_test_scores(facts: dict[str, Any] | None) -> bool:
    """Whether the rule that chose a model's checkpoint was made after a test score was seen.

    Args:
        facts: See `unlike_paper`.
    """
    return facts is not None and facts.get("taken") == "last"


def _training(facts: dict[str, Any]) -> list[str]:
    recipe = facts["recipe"]
    parts = []
    shares = {s["name"]: s["share"] for s in recipe["sources"] if s["name"] != _OF_THE_PAPER}
    if shares:
        names = [LABORATORIES[n].title if n in LABORATORIES else n for n in shares]
        stage = "fine-tuning" if facts.get("pretraining") else "training"
        part = sum(shares.values()) / sum(s["share"] for s in recipe["sources"])
        parts.append(f"{100 * part:.0f} % of the {stage} tiles from {in_words(names, 'and')}")
    if recipe.get("bfloat16"):
        parts.append("trained in bfloat16")
    parts.append(f"one training run, seed {recipe['seed']}")
    if saw_test_scores(facts):
        parts.append("its checkpoint by a rule that was made after a test score had been seen")
    return parts


def _cut_cells(test: dict[str, Any] | None) -> str:
    # JSON before version 0.3 does not say what that is worth.
    if test is None or not (ignored := test.get("ignored")):
        return _CUT
    worth = []
    for key in ("ap50_as_shown", "ap50"):
        ours, counted = test["classes"]["blast"][key], ignored["counted"]["blast"][key]
        if ours is not None and counted is not None:
            worth.append(f"{ours - counted:+.3f} {SCORE_TITLES[key]}")
    return (
        f"{_CUT} ({ignored['cells']} on the test fields, worth {in_words(worth, 'and')} of blasts)"
        if worth
        else _CUT
    )
