"""The model against the reviewer: agreement beyond chance, and what was changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from allcell.review.case_review import CaseReview
from allcell.review.cells import ReviewedCell
from allcell.review.labels import NOT_A_CELL, UNIDENTIFIED, LabelSet
from allcell.statistics import Proportion


@dataclass(frozen=True)
class ClassEdits:
    """What became of the cells that a model called by one name.

    Attributes:
        suggested: The model's class.
        kept: Cells whose class the reviewer left (or refined: a healthy cell as a neutrophil).
        became: Classes that the others were given, with how many; `not a cell` holds the removed.
    """

    suggested: str
    kept: int
    became: tuple[tuple[str, int], ...]

    @property
    def edited(self) -> Proportion:
        """The part that was changed, with its exact 95 % interval."""
        changed = sum(count for _, count in self.became)
        return Proportion.of(changed, self.kept + changed)


@dataclass(frozen=True)
class ModelAgainstReviewer:
    """How far a model and the reviewer agree on the cells that were reviewed.

    Attributes:
        kappa: Cohen's kappa of the classes, -1 to 1; None where it is not defined: no reviewed
            cell, or one class only.
        agreed: Cells with one class by both, of all that were suggested and reviewed.
        by_class: What became of each class of the model.
        missed: Cells that the reviewer added, by class: the model has no class for them, so they
            are no part of kappa.
        moved: Boxes that the reviewer moved or resized.
    """

    kappa: float | None
    agreed: Proportion
    by_class: tuple[ClassEdits, ...]
    missed: tuple[tuple[str, int], ...]
    moved: int = 0


def cohen_kappa(pairs: Counter[tuple[str, str]]) -> float | None:
    """Agreement of two raters beyond chance.

    Source: Cohen, Educational and Psychological Measurement 20 (1960), 37.

    Args:
        pairs: How often the first rater said one class and the second the other.

    Returns:
        -1 to 1; None without a pair, or if both only ever said one and the same class.
    """
    n = sum(pairs.values())
    if not n:
        return None
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (a, b), count in pairs.items():
        first[a] += count
        second[b] += count
    by_chance = sum(first[name] * second[name] for name in first) / n**2
    if by_chance == 1:
        return None
    observed = sum(count for (a, b), count in pairs.items() if a == b) / n
    return (observed - by_chance) / (1 - by_chance)


def model_against_reviewer(review: CaseReview, model: str | None = None) -> ModelAgainstReviewer:
    """Compare the suggestions of counted fields with what the reviewer made of them.

    A class of the user's own that counts as what the model said is no disagreement: the model
    cannot know a neutrophil. Cells that are not reviewed yet are left out.

    Args:
        review: The case.
        model: Only fields of that model; of all if None.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    became: dict[str, Counter[str]] = {}
    missed: Counter[str] = Counter()
    for one in review.counted:
        if model is not None and one.origin.model != model:
            continue
        for cell in one.cells:
            if cell.added and cell.counts:
                missed[cell.label] += 1
            if cell.suggested is None or cell.state == "suggested":
                continue
            final = _final(cell)
            judged = _as_model_says(final, cell.suggested, review.labels)
            pairs[cell.suggested, judged] += 1
            became.setdefault(cell.suggested, Counter())[judged] += 1
    agreed = sum(count for (a, b), count in pairs.items() if a == b)
    return ModelAgainstReviewer(
        cohen_kappa(pairs),
        Proportion.of(agreed, sum(pairs.values())),
        tuple(
            ClassEdits(
                suggested,
                finals[suggested],
                tuple((label, n) for label, n in finals.most_common() if label != suggested),
            )
            for suggested, finals in sorted(became.items())
        ),
        tuple(missed.most_common()),
        _moved(review, model),
    )


def _final(cell: ReviewedCell) -> str:
    return NOT_A_CELL if cell.state == "removed" else cell.label


def _as_model_says(final: str, suggested: str, labels: LabelSet) -> str:
    """The reviewer's class, or the model's if it is a finer name of that."""
    mine, theirs = labels.by_name.get(final), labels.by_name.get(suggested)
    if mine and theirs and mine.own and mine.role == theirs.role == "white cell":
        return suggested
    return final if mine else UNIDENTIFIED


def _moved(review: CaseReview, model: str | None) -> int:
    """Cells of the model whose box is another than the model's."""
    moved = set()
    counted = {one.sha256 for one in review.counted if model in (None, one.origin.model)}
    for place in review.undoable:
        edit = review.log[place]
        kind = (
            review.log[edit.of].kind if edit.kind == "redo" and edit.of is not None else edit.kind
        )
        if kind == "move":
            moved |= {(c.field, c.number) for c in edit.cells if c.after and not c.after.added}
    return sum(field in counted for field, _ in moved)
