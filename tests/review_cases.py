"""Cases with known cells, for the tests of review, records and reports."""

from datetime import UTC, datetime, timedelta

from allcell.review.case_review import CaseReview
from allcell.review.cells import CellRef, FieldOrigin, FieldReview, ReviewedCell
from allcell.review.labels import LabelSet, suggested_own

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO = "Dr. Weiß"


def at(seconds=0):
    return NOON + timedelta(seconds=seconds)


def origin(**changed):
    values = {
        "model": "live",
        "weights_sha256": "ab" * 32,
        "threshold": 0.35,
        "overlap": 0.5,
        "analysed_at": NOON,
        "version": "0.3.0",
        "runtime": "ONNX Runtime",
        "red_cell_px": 40.0,
        "um_per_px": None,
    }
    return FieldOrigin(**{**values, **changed})


def cell(number, label="blast", confidence=0.9, **changed):
    left = 20.0 * number
    values = {
        "number": number,
        "xyxy": (left, 10.0, left + 15.0, 30.0),
        "label": label,
        "suggested": label,
        "confidence": confidence,
    }
    return ReviewedCell(**{**values, **changed})


def field(name="a", labels=("blast", "blast", "healthy", "smudge"), **changed):
    """A field whose hash starts with a letter; confidence falls from 0.9 by 0.1 a cell."""
    values = {
        "sha256": (name * 64)[:64],
        "width_px": 400,
        "height_px": 300,
        "title": f"Field {name}",
        "origin": origin(),
        "cells": tuple(
            cell(n, label, round(max(0.05, 0.9 - 0.1 * (n - 1)), 2))
            for n, label in enumerate(labels, 1)
        ),
    }
    return FieldReview(**{**values, **changed})


def case(*fields, own=True):
    return CaseReview(LabelSet(suggested_own() if own else ()), fields or (field(),))


def refs(one, *numbers):
    return [CellRef(one.sha256, number) for number in numbers]
