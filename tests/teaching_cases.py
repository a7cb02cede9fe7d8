"""Kept cases whose every cell is reviewed, and teachings as they stand, for the tests of both."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from allcell.models.registry import CLASSES
from allcell.records.kept import Actor
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview, ReviewedCell
from allcell.review.labels import LabelSet
from allcell.review.suggestions import picture_hash
from allcell.synth import FieldSpec, render
from allcell.teaching.material import LESSON_FILE
from allcell.teaching.work import REPORT_FILE, REQUEST_FILE, Request, Teaching
from tests.review_cases import origin

REVIEWER = Actor("reviewer")


def reviewed_field(seed, title, *, state="confirmed", blasts=3, **spec):
    """A rendered field with all its cells, and its picture."""
    field = render(
        FieldSpec(480, 360, red_cell_px=24, seed=seed, blasts=blasts, neutrophils=2, **spec)
    )
    image = field.image
    pairs = zip(field.truth.xyxy.tolist(), field.truth.class_id.tolist(), strict=True)
    cells = tuple(
        ReviewedCell(n, tuple(box), CLASSES[kind], CLASSES[kind], 0.9, state)
        for n, (box, kind) in enumerate(pairs, 1)
    )
    height, width = image.shape[:2]
    return FieldReview(picture_hash(image), width, height, title, origin(), cells), image


def reviewed_case(count, *, first=0, unreviewed=0, **spec):
    """A case and its pictures by hash; of the last fields one cell each is not reviewed."""
    fields, pictures = [], {}
    for n in range(count):
        one, image = reviewed_field(first + n, f"Field {n + 1}", **spec)
        if n >= count - unreviewed:
            waiting = replace(one.cells[0], state="suggested")
            one = replace(one, cells=(waiting, *one.cells[1:]))
        fields.append(one)
        pictures[one.sha256] = image
    return CaseReview(LabelSet(), tuple(fields)), pictures


def keep(store, count, label="Patient 1", who=REVIEWER, **how):
    """Keep such a case; its line in the records."""
    review, pictures = reviewed_case(count, **how)
    return store.keep(label, review, pictures, who)


def measured(value, half=0.05):
    """A score as plain values; without an interval if `half` is None."""
    ends = (None, None) if half is None else (round(value - half, 3), round(value + half, 3))
    return dict(zip(("value", "low", "high"), (value, *ends), strict=True))


def report(outcome="better", model="", half=0.05):
    """What a teaching of eight fields writes."""

    def side(ap):
        scores = {name: measured(ap, half) for name in ("ap", "recall", "precision")}
        return {
            "classes": {"blast": scores, "healthy": scores},
            "false_blasts_a_field": measured(1 - ap, half),
        }

    kept = {"model": model, "sha256": "ab" * 32, "confidence": 0.4} if model else {}
    forgotten = {"laboratory": "rendered smears", "cell_class": "blast", "before": 0.9}
    return kept | {
        "name": "Klinikum A",
        "parent": "live",
        "fields": 8,
        "cells": {"blast": 40, "healthy": 26, "smudge": 0},
        "held_out": "by case, in 4 parts",
        "verdict": {
            "outcome": outcome,
            "words": "Words of the verdict.",
            "before": side(0.59),
            "after": side(0.89),
            "mean_ap": [0.59, 0.89],
            "difference": measured(0.3, half),
            "p": 0.01,
            "wrong_cells": [30, 8],
            "confidence": 0.4,
        },
        "curve": [
            {"fields": 0, "mean_ap": 0.59},
            {"fields": 4, "mean_ap": 0.8},
            {"fields": 6, "mean_ap": 0.89},
        ],
        "notes": [],
        "parents_laboratories": [{**forgotten, "after": 0.85}],
    }


def begun(root, key, state, *, owner="", name="Klinikum A", told=None, cases=()):
    """The folder of a teaching, as it stands.

    Args:
        root: Folder of all teachings.
        key: Name of the folder, hexadecimal.
        state: How far it is.
        owner: Whose it is.
        name: What the model is called.
        told: Its report; None before it is done.
        cases: Numbers of the cases of which it has copies of fields.
    """
    folder = root / key
    folder.mkdir(parents=True)
    request = asdict(Request(name, owner=owner, cells={"blast": 40, "healthy": 26}))
    (folder / REQUEST_FILE).write_text(json.dumps(request), encoding="utf-8")
    state.write(folder)
    if cases:
        listed = [{"file": f"field-{n}", "case": case} for n, case in enumerate(cases)]
        (folder / LESSON_FILE).write_text(json.dumps({"name": name, "fields": listed}), "utf-8")
    if told is not None:
        (folder / REPORT_FILE).write_text(json.dumps(told), encoding="utf-8")
    return Teaching(folder)
