"""What the cells of a case add up to: by class, with exact intervals, before and after review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from allcell.review.case_review import CaseReview
from allcell.review.cells import ReviewedCell
from allcell.review.labels import UNIDENTIFIED, CellLabel, LabelRole, LabelSet
from allcell.statistics import Proportion

#: How many white cells laboratories count: their exact intervals are what changes (Ruemke).
TARGETS = (100, 200, 400)

#: Which cells are counted. `suggested`: what the model suggested, before any review. `current`:
#: what stands now, confirmed or not. `confirmed`: only what a person stands behind; a signed count
#: holds nothing else.
Stage = Literal["suggested", "current", "confirmed"]


@dataclass(frozen=True)
class ReviewCounts:
    """Cells of the counted fields of a case by class.

    Attributes:
        labels: The classes of the case.
        by_label: Cells of each class; a class without any has 0.
        unreviewed: Cells of these fields that nobody has confirmed or removed.
    """

    labels: LabelSet
    by_label: Mapping[str, int]
    unreviewed: int = 0

    @property
    def white_cells(self) -> int:
        """n: blasts and all other white cells; neither smudges nor what is not identified."""
        return self._of("blast", "white cell")

    @property
    def blasts(self) -> int:
        """k: the cells of the class blast."""
        return self._of("blast")

    @property
    def smudges(self) -> int:
        """Smudges and artefacts."""
        return self._of("smudge")

    @property
    def unidentified(self) -> int:
        """Cells that nobody could name; they are in no proportion."""
        return self._of("unidentified")

    @property
    def blast_share(self) -> Proportion:
        """Blasts among all white cells, with the exact 95 % interval.

        It covers the error of sampling n cells, not that of who classified them.
        """
        return Proportion.of(self.blasts, self.white_cells)

    @property
    def smudges_per_100(self) -> float | None:
        """Smudges per 100 white cells; None without white cells."""
        return self.per_100("smudge")

    def share(self, label: str) -> Proportion | None:
        """A class among all white cells, with its interval; None if it is not one of them."""
        if self.labels.named(label).role not in ("blast", "white cell"):
            return None
        return Proportion.of(self.by_label.get(label, 0), self.white_cells)

    def per_100(self, label: str) -> float | None:
        """Cells of a class per 100 white cells; None without white cells."""
        n = self.white_cells
        return 100 * self.by_label.get(label, 0) / n if n else None

    def listed(self) -> list[tuple[CellLabel, int]]:
        """Every class with its count, in the order of the labels."""
        return [(label, self.by_label.get(label.name, 0)) for label in self.labels.all]

    def _of(self, *roles: LabelRole) -> int:
        return sum(count for label, count in self.listed() if label.role in roles)


def _suggested(cell: ReviewedCell) -> str | None:
    return None if cell.added else cell.suggested or UNIDENTIFIED


def _current(cell: ReviewedCell) -> str | None:
    return None if cell.state == "removed" else cell.label


def _confirmed(cell: ReviewedCell) -> str | None:
    return cell.label if cell.state == "confirmed" else None


_LABEL_OF: dict[Stage, Callable[[ReviewedCell], str | None]] = {
    "suggested": _suggested,
    "current": _current,
    "confirmed": _confirmed,
}


def counts(review: CaseReview, stage: Stage = "current") -> ReviewCounts:
    """The cells of all counted fields.

    Args:
        review: The case.
        stage: See `Stage`.
    """
    label_of = _LABEL_OF[stage]
    known = review.labels.by_name
    found: Counter[str] = Counter()
    unreviewed = 0
    for one in review.counted:
        for cell in one.cells:
            unreviewed += cell.state == "suggested"
            if label := label_of(cell):
                # Another model's class is named in the record and counted as unidentified.
                found[label if label in known else UNIDENTIFIED] += 1
    return ReviewCounts(
        review.labels, {label.name: found[label.name] for label in review.labels.all}, unreviewed
    )


@dataclass(frozen=True)
class DifferentialRow:
    """One class of white cells, before and after review.

    Attributes:
        label: The class.
        before: As the model suggested.
        after: As it stands now, or as confirmed.
    """

    label: CellLabel
    before: Proportion
    after: Proportion


@dataclass(frozen=True)
class Differential:
    """How the white cells of a case are divided, and how far the count has come.

    Attributes:
        target: White cells to be counted.
        before: The model's counts.
        after: The counts now, or the confirmed ones.
        rows: The classes of white cells, those that are 0 included.
    """

    target: int
    before: ReviewCounts
    after: ReviewCounts
    rows: tuple[DifferentialRow, ...]

    @property
    def counted(self) -> int:
        """White cells that count so far."""
        return self.after.white_cells

    @property
    def missing(self) -> int:
        """White cells that are missing to the target, 0 or more."""
        return max(0, self.target - self.counted)

    @property
    def progress(self) -> float:
        """The part of the target that is done, 0 to 1."""
        return min(1.0, self.counted / self.target)


def differential(review: CaseReview, target: int = 100, stage: Stage = "confirmed") -> Differential:
    """The differential count of a case, to a number of cells.

    Args:
        review: The case.
        target: White cells to be counted, usually one of `TARGETS`.
        stage: What `after` counts.

    Raises:
        ValueError: If the target is below 1.
    """
    if target < 1:
        raise ValueError(f"target: expected 1 or more cells, got {target}")
    before, after = counts(review, "suggested"), counts(review, stage)
    rows = []
    for label in review.labels.all:
        first, then = before.share(label.name), after.share(label.name)
        if first is not None and then is not None:
            rows.append(DifferentialRow(label, first, then))
    return Differential(target, before, after, tuple(rows))
