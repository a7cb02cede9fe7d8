"""The tables and sentences of a case's report, as text."""

from __future__ import annotations

from allcell.report.case.contents import CaseContents
from allcell.review.concordance import model_against_reviewer
from allcell.review.counting import TARGETS, ReviewCounts, counts
from allcell.review.labels import CellLabel
from allcell.statistics import Proportion


def counts_rows(contents: CaseContents) -> list[tuple[str, ...]]:
    """Each class before and after review: number, and its share or its number per 100."""
    before, after = counts(contents.review, "suggested"), counts(contents.review, "confirmed")
    rows: list[tuple[str, ...]] = [
        ("Class", "Suggested", "of white cells (95 %)", "Confirmed", "of white cells (95 %)")
    ]
    for label, count in after.listed():
        first = before.by_label.get(label.name, 0)
        if not (count or first) and (label.own or label.role == "not a cell"):
            continue
        # The model knows no class of the user's: it did not count none of them.
        suggested = ("", "") if label.own else (str(first), _share(before, label))
        rows.append((label.title, *suggested, str(count), _share(after, label)))
    rows.append(("White cells", str(before.white_cells), "", str(after.white_cells), ""))
    return rows


def _share(found: ReviewCounts, label: CellLabel) -> str:
    share = found.share(label.name)
    if share is not None:
        return percent(share)
    per_100 = found.per_100(label.name) if label.role in ("smudge", "other") else None
    return "" if per_100 is None else f"{per_100:.1f} per 100"


def percent(share: Proportion) -> str:
    """A proportion with its interval: `20.0 % (12.7 to 29.2)`; a dash if there is nothing."""
    if share.fraction is None:
        return "none"
    low, high = 100 * share.low, 100 * share.high
    return f"{100 * share.fraction:.1f} % ({low:.1f} to {high:.1f})"


def counts_note(contents: CaseContents) -> str:
    """What has to be said with the counts."""
    after = counts(contents.review, "confirmed")
    n = after.white_cells
    short = [f"{target - n} short of {target}" for target in TARGETS if n < target]
    left = f"{n} counted: {', '.join(short)}." if short else f"At least {TARGETS[-1]} counted."
    waiting = f" {after.unreviewed} cells are not reviewed yet." if after.unreviewed else ""
    counted, fields = len(contents.review.counted), len(contents.review.fields)
    of_all = f"{counted} of {fields} fields" if fields > 1 else "one field"
    return (
        f"Fractions of the white cells that were detected or added in {of_all}. "
        f"The exact 95 % intervals (Clopper-Pearson) cover "
        f"the error of sampling only, not that of model or reviewer. {left}{waiting}"
    )


def agreement_text(contents: CaseContents) -> str:
    """Kappa, what was added and moved, in sentences."""
    found = model_against_reviewer(contents.review)
    if not found.agreed.n:
        return "No suggested cell is reviewed yet."
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
    missed = ", ".join(f"{count} {_title(contents, name)}" for name, count in found.missed)
    kept = f"the reviewer left {found.agreed.k} as they were: {percent(found.agreed)}."
    return (
        f"Of {found.agreed.n} suggested cells, {kept} Cohen's kappa: {kappa}. "
        f"Added by the reviewer: {missed or 'none'}. Boxes moved: {found.moved}. "
        "A reviewer who sees the suggestion first agrees more often."
    )


def _title(contents: CaseContents, name: str) -> str:
    """A class as people read it; another model's by its name."""
    label = contents.review.labels.by_name.get(name)
    return label.title if label else name


def agreement_rows(contents: CaseContents) -> list[tuple[str, ...]]:
    """For each class of the model how many were changed, and to what; empty if none is reviewed."""
    found = model_against_reviewer(contents.review)
    rows: list[tuple[str, ...]] = [
        (
            _title(contents, one.suggested),
            f"{one.edited.k} of {one.edited.n}",
            percent(one.edited),
            ", ".join(f"{count} {_title(contents, name)}" for name, count in one.became)
            or "nothing",
        )
        for one in found.by_class
    ]
    return [("Suggested as", "Changed", "(95 %)", "Became"), *rows] if rows else []
