"""What a taught model has forgotten: on rendered smears, and on a set that its parent knows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from allcell.ahead import worker_count
from allcell.data.dataset import LabelledImage
from allcell.detector import Detector
from allcell.engines.onnx_engine import OnnxEngine
from allcell.environment.files import write_whole
from allcell.evaluation.evidence import PAPER_CLASS_IDS, Evidence
from allcell.evaluation.predictions import Setting, predict
from allcell.imaging.images import encode_png
from allcell.models.registry import CLASSES, ModelSpec
from allcell.own.card import Forgotten
from allcell.synth import random_spec, render
from allcell.teaching.material import KeptLesson

#: What they are called on a card.
RENDERED = "rendered smears"
#: Fields, their size in pixels, that of a red cell, and the first seed: none is rehearsed.
_FIELDS, _SIZE_PX, _RED_CELL_PX, _FIRST_SEED = 16, (480, 360), 24.0, 800_000


def measure_forgotten(
    spec: ModelSpec, before: Path, after: Path, folder: Path, known: KeptLesson | None = None
) -> tuple[Forgotten, ...]:
    """AP@0.5 as shown of a parent and of the model taught from it, on the same smears.

    Args:
        spec: Of both.
        before: ONNX file of the parent.
        after: Of the taught model.
        folder: In which the rendered smears are for a moment.
        known: Fields of a laboratory that the parent knows; None for rendered smears alone.
    """
    place = folder / "rendered"
    place.mkdir(exist_ok=True)
    try:
        images = []
        for n in range(_FIELDS):
            field = render(random_spec(_FIRST_SEED + n, *_SIZE_PX, _RED_CELL_PX))
            path = place / f"{n}.png"
            write_whole(path, encode_png(field.image))
            images.append(LabelledImage(path, field.truth, np.zeros((0, 4), np.float32)))
        forgotten = _compared(spec, RENDERED, images, before, after)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if known is not None:
        forgotten += _compared(spec, known.name, known.images, before, after)
    return forgotten


def _compared(
    spec: ModelSpec, name: str, images: Sequence[LabelledImage], before: Path, after: Path
) -> tuple[Forgotten, ...]:
    scores = [_scores(spec, graph, name, images) for graph in (before, after)]
    return tuple(
        Forgotten(name, CLASSES[c], *(round(one[c], 4) for one in scores))
        for c in PAPER_CLASS_IDS
        if not np.isnan([one[c] for one in scores]).any()
    )


def _scores(
    spec: ModelSpec, graph: Path, name: str, images: Sequence[LabelledImage]
) -> dict[int, float]:
    engine = OnnxEngine(graph.read_bytes(), threads=worker_count())
    setting = Setting(spec.name, "", engine.description, name, "all", spec.confidence, spec.iou)
    answers = predict(Detector(spec, engine), images, setting, classes=spec.classes, sha256=name)
    measured = Evidence.of(answers).measure()
    return {c: measured[f"{CLASSES[c]}.ap50_as_shown"] for c in PAPER_CLASS_IDS}
