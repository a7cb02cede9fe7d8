"""Several models on one field: which of their boxes are one cell, and what each calls it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from allcell.boxes import iou
from allcell.detections import Detections, FloatArray, IntArray
from allcell.environment.provenance import PROVENANCE_COLUMNS, Provenance
from allcell.settings import RESEARCH_USE
from allcell.text.names import spreadsheet_text

#: Boxes of two models that overlap this much (intersection over union) are one cell.
SAME_CELL_IOU = 0.5
#: The entry in a table where a model has no box.
NOT_FOUND = "not found"

Xyxy = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Said:
    """The boxes of one model (or of the ground truth) on a field.

    Attributes:
        detections: Its boxes, in pixels of the field.
        classes: Class names, in the order of `detections.class_id`.
    """

    detections: Detections
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """One model's box on a cell, and its class.

    Attributes:
        class_name: The suggested class, or the true one.
        confidence: 0 to 1.
        box: Its row in the detections.
    """

    class_name: str
    confidence: float
    box: int


@dataclass(frozen=True)
class ComparedCell:
    """One cell and what each model calls it.

    Attributes:
        xyxy: Mean of the models' boxes in pixels; the true box of a cell that no model found.
        calls: Each model's call, in the order of the models; None where it has no box.
        truth: The true box and class, if known.
    """

    xyxy: Xyxy
    calls: tuple[Call | None, ...]
    truth: Call | None = None

    @property
    def found_by(self) -> int:
        """How many models have a box for it."""
        return sum(call is not None for call in self.calls)

    @property
    def names(self) -> set[str]:
        """The classes that are suggested for it."""
        return {call.class_name for call in self.calls if call is not None}

    @property
    def disagreement(self) -> float:
        """Share of all pairs of models that say different things of the cell, 0 to 1.

        A model says a class or "not found": 0 if all say the same, 1 if no two do, 0 for a single
        model.
        """
        said = [call.class_name if call else NOT_FOUND for call in self.calls]
        pairs = list(combinations(said, 2))
        return sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0

    @property
    def spread(self) -> float:
        """Highest minus lowest confidence, 0 to 1; "not found" counts as 0."""
        found = [call.confidence if call else 0.0 for call in self.calls]
        return max(found) - min(found)


@dataclass(frozen=True)
class Agreement:
    """All cells of a field, the most disputed first.

    Attributes:
        cells: By `ComparedCell.disagreement`; among equals, those with different classes before
            those that some models overlook, then by `ComparedCell.spread`, then from top to bottom.
    """

    cells: tuple[ComparedCell, ...]

    @property
    def found(self) -> list[ComparedCell]:
        """The cells that at least one model has a box for."""
        return [cell for cell in self.cells if cell.found_by]

    @property
    def agreed(self) -> int:
        """Number of found cells on which all models agree."""
        return sum(cell.disagreement == 0 for cell in self.found)

    @property
    def named_apart(self) -> int:
        """Number of cells for which different classes are suggested."""
        return sum(len(cell.names) > 1 for cell in self.cells)

    @property
    def overlooked(self) -> int:
        """Number of cells with one suggested class that some models have no box for."""
        return sum(len(c.names) == 1 and c.found_by < len(c.calls) for c in self.cells)

    @property
    def true_cells(self) -> int:
        """Number of cells that are known to be there."""
        return sum(cell.truth is not None for cell in self.cells)

    def right(self, model: int) -> int:
        """Number of true cells to which a model, given by position, assigns the right class."""
        return sum(
            cell.truth is not None
            and (call := cell.calls[model]) is not None
            and call.class_name == cell.truth.class_name
            for cell in self.cells
        )


def compare_cells(
    models: Sequence[Said], truth: Said | None = None, *, same_cell_iou: float = SAME_CELL_IOU
) -> Agreement:
    """Group the models' boxes by cell.

    Pairs of boxes of different models are taken from the largest overlap down; each joins the
    groups of its two boxes, unless a model would then have two boxes in one cell. So a box may join
    a cell through one model's box without overlapping a third model's box enough.

    Args:
        models: The boxes of each model.
        truth: The ground truth, if known; grouped with the boxes, but not counted as a model.
        same_cell_iou: Lowest overlap (intersection over union, 0 to 1) of two boxes of a cell.
    """
    sources = [*models, *([truth] if truth is not None else [])]
    boxes = Detections.concatenate([source.detections for source in sources]).xyxy
    sizes = [len(source.detections) for source in sources]
    owner = np.repeat(np.arange(len(sources)), sizes)
    first = np.cumsum([0, *sizes])
    cells = []
    for members in _groups(boxes, owner, same_cell_iou):
        calls: list[Call | None] = [None] * len(sources)
        for row in members:
            source = int(owner[row])
            calls[source] = _call(sources[source], int(row - first[source]))
        found = [row for row in members if owner[row] < len(models)]
        x1, y1, x2, y2 = boxes[found or members].mean(axis=0).tolist()
        true = calls[len(models)] if truth is not None else None
        cells.append(ComparedCell((x1, y1, x2, y2), tuple(calls[: len(models)]), true))
    cells.sort(key=lambda c: (-c.disagreement, len(c.names) < 2, -c.spread, c.xyxy[1], c.xyxy[0]))
    return Agreement(tuple(cells))


def _call(said: Said, row: int) -> Call:
    found = said.detections
    return Call(said.classes[found.class_id[row]], float(found.confidence[row]), row)


def _groups(boxes: FloatArray, owner: IntArray, least: float) -> list[list[int]]:
    """Rows of boxes (N, 4) that are one cell, by the rule of `compare_cells`."""
    overlap = np.triu(iou(boxes, boxes), 1)
    overlap[owner[:, None] == owner] = 0.0
    one, other = np.nonzero(overlap >= max(least, 1e-6))
    order = np.argsort(-overlap[one, other], kind="stable")
    group = {row: [row] for row in range(len(boxes))}
    for a, b in zip(one[order].tolist(), other[order].tolist(), strict=True):
        if group[a] is group[b] or {owner[r] for r in group[a]} & {owner[r] for r in group[b]}:
            continue
        joined = group[a] + group[b]
        group.update(dict.fromkeys(joined, joined))
    return list({id(members): sorted(members) for members in group.values()}.values())


def cells_csv(
    agreement: Agreement,
    made: Mapping[str, Provenance],
    *,
    truth: bool,
    reservation: str = "",
) -> str:
    """One row per cell, in the order of the cells; the last column is the research-use notice.

    Args:
        agreement: The cells.
        made: How each model's boxes came about, by its name, in the order of the models.
        truth: Whether to add a column for the true class.
        reservation: What has to be said with each row (see `Cautioned.reservation`).
    """
    models = [spreadsheet_text(name) for name in made]
    columns = ["cell", "x1_px", "y1_px", "x2_px", "y2_px"]
    for name in models:
        columns += [f"{name}_suggested_class", f"{name}_confidence", f"{name}_threshold"]
    columns += [*(["true_class"] if truth else []), "pairs_that_differ"]
    columns += ["confidence_spread", "reservation"]
    columns += [f"{name}_{column}" for name in models for column in PROVENANCE_COLUMNS[1:]]
    how = [value for each in made.values() for value in each.values[1:]]
    out, reserved = io.StringIO(), spreadsheet_text(reservation)
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([*columns, RESEARCH_USE])
    for n, cell in enumerate(agreement.cells, 1):
        row = [str(n), *(f"{side:.2f}" for side in cell.xyxy)]
        for call, each in zip(cell.calls, made.values(), strict=True):
            row += [_said(call), f"{call.confidence:.4f}" if call else "", f"{each.confidence:.2f}"]
        row += [_said(cell.truth)] if truth else []
        rows.writerow([*row, f"{cell.disagreement:.4f}", f"{cell.spread:.4f}", reserved, *how, ""])
    return out.getvalue()


def _said(call: Call | None) -> str:
    return spreadsheet_text(call.class_name) if call else NOT_FOUND
