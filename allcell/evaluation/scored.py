"""Models scored on one set and compared; what is slow to compute is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from allcell.errors import DataError
from allcell.evaluation.bootstrap import compared_draws, compared_scores
from allcell.evaluation.compare import (
    Comparison,
    Difference,
    compare_fields,
    compare_measures,
    may_be_decisive,
)
from allcell.evaluation.evaluate import RESAMPLES, score
from allcell.evaluation.evidence import Array, Evidence
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.results import EvaluationResult


@dataclass(frozen=True, eq=False)
class Scored:
    """One model's predictions, and everything computed from them.

    Attributes:
        predictions: The predictions, with the ground truth.
        evidence: The same, matched.
        measured: `Evidence.measure`.
        draws: `bootstrap.compared_scores`, which models are compared by at first.
        result: The scores.
    """

    predictions: Predictions
    evidence: Evidence
    measured: dict[str, float]
    draws: dict[str, Array]
    result: EvaluationResult

    @classmethod
    def of(
        cls, predictions: Predictions, on_draw: Callable[[int, int], None] | None = None
    ) -> Scored:
        """Score one model.

        Args:
            predictions: Of one model on one split.
            on_draw: Called with the number of resamples done and the total; may raise to stop.
        """
        evidence = Evidence.of(predictions)
        more = compared_draws(evidence.n_images)

        def on(before: int) -> Callable[[int, int], None] | None:
            return (lambda done, of: on_draw(before + done, RESAMPLES + more)) if on_draw else None

        result = score(predictions, replicates=evidence.replicates(RESAMPLES, on_draw=on(0)))
        draws = compared_scores(evidence, more, on_draw=on(RESAMPLES))
        return cls(predictions, evidence, evidence.measure(), draws, result)

    @cached_property
    def more_draws(self) -> dict[str, Array]:
        """More of `draws`, for comparisons that are close."""
        n = self.evidence.n_images
        return compared_scores(self.evidence, compared_draws(n, more=True))

    def renamed(self, data: str, split: str, names: Sequence[str]) -> Scored:
        """The same under other names, on which no score depends.

        Args:
            data: Name of the data set.
            split: Part of the data set.
            names: Of the images, in their order.
        """
        setting = replace(self.predictions.setting, data=data, split=split)
        images = zip(self.predictions.images, names, strict=True)
        fields = zip(self.result.fields, names, strict=True)
        return replace(
            self,
            predictions=replace(
                self.predictions,
                setting=setting,
                images=tuple(replace(image, name=name) for image, name in images),
            ),
            result=replace(
                self.result,
                data=data,
                split=split,
                fields=tuple(replace(field, name=name) for field, name in fields),
            ),
        )


def compare_scored(models: Sequence[Scored], fields: Sequence[JudgedFields] = ()) -> Comparison:
    """Compare all pairs of models on the same images.

    Args:
        models: Of one model each.
        fields: Answers of whole-field classifiers on these images, compared by whole fields only.

    Raises:
        DataError: If there are none, their images differ, or a name occurs twice.
    """
    predictions = [m.predictions for m in models]
    check_comparable(predictions, fields)
    first = predictions[0]
    names = [p.setting.model for p in predictions]
    right = {name: m.result.right for name, m in zip(names, models, strict=True)}
    right |= {f.model: f.right for f in fields}
    by_name = dict(zip(names, models, strict=True))
    differences, draws = compare_closely(
        {name: m.measured for name, m in by_name.items()},
        {name: m.draws for name, m in by_name.items()},
        lambda: {name: m.more_draws for name, m in by_name.items()},
        len(first.images),
    )
    return Comparison(
        first.setting.data,
        first.setting.split,
        first.data_sha256,
        {p.setting.model: p.setting.model_sha256 for p in predictions}
        | {f.model: f.model_sha256 for f in fields},
        differences,
        compare_fields(right),
        draws,
    )


def compare_closely(
    measured: Mapping[str, Mapping[str, float]],
    few: Mapping[str, Mapping[str, Array]],
    many: Callable[[], Mapping[str, Mapping[str, Array]]],
    images: int,
) -> tuple[tuple[Difference, ...], int]:
    """`compare_measures` on few resamples, and on many if a difference may be decisive.

    Args:
        measured: See `compare_measures`.
        few: `bootstrap.compared_scores` by model.
        many: Computes more of them.
        images: How many images were resampled.

    Returns:
        The differences, and the number of resamples behind them.
    """
    differences = compare_measures(measured, few, images)
    draws = compared_draws(images)
    if not may_be_decisive(differences, draws):
        return differences, draws
    return compare_measures(measured, many(), images), compared_draws(images, more=True)


def evaluate_all(
    predictions: Sequence[Predictions], fields: Sequence[JudgedFields] = ()
) -> tuple[tuple[EvaluationResult, ...], Comparison]:
    """Score several models on the same images and compare all pairs.

    Args:
        predictions: Of one model each, on the same images.
        fields: See `compare_scored`.

    Raises:
        DataError: If there are none, their images differ, or a name occurs twice.
    """
    check_comparable(predictions, fields)
    models = [Scored.of(p) for p in predictions]
    return tuple(m.result for m in models), compare_scored(models, fields)


def check_comparable(predictions: Sequence[Predictions], fields: Sequence[JudgedFields]) -> None:
    """Refuse answers that cannot be compared.

    Args:
        predictions: Of one model each.
        fields: Answers of whole-field classifiers.

    Raises:
        DataError: If there are none, their images differ, or a name occurs twice.
    """
    names = [p.setting.model for p in predictions] + [f.model for f in fields]
    if not predictions or len(set(names)) != len(names):
        raise DataError("Each model must be there exactly once.", "Leave out duplicates.")
    first = predictions[0]
    asked = {(p.data_sha256, len(p.images)) for p in predictions}
    asked |= {(f.data_sha256, len(f.right)) for f in fields}
    if asked != {(first.data_sha256, len(first.images))}:
        raise DataError(
            "The models were not run on the same images.", "Run all of them on the same set."
        )
