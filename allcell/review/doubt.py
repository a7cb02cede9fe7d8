"""The order in which cells are worth a look: doubt first."""

from __future__ import annotations

from collections.abc import Iterable

from allcell.review.case_review import CaseReview
from allcell.review.cells import CellRef, FieldReview, ReviewedCell


def doubt(cell: ReviewedCell) -> float:
    """How much a cell asks for a look, 0 to 1.

    1 less the model's confidence; 1 for a suggestion without a class, 0 for what a person added.
    """
    if cell.confidence is None:
        return 0.0
    return 1.0 if cell.suggested is None else 1.0 - cell.confidence


def by_doubt(cells: Iterable[tuple[FieldReview, ReviewedCell]]) -> list[CellRef]:
    """Cells as a gallery shows them: unreviewed ones first, of these the most doubtful first.

    Args:
        cells: Cells with their fields, as `CaseReview.cells` gives them.
    """
    ordered = sorted(
        enumerate(cells),
        # Equal ones keep the order of fields and numbers.
        key=lambda item: (item[1][1].state != "suggested", -doubt(item[1][1]), item[0]),
    )
    return [CellRef(one.sha256, cell.number) for _, (one, cell) in ordered]


def next_uncertain(review: CaseReview, after: CellRef | None = None) -> CellRef | None:
    """The next cell to look at: the most doubtful that is unreviewed, in counted fields.

    Args:
        review: The case.
        after: The cell that is selected. If it is unreviewed itself, the one after it in the order
            of doubt comes, and after the last the first.

    Returns:
        None if every cell is reviewed.
    """
    waiting = by_doubt((one, cell) for one in review.counted for cell in one.unreviewed)
    if not waiting:
        return None
    if after in waiting:
        return waiting[(waiting.index(after) + 1) % len(waiting)]
    return waiting[0]
