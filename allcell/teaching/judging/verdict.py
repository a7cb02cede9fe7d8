"""Before and after on the same held-out fields, and whether the difference can be told from chance.

All scores come from `allcell.evaluation`. The threshold of the taught model is chosen for each part
of the fields on the other parts; that of its parent is as shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from allcell.evaluation.bootstrap import compared_scores
from allcell.evaluation.evaluate import suggest_confidence
from allcell.evaluation.evidence import PAPER_CLASS_IDS, Array, Evidence
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.operating import operating_point
from allcell.evaluation.predictions import CALIBRATION_FLOOR, Predictions
from allcell.models.registry import BLAST, CLASSES
from allcell.own.card import ClassScore, Measured, Scores
from allcell.statistics import (
    paired_p,
    percentile_interval,
    resamples,
    sign_flip_p,
    too_few_images,
)
from allcell.teaching.judging.folds import Folds

#: What the comparison says. Only `better` speaks for the taught model.
Outcome = Literal["better", "not better", "cannot be told"]
#: A difference with a smaller p-value is told from chance.
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether a taught model finds more than its parent, on fields that it has not seen.

    Attributes:
        outcome: See `Outcome`.
        words: The same in sentences.
        before: Scores of the parent.
        after: Scores of the taught models, each on the fields that it has not seen.
        mean_ap: Mean AP at IoU 0.5 of blast and healthy as shown: before and after.
        difference: After minus before, with the paired interval where there are enough fields.
        p: Of the difference, two-sided.
        wrong_cells: Cells missed and false boxes, in all fields: before and after.
        confidence: The threshold that all held-out fields together suggest, 0 to 1.
    """

    outcome: Outcome
    words: str
    before: Scores
    after: Scores
    mean_ap: tuple[float, float]
    difference: Measured
    p: float
    wrong_cells: tuple[int, int]
    confidence: float


def judge(before: Predictions, after: Predictions, folds: Folds) -> Verdict:
    """Compare a taught model with its parent.

    Args:
        before: The parent's answers on all fields, at its own threshold.
        after: On the same fields in the same order, each answered by a model that has not seen it.
        folds: Which fields were held out together.
    """
    n = len(before.images)
    one, other = Evidence.of(before), Evidence.of(after)
    draws = None if too_few_images(n) else resamples(n)
    first, first_wrong = _scores(before, one, [before.setting.confidence] * n, draws)
    second, second_wrong = _scores(after, other, chosen_inside(after, folds), draws)
    mean_ap = one.measure()["map50_as_shown"], other.measure()["map50_as_shown"]
    fewer_wrong = first_wrong - second_wrong
    if draws is None:
        p, interval = sign_flip_p(fewer_wrong.tolist()), None
    else:
        deltas = compared_scores(other)["map50_as_shown"] - compared_scores(one)["map50_as_shown"]
        told, interval = paired_p(deltas, n), percentile_interval(deltas)
        # Where all resamples give the same difference, they cannot tell.
        p = sign_flip_p(fewer_wrong.tolist()) if told is None else told
    difference = _measured(mean_ap[1] - mean_ap[0], interval)
    wrong = int(first_wrong.sum()), int(second_wrong.sum())
    outcome = _outcome(difference.value or 0.0, p, wrong, n)
    return Verdict(
        outcome,
        _words(outcome, mean_ap, difference, p, wrong, n, folds),
        first,
        second,
        mean_ap,
        difference,
        p,
        wrong,
        suggest_confidence(other),
    )


def chosen_inside(answers: Predictions, folds: Folds) -> list[float]:
    """For each field, the operating threshold that the other parts suggest, 0.1 to 0.9.

    Args:
        answers: Of models that have not seen the fields.
        folds: Which fields were held out together.
    """
    chosen = [answers.setting.confidence] * len(answers.images)
    for part, held in enumerate(folds.parts):
        rest = folds.others(part)
        evidence = Evidence.of(replace(answers, images=tuple(answers.images[n] for n in rest)))
        for n in held:
            chosen[n] = suggest_confidence(evidence)
    return chosen


def _scores(
    answers: Predictions,
    evidence: Evidence,
    thresholds: Sequence[float],
    draws: npt.NDArray[np.int64] | None,
) -> tuple[Scores, npt.NDArray[np.int64]]:
    """Scores with intervals, and the number of wrong cells in each field."""
    # A cell's best box is the same at any threshold: what each field's threshold hides is left out
    # before the cells are matched, and everything else counts.
    shown = replace(
        answers,
        images=tuple(
            replace(image, predictions=image.predictions.at_least(threshold))
            for image, threshold in zip(answers.images, thresholds, strict=True)
        ),
    )
    at_threshold = Evidence.of(shown, CALIBRATION_FLOOR).user_matches
    measured = evidence.measure()
    over = compared_scores(evidence) if draws is not None else {}
    classes = {}
    wrong = np.zeros(evidence.n_images, np.int64)
    for class_id in PAPER_CLASS_IDS:
        name = CLASSES[class_id]
        key = f"{name}.ap50_as_shown"
        point = operating_point(at_threshold[class_id], CALIBRATION_FLOOR, draws)
        wrong += _wrong(at_threshold[class_id])
        classes[name] = ClassScore(
            _measured(measured[key], percentile_interval(over[key]) if over else None),
            _measured(point.counts.recall, point.recall_interval),
            _measured(point.counts.precision, point.precision_interval),
        )
    false_blasts = _false(at_threshold[BLAST])
    n = evidence.n_images
    interval = None if draws is None else percentile_interval((draws @ false_blasts) / n)
    return Scores(classes, _measured(float(false_blasts.sum()) / n, interval)), wrong


def _false(matches: ClassMatches) -> npt.NDArray[np.int64]:
    used = matches.counted_at(CALIBRATION_FLOOR) & ~matches.correct[0]
    return np.bincount(matches.image[used], minlength=len(matches.truths)).astype(np.int64)


def _wrong(matches: ClassMatches) -> npt.NDArray[np.int64]:
    found = matches.counted_at(CALIBRATION_FLOOR) & matches.correct[0]
    missed = matches.truths - np.bincount(matches.image[found], minlength=len(matches.truths))
    return np.asarray(missed + _false(matches), np.int64)


def _measured(value: float | None, interval: tuple[float, float] | Array | None) -> Measured:
    if value is None or np.isnan(value):
        return Measured(None)
    if interval is None:
        return Measured(round(float(value), 6))
    return Measured(*(round(float(number), 6) for number in (value, *interval)))


def _outcome(gain: float, p: float, wrong: tuple[int, int], fields: int) -> Outcome:
    """What is said; of a few fields, a loss that may be chance is not held against a model.

    Each of a few fields may be the only one of its kind, so that a model which has not seen it is
    judged on what the final one will know.
    """
    if gain > 0 and wrong[1] <= wrong[0]:
        return "better" if p < ALPHA else "cannot be told"
    if gain > 0 and not too_few_images(fields):  # p is of the AP, which has risen
        return "cannot be told"
    if p < ALPHA or not too_few_images(fields) or (gain == 0 and wrong[0] == wrong[1]):
        return "not better"
    return "cannot be told"


def _words(
    outcome: Outcome,
    mean_ap: tuple[float, float],
    difference: Measured,
    p: float,
    wrong: tuple[int, int],
    n: int,
    folds: Folds,
) -> str:
    start = {
        "better": "Better",
        "not better": "Not better",
        "cannot be told": "Cannot be told from chance",
    }[outcome]
    interval = (
        f" (95 % of the difference: {difference.low:+.3f} to {difference.high:+.3f})"
        if difference.low is not None and difference.high is not None
        else ""
    )
    told = f", p = {p:.3f}" if p >= 0.001 else ", p < 0.001"
    said = (
        f"{start}: on {n} fields that it had not seen, mean AP@0.5 went from {mean_ap[0]:.3f} to "
        f"{mean_ap[1]:.3f}{interval}, and {wrong[0]} wrong cells became {wrong[1]}{told}; "
        f"cross-validated {folds.how}."
    )
    if outcome == "cannot be told":
        return f"{said} More reviewed fields would decide it."
    if outcome == "not better":
        return f"{said} Keep the model that you have."
    return said
