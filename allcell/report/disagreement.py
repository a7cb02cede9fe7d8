"""Whether several models say different things of one picture as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from allcell.cautions import Caution
from allcell.result import Result
from allcell.text.words import in_words

#: Counts differ if the lowest is below this part of the highest, and by at least `LEAST_CELLS`. Not
#: tuned: it decides on a note only, and one or two cells more or less are usual.
SAME_COUNT = 2 / 3
LEAST_CELLS = 3

_REMEDY = (
    "Look at the cells themselves, above all at those on which the models differ: Compare, Side by "
    "side, lists them."
)


def models_disagree(results: Mapping[str, Result]) -> Caution | None:
    """A note if models differ on whether there are blasts, or by much in how many cells there are.

    Args:
        results: What each model finds in one picture, by its title; withheld ones say nothing.

    Returns:
        The note, or None if at most one model says anything, or all say much the same.
    """
    counts = {title: result.counts for title, result in results.items() if not result.withheld}
    blasts = {title: found.suggests_blasts for title, found in counts.items()}
    some = [title for title, suggests in blasts.items() if suggests]
    none = [title for title, suggests in blasts.items() if suggests is False]
    if some and none:
        message = (
            "The models disagree on whether there are blasts: "
            f"{in_words(some, 'and')} {_suggest(some)} some, "
            f"{in_words(none, 'and')} {_suggest(none)} none."
        )
        return Caution("models_disagree", message, _REMEDY)
    for what, numbers in (
        ("blasts", [c.blasts for c in counts.values() if c.knows("blast")]),
        ("white cells", [c.white_cells for c in counts.values() if c.tells_blasts]),
    ):
        known = [number for number in numbers if number is not None]
        low, high = min(known, default=0), max(known, default=0)
        if high - low >= LEAST_CELLS and low < SAME_COUNT * high:
            message = f"The models disagree on how many {what} there are: from {low} to {high}."
            return Caution("models_disagree", message, _REMEDY)
    return None


def _suggest(titles: list[str]) -> str:
    return "suggests" if len(titles) == 1 else "suggest"
