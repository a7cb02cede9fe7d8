"""What a signature says and when it may be given. The keeping of it: `allcell.records`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from allcell.errors import ReviewError
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview
from allcell.review.labels import LabelSet
from allcell.text.words import one_line

#: What a signature can mean (21 CFR 11.50 asks for a meaning; compliance is not claimed).
MEANINGS = ("Reviewed", "Approved", "Authored")
#: How many cells a refusal names.
_NAMED = 8


@dataclass(frozen=True)
class ReviewContent:
    """What a signature covers.

    Attributes:
        labels: The classes of the case.
        fields: Its fields with their cells.
    """

    labels: LabelSet
    fields: tuple[FieldReview, ...]


_CONTENT: TypeAdapter[ReviewContent] = TypeAdapter(ReviewContent)


@dataclass(frozen=True)
class ReviewSignature:
    """One person standing behind one version of a case.

    Attributes:
        printed_name: As it is to be printed.
        meaning: One of `MEANINGS`.
        at: When, in UTC.
        version: The version of the case that is signed.
        content_sha256: `content_hash` of what was signed.
        by: Who was logged in; as `printed_name` where there is no login.
    """

    printed_name: str
    meaning: str
    at: datetime
    version: int
    content_sha256: str
    by: str = ""


def content_json(review: CaseReview) -> bytes:
    """The cells, fields and classes of a case as JSON, always the same for the same content."""
    return _CONTENT.dump_json(ReviewContent(review.labels, review.fields))


def content_of(content: bytes | str) -> CaseReview:
    """A case from its `content_json`, with an empty log.

    Raises:
        ReviewError: If it is not that.
    """
    try:
        read = _CONTENT.validate_json(content)
    except ValidationError as error:
        raise ReviewError(
            f"This is no case of allcell: {error.error_count()} entries do not fit.",
            "Export the case again.",
        ) from None
    return CaseReview(read.labels, read.fields)


def content_hash(review: CaseReview) -> str:
    """SHA-256 of `content_json`, hexadecimal: what a signature covers.

    The same content gives the same hash on every machine, by whichever edits it came about.
    """
    return hashlib.sha256(content_json(review)).hexdigest()


def signing_obstacles(review: CaseReview) -> tuple[str, ...]:
    """Why a case cannot be signed yet, in sentences; empty if it can."""
    if not review.counted:
        return ("No field of this case is counted.",)
    said = []
    for one in review.counted:
        if waiting := [cell.number for cell in one.unreviewed]:
            named = ", ".join(map(str, waiting[:_NAMED]))
            more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
            cells = "cell" if len(waiting) == 1 else "cells"
            said.append(f"{one.title}: {cells} {named}{more} not reviewed.")
    return tuple(said)


def signature(
    review: CaseReview, printed_name: str, meaning: str, at: datetime, version: int, by: str = ""
) -> ReviewSignature:
    """A signature under a case as it stands.

    Args:
        review: The case.
        printed_name: As it is to be printed.
        meaning: One of `MEANINGS`.
        at: When, in UTC.
        version: The version of the case that is signed.
        by: Who is logged in.

    Raises:
        ReviewError: If cells are unreviewed (it says which), or name or meaning are missing.
    """
    name = one_line(printed_name)
    if not name:
        raise ReviewError("A signature needs a printed name.", "Type your name.")
    if meaning not in MEANINGS:
        raise ReviewError(
            f"A signature means {', '.join(MEANINGS)}; got {meaning!r:.40}.", "Choose one of them."
        )
    if obstacles := signing_obstacles(review):
        raise ReviewError(
            f"This case cannot be signed yet. {' '.join(obstacles)}",
            "Confirm, reclassify or remove these cells, or leave their field out.",
        )
    return ReviewSignature(name, meaning, at, version, content_hash(review), by or name)
