"""What is said of a view of a slide: its cells, counts, how far the search is. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allcell.cautions import WITHHELD
from allcell.detections import BoolArray, Detections
from allcell.scanning.grid import centres
from allcell.scanning.looking import Looking
from allcell.scanning.seen import SeenCells
from allcell.scanning.views import ViewProgress
from allcell.slides.fitness import EMPTY, FIT
from allcell.synth.spec import RED_CELL_UM
from allcell.ui.shell.wording import interval_text, percent
from allcell.ui.tiles.shown import AskedView

#: Cells sent of one view, the most confident ones: far out there are more than can be told apart.
MOST_CELLS = 3000
_CONFIDENCE_DECIMALS = 3
_PIXEL_DECIMALS = 1


@dataclass(frozen=True, eq=False)
class FoundCells:
    """Cells with what their part of the slide is fit for.

    Attributes:
        cells: In pixels of the slide, all down to the detector's floor.
        counted: Which of them lie where the slide is fit: the others are shown, but not counted.
    """

    cells: Detections
    counted: BoolArray

    def within(self, keep: BoolArray) -> FoundCells:
        """Those that a mask keeps."""
        return FoundCells(self.cells[keep], self.counted[keep])


def found_in(seen: SeenCells) -> FoundCells:
    """All cells that were found so far."""
    answers = seen.answers()
    parts = [seen.of_region(answer.region) for answer in answers]
    fit = [np.full(len(part), a.fitness == FIT) for part, a in zip(parts, answers, strict=True)]
    return FoundCells(Detections.concatenate(parts), np.concatenate([np.zeros(0, bool), *fit]))


def answer_of(looking: Looking, look: AskedView, kinds: Sequence[str]) -> dict[str, object] | None:
    """What a browser is told of a view.

    Args:
        looking: The search.
        look: The view, and what the browser knows of it.
        kinds: Names of the classes as the browser numbers them; the last is `WITHHELD`.

    Returns:
        An object as `SlideView.answered` in `slide.js` reads it; None if there is nothing new.
    """
    progress = looking.progress()
    if progress.number != look.number:
        return {"number": progress.number}
    if progress.serial <= look.after:
        return None
    answer: dict[str, object] = {
        "number": look.number,
        "serial": progress.serial,
        "done": is_done(progress),
        "state": state_of(progress, looking.fitness_of_view()),
        "problem": progress.error is not None,
        "aloud": "",
        "measured": not progress.measuring,
        "assumedMpp": RED_CELL_UM / looking.red_cell_px,
        "cells": [],
        "counts": [],
    }
    seen = looking.seen
    if seen is None or not len(seen):
        # A number would look like an answer.
        return answer
    found = found_in(seen)
    held = [caution for caution in looking.cautions if caution.withholds]
    if held:
        found = FoundCells(found.cells, np.zeros_like(found.counted))
        answer |= {"state": "This slide gets no numbers.", "problem": True}
    found = found.within(found.cells.confidence >= np.float32(look.lowest))
    drawn = found.within(touch_view(found.cells, look))
    answer["cells"] = rows_of(drawn, seen.regions.spec.classes, kinds)
    shown = found.within(in_view(found.cells, look))
    searched = len(seen) / max(1, len(seen.regions))
    here, so_far = (
        part_of("In this view", shown, seen),
        part_of("Seen so far", found, seen, searched),
    )
    if held:
        answer["aloud"] = f"No numbers. {held[0]}"
        words = [held[0].message, held[0].remedy]
        answer["counts"] = [{"title": "No numbers", "cells": [], "share": "", "words": words}]
        return answer
    # Far out most of the view has not been searched.
    answer["counts"] = [here, so_far] if progress.near else [so_far]
    if progress.near:
        answer["aloud"] = ", ".join(f"{heading} {number}" for heading, number in here["cells"])
    return answer


def is_done(progress: ViewProgress) -> bool:
    """Whether nothing more will come for this view."""
    waits = progress.measuring or (progress.near and (progress.left > 0 or progress.judging))
    return not waits or progress.error is not None


def in_view(cells: Detections, look: AskedView) -> BoolArray:
    """Which cells have their centre in a view, and are counted there."""
    x, y = centres(cells.xyxy).T
    across = (x >= look.x) & (x < look.x + look.width)
    return np.asarray(across & (y >= look.y) & (y < look.y + look.height), bool)


def touch_view(cells: Detections, look: AskedView) -> BoolArray:
    """Which cells can be seen in a view, if only in part."""
    x1, y1, x2, y2 = cells.xyxy.T
    across = (x1 < look.x + look.width) & (x2 > look.x)
    return np.asarray(across & (y1 < look.y + look.height) & (y2 > look.y), bool)


def rows_of(found: FoundCells, classes: Sequence[str], kinds: Sequence[str]) -> list[list[float]]:
    """Cells as the browser reads them: left, top, right, bottom, confidence, number of the kind."""
    number = {name: n for n, name in enumerate(kinds)}
    best = np.argsort(-found.cells.confidence, kind="stable")[:MOST_CELLS]
    return [
        [
            *(round(side, _PIXEL_DECIMALS) for side in found.cells.xyxy[n].tolist()),
            round(float(found.cells.confidence[n]), _CONFIDENCE_DECIMALS),
            number[classes[found.cells.class_id[n]] if found.counted[n] else WITHHELD],
        ]
        for n in best
    ]


def part_of(
    title: str, found: FoundCells, seen: SeenCells, searched: float | None = None
) -> dict[str, Any]:
    """Counts as `SlideCounts` in `counts.js` shows them.

    Args:
        title: What they are of.
        found: The cells at the chosen confidence.
        seen: What the cells are of.
        searched: Share of the slide that was searched, which is then said.
    """
    counts = seen.counts_of(found.cells[found.counted])
    share = counts.blast_share
    words = []
    if share.fraction is not None:
        words.append(f"{share.k} of {share.n}, exact 95 % interval {interval_text(share)}")
    elif not counts.tells_blasts:
        words.append("This model does not tell blasts from other white cells: no fraction.")
    if out := int((~found.counted).sum()):
        cells = "cell lies" if out == 1 else "cells lie"
        words.append(f"{out} {cells} where the slide is unfit, and not counted.")
    if searched is not None:
        words.append(f"{percent(searched)} of the slide searched.")
    return {
        "title": title,
        "cells": [[cell.heading, number] for cell, number in counts.listed()],
        "share": "" if share.fraction is None else f"Blast fraction {percent(share.fraction)}",
        "words": words,
    }


def state_of(progress: ViewProgress, fitness: Mapping[str, int]) -> str:
    """How far the search of a view is, in a sentence or two."""
    if progress.error is not None:
        return f"{progress.error.message} {progress.error.remedy}".strip()
    if not progress.near:
        return "Zoom in to look for cells."
    if progress.measuring:
        return "Measuring the red cells of this slide."
    unfit = sorted(name for name in fitness if name not in (FIT, EMPTY))
    doubt = f" Unfit parts here: {', '.join(unfit)}." if unfit else ""
    if progress.left:
        done = progress.regions - progress.left
        return f"Looking for cells: {done} of {progress.regions} parts.{doubt}"
    if fitness and set(fitness) == {EMPTY}:
        return "Empty glass."
    return f"All of this view was searched.{doubt}"
