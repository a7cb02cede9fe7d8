"""The work of a teaching, stage by stage; each is kept when it is done, and not done again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from allcell import __version__
from allcell.background.progress import Progress
from allcell.environment.files import write_whole
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.predictions import Predictions
from allcell.models.weights import sha256
from allcell.own.card import Card, Forgotten, HeldOut, Training
from allcell.own.shelf import shelf
from allcell.teaching.familiarity import fit_laboratory
from allcell.teaching.judging.curve import CurvePoint, curve_words
from allcell.teaching.judging.folds import MOST_FOLDS, Folds, make_folds
from allcell.teaching.judging.forgotten import measure_forgotten
from allcell.teaching.judging.verdict import Verdict, judge
from allcell.teaching.material import read_lesson
from allcell.teaching.parents import find_parent
from allcell.teaching.plan import Plan, make_plan
from allcell.teaching.state import State
from allcell.teaching.trained import Trainings
from allcell.teaching.ways.way import way_of
from allcell.teaching.work import KNOWN_FOLDER, REPORT_FILE, Request
from allcell.training.adapting import shown_fields

_PLAN, _MODEL = "plan.json", "model.onnx"
#: A model that has lost more AP than this on other stains has forgotten its parent's laboratories.
_MOST_LOST = 0.05
#: What holds pictures, or was only needed on the way.
_LEFT = (
    "fields",
    KNOWN_FOLDER,
    "lesson.json",
    "*.pt",
    "*.onnx",
    "part-*.json",
    "reserve",
    ".*.part",
    "log.txt",
)


def run(folder: Path, progress: Progress[State], *, only_plan: bool = False) -> None:
    """Teach: plan, judge by cross-validation, train on all fields, put the model on the shelf.

    Args:
        folder: Of the teaching.
        progress: Told how far it is; raises where it is to stop.
        only_plan: Whether to end once it is known how long it takes.

    Raises:
        AllcellError: If something does not fit.
        OSError: If the disk is full, for example.
        StopWork: If it was asked to stop.
    """
    work = _TeachingRun(folder, progress)
    plan = work.planned()
    if only_plan:
        progress.say(replace(progress.state, status="planned", stage="", left_s=None), now=True)
        return
    verdict, report = work.judged(plan)
    if verdict.outcome != "not better" or work.request.insist:
        report |= work.made(plan, verdict, report["held_out"])
    write_whole(folder / REPORT_FILE, json.dumps(report, indent=1).encode())
    for pattern in _LEFT:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    done = replace(progress.state, status="done", stage="", progress=1.0, left_s=None)
    progress.say(replace(done, model=report.get("model", "")), now=True)


class _TeachingRun:
    def __init__(self, folder: Path, progress: Progress[State]) -> None:
        self.folder, self.progress = folder, progress
        self.request = Request.read(folder)
        lesson = read_lesson(folder)
        self.images, self.cases = list(lesson.images), lesson.cases
        self.parent = find_parent(self.request.parent)
        request = self.request
        self.way = way_of(
            quick=request.quick, fields=len(self.images), seed=request.seed, tiles=request.tiles
        )
        progress.begin("Measures the red cells")
        shown = shown_fields(self.images, self.parent.spec, self.way.settings)
        self.trainings = Trainings(folder, progress, self.images, shown, self.parent, self.way)

    def planned(self) -> Plan:
        """What will be done: as it was planned before, or from what is measured now."""
        path = self.folder / _PLAN
        if path.is_file():
            plan = Plan(**json.loads(path.read_text(encoding="utf-8")))
        else:
            self.progress.begin("Measures how fast this computer is")
            plan = make_plan(
                len(self._folds(MOST_FOLDS).parts),
                len(self.images),
                self.trainings.seconds_a_tile(),
                self.way.settings.tiles,
                self.way.settings.rendered,
                self.request.longest_s,
                self.way.around_s,
            )
            write_whole(path, json.dumps(asdict(plan)).encode())
        self.progress.expect(plan.seconds)
        self.progress.say(replace(self.progress.state, plan=plan.words), now=True)
        return plan

    def judged(self, plan: Plan) -> tuple[Verdict, dict[str, Any]]:
        """Before and after on held-out fields, and the learning curve."""
        folds = self._folds(plan.folds)
        before = self.trainings.answers_of_parent()
        after = self.trainings.held_out(
            folds, "fold", plan, plan.fold_tiles, "Trains, and looks at other fields"
        )
        verdict = judge(before, after, folds)
        points = [CurvePoint(0, verdict.mean_ap[0])]
        if plan.curve:
            halves = self._folds(2)
            answers = self.trainings.held_out(
                halves, "half", plan, plan.half_tiles, "Learns from half of the fields"
            )
            points.append(CurvePoint(_learned_from(halves), _mean_ap(answers)))
        points.append(CurvePoint(_learned_from(folds), verdict.mean_ap[1]))
        words = f"{verdict.words} {curve_words(points, len(self.images))}".strip()
        verdict = replace(verdict, words=words)
        state = replace(self.progress.state, outcome=verdict.outcome, verdict=words)
        self.progress.say(state, now=True)
        return verdict, {
            "name": self.request.name,
            "parent": self.parent.spec.name,
            "fields": len(self.images),
            "cells": self.request.cells,
            "plan": asdict(plan),
            "held_out": folds.how,
            "verdict": asdict(verdict),
            "curve": [asdict(point) for point in points],
            "notes": list(self.progress.state.notes),
        }

    def made(self, plan: Plan, verdict: Verdict, held_out: str) -> dict[str, Any]:
        """Train on all fields, and put the model on the shelf."""
        target, key = self.folder / _MODEL, "all"
        began_s = time.monotonic()
        if not target.is_file():
            self.trainings.render()
        self.progress.begin("Trains on all fields", plan.final_tiles * plan.tile_s)
        if not target.is_file():
            self.trainings.train(range(len(self.images)), plan.final_tiles, target, key)
        self.progress.end()
        seconds = time.monotonic() - began_s
        self.progress.begin("Looks at what it has forgotten")
        parents = self.folder / KNOWN_FOLDER
        forgotten = measure_forgotten(
            self.parent.spec,
            self.trainings.parents_graph(),
            target,
            self.folder,
            read_lesson(parents) if parents.is_dir() else None,
        )
        card = self._card(verdict, held_out, seconds, forgotten)
        made = (sha256(target), self.request.owner)
        known = (one for one in shelf().models() if (one.card.sha256, one.card.owner) == made)
        # It is there already if the process was killed a moment later.
        model = next(known, None) or shelf().add(target, card)
        return {
            "model": model.card.id,
            "sha256": model.card.sha256,
            "confidence": model.card.confidence,
            "parents_laboratories": [asdict(one) for one in forgotten],
            "training_seconds": round(seconds, 1),
            "settings": dict(card.training.settings),
        }

    def _card(
        self, verdict: Verdict, held_out: str, seconds: float, forgotten: Sequence[Forgotten]
    ) -> Card:
        cells = dict(self.request.cells or {})
        settings = self.way.described(self.way.settings)
        spec, fields = self.parent.spec, len(self.images)
        return Card(
            name=self.request.name,
            made=date.today(),
            parent=self.parent.of,
            parent_sha256=self.parent.sha256,
            classes=spec.classes,
            confidence=verdict.confidence,
            method=self.way.method,
            training=Training(fields, cells, round(seconds, 1), self.request.seed, settings),
            red_cell_px=spec.red_cell_px,
            normalise_stain=spec.normalise_stain,
            before=verdict.before,
            after=verdict.after,
            held_out=HeldOut(fields, cells, held_out),
            verdict=verdict.words,
            parents_laboratories=tuple(forgotten),
            familiarity=fit_laboratory(
                [item.pixels() for item in self.images],
                # The quick way forgets other laboratories, though not rendered smears.
                parents_known=self.way.method == "full" and _parents_known(forgotten),
            ),
            owner=self.request.owner,
            app_version=__version__,
        )

    def _folds(self, most: int) -> Folds:
        return make_folds(self.images, self.cases, self.request.groups, most, self.request.seed)


def _parents_known(forgotten: Sequence[Forgotten]) -> bool:
    return bool(forgotten) and max(one.before - one.after for one in forgotten) <= _MOST_LOST


def _learned_from(folds: Folds) -> float:
    """Fields that one training learns from, on average."""
    return sum(len(folds.others(part)) for part in range(len(folds.parts))) / len(folds.parts)


def _mean_ap(answers: Predictions) -> float:
    return Evidence.of(answers).measure()["map50_as_shown"]
