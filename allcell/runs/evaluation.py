"""Evaluates models on a user's own set in a background thread, with progress and a way to stop."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from allcell.classifier import FieldClassifier
from allcell.data.checked import check_pictures
from allcell.data.dataset import LabelledImage, data_sha256
from allcell.data.labelled_sets import read_labelled
from allcell.data.zipped import DataPath
from allcell.detector import Detector
from allcell.errors import AllcellError, DataError, DeviceError, ModelError
from allcell.evaluation.compare import Comparison
from allcell.evaluation.judged_fields import JudgedFields, judge_fields
from allcell.evaluation.predictions import Setting, predict
from allcell.evaluation.scored import Scored, compare_scored
from allcell.models.registry import ClassifierSpec, ModelSpec
from allcell.runs.guard import BackgroundRun, StoppedError
from allcell.runs.measured import RunScores, ScoreKey, numbered

log = logging.getLogger(__name__)

#: The bootstrap's share of a detector's time.
_SCORING = 0.25


@dataclass(frozen=True, eq=False)
class UserSet:
    """A split of a user's labelled set, and what its classes stand for.

    Attributes:
        name: The user's name for the set.
        split: Part of the set.
        folder: Folder or ZIP that holds it; None once it is released.
        mapping: See `data.labelled_sets.read_labelled`.
    """

    name: str
    split: str
    folder: DataPath | None
    mapping: Mapping[str, str | None]


@dataclass(frozen=True, eq=False)
class DetectorJob:
    """One detector to evaluate.

    Attributes:
        spec: The model.
        sha256: SHA-256 of the file that runs.
        device: Requested device: auto, cpu or cuda.
        open_detector: Loads it; called in the run's thread.
        weight: Time per image, in any unit that all jobs share.
    """

    spec: ModelSpec
    sha256: str
    device: str
    open_detector: Callable[[], Detector]
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class FieldJob:
    """One whole-field classifier to evaluate; attributes as in `DetectorJob`."""

    spec: ClassifierSpec
    sha256: str
    device: str
    open_classifier: Callable[[], FieldClassifier]
    weight: float = 1.0


@dataclass(eq=False)
class EvaluationRun(BackgroundRun):
    """Reads a set and scores models on it one by one; its fields may be read from any thread.

    Attributes:
        user_set: The set.
        jobs: What is evaluated, in this order.
        known: Scores of earlier runs; a job whose score is here is not run again.
        read: Number of images whose labels have been read, and the total.
        checked: Number of images that have been decoded, and the total.
        images: The set, once it is read; empty again after `let_go`.
        names: File names of its images; kept after `let_go`.
        data_sha256: SHA-256 over its images and labels.
        remarks: What is to be known of its labels, see `check_pictures`.
        finished: What has been measured; read it once where several of its parts are needed.
        error: Why the whole run failed, in words for the user; empty if it did not.
    """

    user_set: UserSet
    jobs: Sequence[DetectorJob | FieldJob]
    known: Mapping[ScoreKey, Scored | JudgedFields] = field(default_factory=dict)
    # A phone may lose its network for a moment.
    gone_s: float = field(default=30.0, kw_only=True)
    read: tuple[int, int] = (0, 0)
    checked: tuple[int, int] = (0, 0)
    images: tuple[LabelledImage, ...] = ()
    names: tuple[str, ...] = ()
    data_sha256: str = ""
    remarks: tuple[str, ...] = ()
    finished: RunScores = field(default_factory=RunScores)
    error: str = ""
    _started_s: float = 0.0
    _unwanted: bool = False

    @property
    def results(self) -> Mapping[int, Scored]:
        """Measured detectors, by position in `jobs`."""
        return self.finished.results

    @property
    def fields(self) -> Mapping[int, JudgedFields]:
        """Measured whole-field classifiers, by position in `jobs`."""
        return self.finished.fields

    @property
    def comparison(self) -> Comparison | None:
        """Of the models that are done."""
        return self.finished.comparison

    @property
    def would_be_lost(self) -> bool:
        """Whether it has or is about to have scores, which a reload of the page would lose."""
        return self.running or bool(self.results)

    def let_go(self) -> None:
        """Release the images, which may hold a whole archive in memory; scores are kept.

        A run in progress still needs them, and releases them when it ends.
        """
        # In this order, as `_release` does it the other way round: one of the two sees the other.
        self._unwanted = True
        if not self.running:
            self._drop_images()

    def _drop_images(self) -> None:
        self.images = ()
        self.user_set = replace(self.user_set, folder=None)

    @property
    def done(self) -> int:
        """Number of jobs that have a result or failed."""
        finished = self.finished
        return len(finished.results) + len(finished.fields) + len(self.failures)

    def _release(self) -> None:
        if self._unwanted:
            self._drop_images()
        self.jobs = [
            replace(job, open_detector=_closed)
            if isinstance(job, DetectorJob)
            else replace(job, open_classifier=_closed)
            for job in self.jobs
        ]

    def _weights(self) -> Sequence[float]:
        return [job.weight for job in self.jobs]

    @property
    def left_s(self) -> float | None:
        """Estimated time left, in seconds; None while it is too early to tell."""
        share = self.total_share
        if not self._started_s or share < 0.02:
            return None
        return (time.monotonic() - self._started_s) * (1 - share) / share

    def key(self, job: DetectorJob | FieldJob) -> ScoreKey:
        """The key of a job's score; call it once the set is read."""
        return ScoreKey(self.data_sha256, job.spec, job.sha256, job.device)

    def scores(self) -> dict[ScoreKey, Scored | JudgedFields]:
        """The finished scores, for the next run's `known`."""
        finished = self.finished
        done: dict[int, Scored | JudgedFields] = {**finished.results, **finished.fields}
        return {self.key(self.jobs[n]): scored for n, scored in done.items()}

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AllcellError):
            self.error = f"{error.message} {error.remedy}"
            return
        # Nothing else would tell the user. Log the type only: the message may hold a file name.
        log.error("The evaluation failed: %s", type(error).__name__)
        self.error = f"The evaluation failed ({type(error).__name__})."

    def _do(self) -> None:
        chosen = self.user_set
        if chosen.folder is None:
            raise DataError("The set has been closed.", "Open it again.")

        def on_labels(done: int, of: int) -> None:
            self.read = done, of
            self._guard.check()

        def on_content(done: int, of: int) -> None:
            self.checked = done, of
            self._guard.check()

        images = read_labelled(
            chosen.folder, chosen.split, mapping=chosen.mapping, on_image=on_labels
        )
        self.remarks = tuple(check_pictures(images, on_content))
        self.data_sha256 = data_sha256(images, lambda done, of: self._guard.check())
        self.names = tuple(item.path.name for item in images)
        self.images = tuple(images)
        self._started_s = time.monotonic()
        for position, job in enumerate(self.jobs):
            self.position, self.share = position, 0.0
            try:
                self._keep(position, self.known.get(self.key(job)) or self._done(job, images))
            except (ModelError, DeviceError) as error:
                self.failures[position] = f"{error.message} {error.remedy}"
            except (StoppedError, AllcellError):
                raise
            except Exception as error:  # the other models can still be evaluated
                log.error("Evaluating a model failed: %s", type(error).__name__)
                self.failures[position] = f"The model failed ({type(error).__name__})."
            gc.collect()
        self.position, self.share = len(self.jobs), 0.0

    def _keep(self, position: int, done: Scored | JudgedFields) -> None:
        chosen = self.user_set
        results, fields = dict(self.results), dict(self.fields)
        if isinstance(done, JudgedFields):
            fields[position] = done
        else:
            # By number: a file name may contain a patient's, and two folders may share one.
            names = numbered(len(self.names))
            results[position] = done.renamed(chosen.name, chosen.split, names)
        compared = None
        if results:
            compared = compare_scored(list(results.values()), list(fields.values()))
        # In one assignment: a page that reads them meanwhile gets all of the old or all of the new.
        self.finished = RunScores(results, fields, compared)

    def _done(
        self, job: DetectorJob | FieldJob, images: Sequence[LabelledImage]
    ) -> Scored | JudgedFields:
        self._guard.check()
        return (
            self._score(job, images) if isinstance(job, DetectorJob) else self._judge(job, images)
        )

    def _score(self, job: DetectorJob, images: Sequence[LabelledImage]) -> Scored:
        detector = job.open_detector()
        setting = Setting(
            model=job.spec.name,
            model_sha256=job.sha256,
            device=detector.engine.description,
            data=self.user_set.name,
            split=self.user_set.split,
            confidence=job.spec.confidence,
            iou=job.spec.iou,
        )
        with self._guard.over(detector):
            answers = predict(
                detector,
                images,
                setting,
                classes=detector.spec.classes,
                on_image=self._on(0.0, 1 - _SCORING),
                sha256=self.data_sha256,
            )
        return Scored.of(answers, self._on(1 - _SCORING, 1.0))

    def _judge(self, job: FieldJob, images: Sequence[LabelledImage]) -> JudgedFields:
        return judge_fields(
            job.open_classifier(),
            images,
            model=job.spec.name,
            model_sha256=job.sha256,
            threshold=job.spec.threshold,
            on_image=self._on(0.0, 1.0),
            sha256=self.data_sha256,
        )

    def _on(self, begin: float, end: float) -> Callable[[int, int], None]:
        """A progress callback for the part of a job between two shares of it, 0 to 1."""

        def on_step(done: int, of: int) -> None:
            self.share = begin + (end - begin) * done / of
            self._guard.check()

        return on_step


def _closed() -> NoReturn:
    raise ModelError("This run has ended.", "Start another one.")
