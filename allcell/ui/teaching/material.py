"""The reviewed fields that somebody may teach with: from kept cases to a lesson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from allcell.records.kept import Actor, CaseLine
from allcell.records.listing import list_cases
from allcell.records.store import case_store, records_exist
from allcell.review.case_review import CaseReview
from allcell.teaching.enough import count_cells
from allcell.teaching.material import Lesson

#: Fields that are chosen at first: more take longer and bring little.
CHOSEN_AT_FIRST = 40
_OPENED = "allcell.teaching_cases"


@dataclass(frozen=True)
class Counted:
    """What a lesson holds.

    Attributes:
        fields: Number of fields.
        cells: Number of cells of each class, by name.
    """

    fields: int
    cells: dict[str, int]

    @classmethod
    def of(cls, lesson: Lesson) -> Counted:
        """Count a lesson."""
        return cls(len(lesson.fields), count_cells([one.truth for one in lesson.fields]))


def cases_of(who: Actor) -> dict[str, CaseLine]:
    """The kept cases that someone may see and that hold a picture, by number, the newest first.

    Raises:
        RecordError: If the records cannot be used.
    """
    if not records_exist():
        return {}
    return {line.id: line for line in list_cases(case_store(), who) if line.fields}


def chosen_at_first(lines: Sequence[CaseLine], opened: str) -> list[str]:
    """The case that is open, and the newest in which something is reviewed.

    Args:
        lines: All cases, the newest first.
        opened: Number of the case that is open; empty if none is.
    """
    ordered = sorted(lines, key=lambda line: line.id != opened)
    chosen, fields = [], 0
    for line in ordered:
        begun = line.unreviewed < line.cells
        if (begun or line.id == opened) and fields + line.fields <= CHOSEN_AT_FIRST:
            chosen.append(line.id)
            fields += line.fields
    return chosen


def lesson_of(lines: Sequence[CaseLine], who: Actor) -> Lesson:
    """The lesson of some cases: fields that count and in which every cell is reviewed.

    Args:
        lines: The cases.
        who: Who may see them.

    Raises:
        RecordError: If one of them is gone, or not theirs.
    """
    store = case_store()
    held: dict[tuple[str, str], CaseReview] = st.session_state.get(_OPENED, {})
    reviews = {}
    for line in lines:
        key = (line.id, line.changed_at.isoformat())
        reviews[key] = held[key] if key in held else store.open(line.id, who).review
    st.session_state[_OPENED] = reviews
    several = len(lines) > 1
    numbered = {
        case_id: _numbered(number, review) if several else review
        for number, ((case_id, _), review) in enumerate(reviews.items(), 1)
    }
    return Lesson.of_reviews(f"{len(lines)} kept cases", numbered, store.picture)


def _numbered(number: int, review: CaseReview) -> CaseReview:
    """Each has a Field 1. Not by its label, which may be a patient's name: reports say it, too."""
    fields = (replace(one, title=f"Case {number}, {one.title}") for one in review.fields)
    return replace(review, fields=tuple(fields))
