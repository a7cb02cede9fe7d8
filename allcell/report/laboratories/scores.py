"""How well models do in each laboratory, above all in those that they never saw.

Everything is from the evaluator's JSON and the facts of the trainings: a model has seen a
laboratory if its training, its pre-training or its validation used it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allcell.data.laboratories import LABORATORIES, Laboratory
from allcell.evaluation.intervals import ShownInterval, counts_interval, interval_of
from allcell.models.left_out import has_seen, left_out_models, without
from allcell.models.registry import MODELS, get_spec
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_current, read_training
from allcell.report.table1 import short
from allcell.text.words import SCORE_TITLES, in_words
from allcell.training.recipe import recipes_without

#: The scores of the table by the names of `Evidence.measure`, what a clinician asks first before
#: what the field of detection reports.
LABORATORY_SCORES = {
    "blast.operating_recall": "Blasts found",
    "blast.operating_precision": "Right when it says blast",
    "false_blasts_per_field": "False blasts a field",
    "fields_with_false_blast": "Fields with a false blast",
    **{
        f"{name}.{key}": f"{title}, {SCORE_TITLES[key]}"
        for key in ("ap50_as_shown", "ap50")
        for name, title in (("blast", "Blasts"), ("healthy", "Healthy"))
    },
}

#: What the columns mean, for all that show the table.
SCORES_NOTE = (
    "At each model's own threshold. Blasts found: the share of the true blasts that it boxes as "
    "blasts (recall). Right when it says blast: the share of its blast boxes that are on true "
    "blasts (precision). Fields with a false blast: their share. Where nobody has leukemia, every "
    "blast that it suggests is false."
)
#: What it means to have seen a laboratory.
SEEN_NOTE = (
    "No model was trained on what is scored here. It has seen a laboratory if other fields of that "
    "laboratory were in its training."
)
#: How the models without a laboratory were made.
UNSEEN_NOTE = (
    "Never saw it: a small network, one for each laboratory, trained by one recipe on all the "
    "others; its threshold was chosen there, too."
)
NOT_MEASURED, NO_BLASTS = "not measured yet", "no blasts"
#: Whether a model has seen other fields of a laboratory; None if that is not on record.
SEEN_WORDS: Mapping[bool | None, str] = {True: "yes", False: "never", None: "not on record"}


@dataclass(frozen=True)
class LaboratoryScores:
    """One model on the test part of one laboratory.

    Attributes:
        laboratory: The laboratory.
        model: Name of the model.
        title: Its title, as shown to people.
        shipped: Whether it is a model of the registry; if not, it was trained without the
            laboratory for this table alone.
        seen: Whether it has seen other fields of the laboratory; None if that is not on record.
        metrics: The evaluator's JSON; None if these weights are not measured there.
    """

    laboratory: Laboratory
    model: str
    title: str
    shipped: bool
    seen: bool | None
    metrics: Mapping[str, Any] | None

    @property
    def seen_in_words(self) -> str:
        """Whether it has seen other fields of the laboratory."""
        return SEEN_WORDS[self.seen]

    def value(self, score: str) -> float | None:
        """A score of `LABORATORY_SCORES`; None if it is not measured or has no true blast."""
        if self.metrics is None or not self._defines(score):
            return None
        class_name, _, key = score.rpartition(".")
        if not class_name:
            found = self.metrics[key]
            found = found["fraction"] if isinstance(found, dict) else found
        elif key.startswith("operating_"):
            at = self.metrics["classes"][class_name]["at_operating_point"]
            found = at[key.removeprefix("operating_")]
        else:
            # JSON of earlier versions has no AP as shown.
            found = self.metrics["classes"][class_name].get(key)
        return None if found is None else float(found)

    def interval(self, score: str) -> ShownInterval:
        """The interval that may be shown with a score."""
        if self.metrics is None or self.value(score) is None:
            return ShownInterval("n/a")
        if isinstance(share := self.metrics.get(score), dict):
            return ShownInterval("exact", share["low"], share["high"])
        bootstrap, images = self.metrics["intervals"].get(score), self.metrics["images"]
        class_name, _, key = score.rpartition(".")
        if key.startswith("operating_"):
            at = self.metrics["classes"][class_name]["at_operating_point"]
            return counts_interval(bootstrap, images, key.removeprefix("operating_"), at)
        return interval_of(bootstrap, images)

    def text(self, score: str, *, interval: bool = True) -> str:
        """A score, and its interval if that is wanted; or in words why there is none."""
        if not self._defines(score):
            return NO_BLASTS
        if self.metrics is None:
            return NOT_MEASURED
        value = self.value(score)
        if value is None or not interval:
            return "n/a" if value is None else short(value)
        return f"{short(value)} ({self.interval(score).text(short)})"

    def _defines(self, score: str) -> bool:
        return self.laboratory.has_blasts or not score.startswith("blast.")


def shipped_scores(weights_dir: Path, name: str) -> tuple[LaboratoryScores, ...]:
    """A detector of the registry in every laboratory.

    Args:
        weights_dir: Folder that holds the manifest and `metrics/`.
        name: Name of the model.
    """
    files = read_manifest(weights_dir).get(name)
    facts = read_training(weights_dir, name)
    return tuple(
        LaboratoryScores(
            laboratory,
            name,
            get_spec(name).title,
            True,
            has_seen(facts, laboratory.name),
            read_current(weights_dir, name, files, f"{laboratory.name}_{laboratory.test}"),
        )
        for laboratory in LABORATORIES.values()
    )


def unseen_scores(weights_dir: Path, name: str) -> tuple[LaboratoryScores, ...]:
    """The models with the network of a detector that did without a laboratory, each in that one.

    Args:
        weights_dir: See `shipped_scores`.
        name: Name of the detector in the registry.

    Returns:
        One for each laboratory that a recipe leaves out, measured or not; none if no recipe does.
    """
    models = left_out_models(weights_dir)
    recipes = recipes_without()
    found = []
    for laboratory in LABORATORIES.values():
        model = without(models, laboratory.name, name)
        recipe = model.spec.name if model else recipes.get((name, laboratory.name))
        if recipe is None:
            continue
        part = f"{laboratory.name}_{laboratory.test}"
        metrics = read_current(weights_dir, recipe, model.files, part) if model else None
        title = f"{name}, trained without it"
        found.append(LaboratoryScores(laboratory, recipe, title, False, False, metrics))
    return tuple(found)


def unseen_by_laboratory(weights_dir: Path, name: str) -> dict[str, LaboratoryScores]:
    """`unseen_scores` by the name of the laboratory."""
    return {scores.laboratory.name: scores for scores in unseen_scores(weights_dir, name)}


def model_with_twins() -> str:
    """The detector of the registry of whose network there are recipes without a laboratory."""
    return next(model for model, _ in recipes_without())


def every_detector(weights_dir: Path) -> tuple[LaboratoryScores, ...]:
    """All detectors of the registry in every laboratory, laboratory by laboratory."""
    by_model = [shipped_scores(weights_dir, spec.name) for spec in MODELS]
    return tuple(scores for of_one in zip(*by_model, strict=True) for scores in of_one)


def evidence_of_unseen(weights_dir: Path, name: str) -> tuple[LaboratoryScores, ...]:
    """What says how a detector does in a laboratory that it never saw, measured or not.

    Its own scores where it never saw the laboratory; else those of the model with its network that
    did without, if there is a recipe for one.

    Args:
        weights_dir: See `shipped_scores`.
        name: Name of the detector in the registry.
    """
    twins = unseen_by_laboratory(weights_dir, name)
    found = []
    for own in shipped_scores(weights_dir, name):
        twin = twins.get(own.laboratory.name)
        if own.seen is False and (own.metrics is not None or twin is None):
            found.append(own)
        elif twin is not None:
            found.append(twin)
    return tuple(found)


def expectation(evidence: Sequence[LaboratoryScores]) -> str:
    """What to expect of a model in a laboratory that it never saw, in sentences for a clinician.

    Args:
        evidence: From `evidence_of_unseen`.
    """
    measured = [scores for scores in evidence if scores.metrics is not None]
    if not measured:
        return (
            "How well it does in a laboratory that it has not seen is not measured yet: expect it "
            "to miss blasts, and to call other cells blasts."
        )
    with_blasts = [s for s in measured if s.value("blast.operating_recall") is not None]
    sentences = [_of_blasts(with_blasts) if with_blasts else _NO_BLASTS_MEASURED]
    if healthy := [scores for scores in measured if not scores.laboratory.has_blasts]:
        shares = [v for s in healthy if (v := s.value("fields_with_false_blast")) is not None]
        share = _of_100(shares)
        sentences.append(
            f"In smears of healthy persons there, expect a false blast in {share} fields."
        )
    return " ".join(sentences)


def basis(evidence: Sequence[LaboratoryScores]) -> str:
    """What `expectation` rests on, in sentences; empty if nothing is measured."""
    measured = [scores for scores in evidence if scores.metrics is not None]
    if not measured:
        return ""
    where = in_words([_measured_in(scores) for scores in measured if scores.shipped], "and")
    twins = in_words([_measured_in(scores) for scores in measured if not scores.shipped], "and")
    on = [f"on {where}"] if where else []
    if twins:
        on.append(f"on {twins} by small networks like it, trained without the laboratory")
    parts = [f"Measured {'; '.join(on)}."]
    lacking = [scores.laboratory.title for scores in evidence if scores.metrics is None]
    if lacking:
        parts.append(f"Not measured yet: {in_words(lacking, 'and')}.")
    return " ".join(parts)


_NO_BLASTS_MEASURED = (
    "How many blasts it finds in a laboratory that it has not seen is not measured yet."
)


def _of_blasts(scores: Sequence[LaboratoryScores]) -> str:
    found = [v for s in scores if (v := s.value("blast.operating_recall")) is not None]
    right = [v for s in scores if (v := s.value("blast.operating_precision")) is not None]
    called = (
        f"of 100 cells that it calls blasts, {_of_100(right).removesuffix(' of 100')} are"
        if right
        else "it calls no cell a blast there"
    )
    return (
        f"In a laboratory that it has not seen, expect it to find {_of_100(found)} blasts; "
        f"{called}."
    )


def _of_100(shares: Iterable[float]) -> str:
    """Shares as a reader counts: `about 77 of 100`, `60 to 77 of 100`."""
    numbers = sorted({_hundredth(share) for share in shares})
    if len(numbers) > 1:
        return f"{numbers[0]} to {numbers[-1]} of 100"
    return f"about {numbers[0]} of 100" if numbers[0] else "fewer than 1 of 100"


def _hundredth(share: float) -> int:
    """Of 100, rounded; 100 is said only of all."""
    return 100 if share == 1 else min(99, round(100 * share))


def _measured_in(scores: LaboratoryScores) -> str:
    images = (scores.metrics or {})["images"]
    return f"{scores.laboratory.title} ({images} fields)"
