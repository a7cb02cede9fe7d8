"""What a taught model has forgotten, on rendered smears of stains that it was not taught."""

from __future__ import annotations

import shutil
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

#: What they are called on a card.
RENDERED = "rendered smears"
#: Fields, their size in pixels, that of a red cell, and the first seed: none is rehearsed.
_FIELDS, _SIZE_PX, _RED_CELL_PX, _FIRST_SEED = 16, (480, 360), 24.0, 800_000


def measure_forgotten(
    spec: ModelSpec, before: Path, after: Path, folder: Path
) -> tuple[Forgotten, ...]:
    """AP@0.5 as shown of a parent and of the model taught from it, on the same rendered smears.

    Args:
        spec: Of both.
        before: ONNX file of the parent.
        after: Of the taught model.
        folder: In which the rendered smears are for a moment.
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
        scores = [_scores(spec, graph, images) for graph in (before, after)]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return tuple(
        Forgotten(RENDERED, CLASSES[c], *(round(one[c], 4) for one in scores))
        for c in PAPER_CLASS_IDS
        if not np.isnan([one[c] for one in scores]).any()
    )


def _scores(spec: ModelSpec, graph: Path, images: list[LabelledImage]) -> dict[int, float]:
    engine = OnnxEngine(graph.read_bytes(), threads=worker_count())
    setting = Setting(spec.name, "", engine.description, RENDERED, "all", spec.confidence, spec.iou)
    answers = predict(
        Detector(spec, engine), images, setting, classes=spec.classes, sha256=RENDERED
    )
    measured = Evidence.of(answers).measure()
    return {c: measured[f"{CLASSES[c]}.ap50_as_shown"] for c in PAPER_CLASS_IDS}
