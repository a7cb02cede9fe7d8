"""Every score of a model that has an interval, on its images or on any resample of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from allcell.boxes import suppress
from allcell.detections import BoolArray, Detections, IntArray
from allcell.evaluation.bands import CurveBands
from allcell.evaluation.matching import MAX_DETECTIONS, ClassMatches, ScoredImage, match
from allcell.evaluation.metrics import (
    FROC_FALSE_ALARMS,
    BestF1,
    average_precision,
    best_f1,
    calibration_error,
    centroid_recall,
    counts_at,
    froc_sensitivity,
)
from allcell.evaluation.operating import Sweep, sweep
from allcell.evaluation.predictions import (
    CALIBRATION_FLOOR,
    MAX_BOXES_AN_IMAGE,
    PredictedImage,
    Predictions,
)
from allcell.models.registry import BLAST, CLASSES, PAPER_CLASSES, WHITE_CELLS
from allcell.statistics import resamples

#: The paper's two classes: means over classes are over these; smudge is reported by itself.
PAPER_CLASS_IDS = tuple(CLASSES.index(name) for name in PAPER_CLASSES)
_WHITE_CELL_IDS = tuple(CLASSES.index(name) for name in WHITE_CELLS)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One model's predictions, matched to the truth and ready to be counted.

    Attributes:
        confidence: Operating threshold, 0 to 1.
        matches: Of each class, as YOLOv5 validates: a box counts once for every class in which it
            has enough confidence.
        user_matches: Of each class as a user sees them, one class per cell, down to
            `CALIBRATION_FLOOR` or the threshold if that is lower.
        white_cells: Blast and healthy as one class, as a user sees them.
        seen: What a user can be shown, image by image, down to the same confidence as
            `user_matches`.
        centroids: Shape (I, 3): tp, fp, fn of expert centroids at the threshold in each image.
        with_centroids: Shape (I,): images in which experts looked for blasts.
        blast_present: Shape (I,): images with a blast.
        known: Ids of the classes that the model has.
    """

    confidence: float
    matches: tuple[ClassMatches, ...]
    user_matches: tuple[ClassMatches, ...]
    white_cells: ClassMatches
    seen: tuple[ScoredImage, ...]
    centroids: IntArray
    with_centroids: BoolArray
    blast_present: BoolArray
    known: tuple[int, ...]

    @classmethod
    def of(cls, predictions: Predictions, confidence: float | None = None) -> Evidence:
        """Match a model's predictions.

        Args:
            predictions: Of one model on one split.
            confidence: Operating threshold, 0 to 1; that of the predictions if None.
        """
        threshold = predictions.setting.confidence if confidence is None else confidence
        iou = predictions.setting.iou
        floor = min(threshold, CALIBRATION_FLOOR)
        raw = [
            ScoredImage(i.predictions[:MAX_BOXES_AN_IMAGE], i.truth, i.ignore)
            for i in predictions.images
        ]
        # What a user sees: one class per cell. A cell's best box is the same at any threshold, so
        # one non-maximum suppression at the floor serves all of them.
        user = [
            ScoredImage(suppress(i.predictions.at_least(floor), iou), i.truth, i.ignore)
            for i in predictions.images
        ]
        shown = [_at_least(item, threshold) for item in user]
        # A user is shown every box, however many there are.
        every_box = max(MAX_DETECTIONS, *(len(item.predictions) for item in user))
        counts = [_centroid_counts(s, i) for s, i in zip(shown, predictions.images, strict=True)]
        return cls(
            threshold,
            match(raw),
            match(user, max_detections=every_box),
            match([_as_one_class(item) for item in user], 1, max_detections=every_box)[0],
            tuple(user),
            np.array(counts, np.int64).reshape(-1, 3),
            np.array([i.centroids is not None for i in predictions.images], bool),
            np.array(
                [
                    bool(np.any(i.truth.class_id == BLAST))
                    or (i.centroids is not None and len(i.centroids) > 0)
                    for i in predictions.images
                ],
                bool,
            ),
            tuple(CLASSES.index(name) for name in predictions.classes),
        )

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.seen)

    @property
    def shown(self) -> tuple[ScoredImage, ...]:
        """What a user sees at the threshold, image by image."""
        return self.shown_at(self.confidence)

    def shown_at(self, confidence: float) -> tuple[ScoredImage, ...]:
        """What a user sees at another threshold, 0 to 1, not below the lowest of `seen`."""
        return tuple(_at_least(item, confidence) for item in self.seen)

    @cached_property
    def sweeps(self) -> tuple[Sweep, ...]:
        """Scores of each class by threshold, as a user sees it, from `CALIBRATION_FLOOR` up."""
        return tuple(sweep(matches, CALIBRATION_FLOOR) for matches in self.user_matches)

    @cached_property
    def bands(self) -> tuple[CurveBands, ...]:
        """Bands round the curves of each class, as a user sees it, from `CALIBRATION_FLOOR` up."""
        return tuple(
            CurveBands.of(matches.at_least(CALIBRATION_FLOOR), CALIBRATION_FLOOR)
            for matches in self.user_matches
        )

    @property
    def blast_suggested(self) -> BoolArray:
        """Shape (I,): images in which a blast is suggested at the threshold."""
        blasts = self.user_matches[BLAST]
        used = blasts.counted_at(self.confidence)
        return np.isin(np.arange(self.n_images), blasts.image[used])

    @property
    def false_blast(self) -> BoolArray:
        """Shape (I,): images with a blast suggested where there is none."""
        blasts = self.user_matches[BLAST]
        wrong = blasts.counted_at(self.confidence) & ~blasts.correct[0]
        return np.isin(np.arange(self.n_images), blasts.image[wrong])

    @property
    def paper_classes(self) -> tuple[int, ...]:
        """Ids of those of the paper's classes that the model has."""
        return tuple(class_id for class_id in PAPER_CLASS_IDS if class_id in self.known)

    def best_f1(self) -> BestF1:
        """YOLOv5's P and R of `paper_classes`, at one shared confidence."""
        return best_f1([self.matches[class_id] for class_id in self.paper_classes])

    def resample(self, times: IntArray) -> Evidence:
        """The same evidence with image i counted `times[i]` times; `times` has shape (I,)."""
        return replace(
            self,
            matches=tuple(m.resample(times) for m in self.matches),
            user_matches=tuple(m.resample(times) for m in self.user_matches),
            white_cells=self.white_cells.resample(times),
            centroids=self.centroids * times[:, None],
        )

    def measure(self) -> dict[str, float]:
        """Every score that gets an interval, by name; NaN where it is undefined.

        A model has no score for a class that it does not have, nor a mean over such a class; its
        counts say how many cells it did not find.

        A name is `class.score`, as in `blast.ap50`, or the score alone if it spans the classes.
        """
        out: dict[str, float] = {}
        paper = self.best_f1()
        scores = zip(paper.precision, paper.recall, strict=True)
        precision_recall = dict(zip(self.paper_classes, scores, strict=True))
        # Any other class is scored at its own best confidence.
        for class_id in set(range(len(CLASSES))) - set(self.paper_classes):
            alone = best_f1([self.matches[class_id]])
            precision_recall[class_id] = alone.precision[0], alone.recall[0]
        for class_id, name in enumerate(CLASSES):
            matches, user = self.matches[class_id], self.user_matches[class_id]
            ap = average_precision(matches)
            # From one confidence up, so that no AP depends on the operating threshold.
            ap_as_shown = average_precision(user.at_least(CALIBRATION_FLOOR))
            at = counts_at(user, self.confidence)
            froc = froc_sensitivity(matches)
            of_class = {
                "ap50": ap[0],
                "ap50_95": ap.mean(),
                "ap50_as_shown": ap_as_shown[0],
                "ap50_95_as_shown": ap_as_shown.mean(),
                "precision": precision_recall[class_id][0],
                "recall": precision_recall[class_id][1],
                "tp": at.tp,
                "fp": at.fp,
                "fn": at.fn,
                "operating_precision": at.precision,
                "operating_recall": at.recall,
                "ece": calibration_error(user) if len(user.confidence) else None,
                **{
                    f"sensitivity_at_{allowed:g}_false_alarms": value
                    for allowed, value in zip(FROC_FALSE_ALARMS, froc, strict=True)
                },
            }
            if class_id not in self.known:
                counts = ("tp", "fp", "fn")
                of_class = {k: v if k in counts else None for k, v in of_class.items()}
            out |= {f"{name}.{key}": _float(value) for key, value in of_class.items()}
        for key in ("ap50", "ap50_95", "ap50_as_shown", "ap50_95_as_shown"):
            present = [i for i in PAPER_CLASS_IDS if self.matches[i].n_truth]
            values = [out[f"{CLASSES[i]}.{key}"] for i in present]
            out[f"map{key[2:]}"] = sum(values) / len(values) if values else np.nan
        cells = counts_at(self.white_cells, self.confidence)
        tp, fp, fn = self.centroids.sum(axis=0).tolist()
        out |= {
            "white_cells.recall": _float(cells.recall),
            "white_cells.precision": _float(cells.precision),
            "centroids.recall": tp / (tp + fn) if tp + fn else np.nan,
            "centroids.precision": tp / (tp + fp) if tp + fp else np.nan,
            "false_blasts_per_field": out["blast.fp"] / self.n_images,
        }
        return out

    def replicates(
        self, count: int = 2000, seed: int = 0, on_draw: Callable[[int, int], None] | None = None
    ) -> dict[str, Array]:
        """`measure` over resamples of the images: shape (count,) for each name.

        Two models on the same images get the same resamples, so their replicates may be
        subtracted.

        Args:
            count: Number of resamples.
            seed: Seed of the random generator.
            on_draw: Called with the number of resamples done and the total.
        """
        rows = []
        for done, times in enumerate(resamples(self.n_images, count, seed), 1):
            rows.append(self.resample(times).measure())
            if on_draw:
                on_draw(done, count)
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _float(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _at_least(item: ScoredImage, confidence: float) -> ScoredImage:
    return ScoredImage(item.predictions.at_least(confidence), item.truth, item.ignore)


def _as_one_class(item: ScoredImage) -> ScoredImage:
    """All white cells as class 0, without smudges."""

    def merged(boxes: Detections) -> Detections:
        white = boxes[np.isin(boxes.class_id, _WHITE_CELL_IDS)]
        return Detections(white.xyxy, white.confidence, np.zeros(len(white), np.int64))

    return ScoredImage(merged(item.predictions), merged(item.truth), item.ignore)


def _centroid_counts(shown: ScoredImage, image: PredictedImage) -> tuple[int, int, int]:
    if image.centroids is None:
        return 0, 0, 0
    counts = centroid_recall(shown.predictions, image.centroids, 0.0, ignore=image.ignore)
    return counts.tp, counts.fp, counts.fn
