"""How the cells of a class are spread over the images: what an interval over images rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allcell.models.classes import CELL_CLASSES
from allcell.statistics import effective_number, too_few_images

_NAMES = {cell.name: cell.row.lower() for cell in CELL_CLASSES}
#: Below this part of the fields the effective number is worth an explanation.
_UNEVEN = 0.75


@dataclass(frozen=True)
class Spread:
    """The true cells of one class by image.

    Attributes:
        fields: Images with at least one.
        effective: How many images with equally many cells would tell as much (see
            `statistics.effective_number`).
        most: Cells in the image that holds most of them.
        image: Index of that image; None if there is no cell.
    """

    fields: int
    effective: float
    most: int
    image: int | None

    @classmethod
    def of(cls, cells: Sequence[int]) -> Spread:
        """How cells are spread over images.

        Args:
            cells: Number in each image.
        """
        most = int(np.argmax(cells))
        return cls(
            sum(count > 0 for count in cells),
            effective_number(cells),
            int(cells[most]),
            most if cells[most] else None,
        )


def spread_text(class_name: str, cells: int, spread: Spread | Mapping[str, Any]) -> str:
    """The spread in words: `78 blasts in 7 fields, effectively 4 (32 of them in one)`.

    Args:
        class_name: The class.
        cells: True cells.
        spread: How they are spread, or its JSON.
    """
    known = vars(spread) if isinstance(spread, Spread) else spread
    fields, effective = known["fields"], known["effective"]
    in_fields = f"{cells} {_NAMES[class_name]} in {fields} field{'' if fields == 1 else 's'}"
    if round(effective) >= fields:
        return in_fields
    uneven = f" ({known['most']} of them in one)" if effective < _UNEVEN * fields else ""
    return f"{in_fields}, effectively {effective:.0f}{uneven}"


def spread_note(classes: Iterable[tuple[str, int, Spread | Mapping[str, Any] | None]]) -> str:
    """The sentence that stands with intervals over images; empty if nothing is known.

    Args:
        classes: Class name, true cells and their spread (None in JSON before version 0.3).
    """
    said = [spread_text(name, cells, spread) for name, cells, spread in classes if spread and cells]
    if not said:
        return ""
    effective = (
        " A few full fields weigh more than many others: effectively is how many equally full "
        "fields would tell as much (Kish)."
        if any("effectively" in words for words in said)
        else ""
    )
    return f"Intervals rest on {'; '.join(said)}.{effective}"


def spread_note_of(metrics: Mapping[str, Any]) -> str:
    """`spread_note` of the paper's classes, from the evaluator's JSON; empty before version 0.3.

    Args:
        metrics: `EvaluationResult.to_json`, parsed.
    """
    if too_few_images(metrics["images"]):
        return ""
    classes = metrics["classes"]
    return spread_note(
        (cell.name, classes[cell.name]["cells"], classes[cell.name].get("spread"))
        for cell in CELL_CLASSES
        if cell.paper and cell.name in classes
    )
