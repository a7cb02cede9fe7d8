"""The scores that models are compared by, over many resamples of the images at once.

`Evidence.replicates` computes every score, one resample after the other. A p-value that is adjusted
for hundreds of comparisons needs many more resamples than an interval, but of few scores: here they
are computed as arrays, to the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from allcell.detections import BoolArray, IntArray
from allcell.evaluation.evidence import PAPER_CLASS_IDS, Array, Evidence
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.predictions import CALIBRATION_FLOOR
from allcell.models.registry import CLASSES
from allcell.statistics import resamples_in_steps, too_few_images

#: Resamples behind a p-value at first, and where it comes near the line (see
#: `compare.may_be_decisive`). With 15 scores of 15 pairs, Holm multiplies the smallest p by 225:
#: from 50,000 it is .009 at best, and .033 at most whichever seed is used. Of a large set fewer,
#: since each takes longer.
COMPARED_DRAWS, MORE_DRAWS, MORE_DRAWS_OF_LARGE_SETS = 10_000, 50_000, 20_000
_LARGE_SET = 100

#: COCO's recalls at which precision is averaged.
_RECALLS = np.linspace(0, 1, 101)
#: Numbers in an array of one step: more would leave the processor's cache.
_AT_ONCE = 100_000


def compared_draws(images: int, *, more: bool = False) -> int:
    """How many resamples two models are compared on; 1 where there will be no p-value.

    Args:
        images: Number of images of the set.
        more: Whether it is close.
    """
    if too_few_images(images):
        return 1
    if not more:
        return COMPARED_DRAWS
    return MORE_DRAWS if images <= _LARGE_SET else MORE_DRAWS_OF_LARGE_SETS


def compared_scores(
    evidence: Evidence,
    count: int | None = None,
    seed: int = 0,
    on_draw: Callable[[int, int], None] | None = None,
) -> dict[str, Array]:
    """The scores of `compare.COMPARED` over resamples of the images: shape (count,) for each.

    Two models on the same images get the same resamples, so their scores may be subtracted.

    Args:
        evidence: Of one model.
        count: Number of resamples; `compared_draws` if None.
        seed: Seed of the random generator.
        on_draw: Called with the number of resamples done and the total; may raise to stop.
    """
    count = compared_draws(evidence.n_images) if count is None else count
    widest = max(1, *(len(m.confidence) for m in (*evidence.matches, *evidence.user_matches)))
    step = max(1, _AT_ONCE // max(widest, evidence.n_images))
    parts, done = [], 0
    for draws in resamples_in_steps(evidence.n_images, count, step, seed=seed):
        parts.append(_scores(evidence, draws))
        done += len(draws)
        if on_draw:
            on_draw(done, count)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def average_precisions(matches: ClassMatches, draws: IntArray) -> Array:
    """COCO's AP (see `metrics.average_precision`) at each IoU threshold in each resample.

    Args:
        matches: Of one class.
        draws: How often each image is in each resample, (B, I).

    Returns:
        Shape (T, B), 0 to 1; NaN where a resample holds no true cell.
    """
    truths = draws @ matches.truths
    times = draws[:, matches.image].astype(np.int32)
    # A box that fits well is right at many thresholds, so that some have the same matches.
    known: dict[tuple[bytes, bytes], Array] = {}
    rows = []
    for correct, ignored in zip(matches.correct, matches.ignored, strict=True):
        key = correct.tobytes(), ignored.tobytes()
        if key not in known:
            known[key] = _average_precision(times, correct, ~ignored, truths)
        rows.append(known[key])
    return np.array(rows)


def _average_precision(
    times: npt.NDArray[np.int32], correct: BoolArray, used: BoolArray, truths: IntArray
) -> Array:
    """AP at one IoU threshold, (B,), from how often each prediction is in each resample, (B, N).

    A prediction that is there twice stands for two points of the curve; the second has the higher
    recall and no lower precision, so that it alone decides.
    """
    found = np.flatnonzero(correct)
    undefined = np.where(truths > 0, 0.0, np.nan)
    if not len(found):
        return undefined
    # What comes after the last cell that is found changes nothing.
    until = found[-1] + 1
    tp = np.cumsum(times[:, found], axis=1)
    boxes = np.cumsum(times[:, :until] * used[:until], axis=1)[:, found]
    precision = np.divide(tp, boxes, out=np.zeros(tp.shape), where=boxes > 0)
    # Precision is made monotone, from the lowest confidence up.
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = np.divide(tp, truths[:, None], out=np.zeros(tp.shape), where=truths[:, None] > 0)
    reached = np.searchsorted(_RECALLS, recall, side="right")
    gained = np.diff(reached, axis=1, prepend=0)
    return np.asarray(undefined + (best * gained).sum(axis=1) / len(_RECALLS), np.float64)


def _scores(evidence: Evidence, draws: IntArray) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for class_id in PAPER_CLASS_IDS:
        kinds = {
            "": evidence.matches[class_id],
            "_as_shown": evidence.user_matches[class_id].at_least(CALIBRATION_FLOOR),
        }
        for kind, matches in kinds.items():
            ap = average_precisions(matches, draws)
            if class_id not in evidence.known:
                ap = np.full(ap.shape, np.nan)
            out[f"{CLASSES[class_id]}.ap50{kind}"] = ap[0]
            out[f"{CLASSES[class_id]}.ap50_95{kind}"] = ap.mean(axis=0)
    # A mean over a class that is there but that the model does not have is none.
    present = np.array([draws @ evidence.matches[i].truths > 0 for i in PAPER_CLASS_IDS])
    for key in ("ap50", "ap50_95", "ap50_as_shown", "ap50_95_as_shown"):
        values = np.array([out[f"{CLASSES[i]}.{key}"] for i in PAPER_CLASS_IDS])
        total = np.where(present, values, 0.0).sum(axis=0)
        out[f"map{key[2:]}"] = _ratio(total, present.sum(axis=0))
    tp, fp, fn = (draws @ column for column in evidence.centroids.T)
    out["centroids.recall"] = _ratio(tp, tp + fn)
    out["centroids.precision"] = _ratio(tp, tp + fp)
    cells = evidence.white_cells
    hit = cells.counted_at(evidence.confidence) & cells.correct[0]
    found = np.bincount(cells.image[hit], minlength=evidence.n_images)
    out["white_cells.recall"] = _ratio(draws @ found, draws @ cells.truths)
    return out


def _ratio(part: Array | IntArray, whole: IntArray) -> Array:
    undefined = np.full(len(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole > 0))
