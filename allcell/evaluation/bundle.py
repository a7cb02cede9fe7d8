"""Everything needed to check a comparison, as one ZIP; the same numbers come out of it again."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from allcell.data.zipped import ZipLimits, open_zip
from allcell.errors import DataError
from allcell.evaluation.compare import Comparison, compare_fields, compare_measures
from allcell.evaluation.evaluate import RESAMPLES, score
from allcell.evaluation.evidence import Array, Evidence
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.results import EvaluationResult
from allcell.settings import RESEARCH_USE
from allcell.statistics import too_few_images
from allcell.versions import installed_versions, machine_name

#: Larger bundles, packed or unpacked, are refused.
MAX_BYTES = 512 * 2**20
_LIMITS = ZipLimits(MAX_BYTES, MAX_BYTES, MAX_BYTES, max_files=1000)
_ANOTHER = "Use one that `python -m allcell compare --bundle` or the Compare page wrote."
_ABOUT, _COMPARISON = "about.json", "comparison.json"
_UNDECIDED = ("interval", "p", "p_adjusted", "decisive")
_PREDICTIONS, _METRICS, _FIELDS = "predictions/", "metrics/", "fields/"


@dataclass(frozen=True, eq=False)
class Scored:
    """One model's answers, and all that is made of them; what takes long is done.

    Attributes:
        predictions: The answers, with the truth.
        evidence: The same, matched.
        measured: `Evidence.measure`.
        draws: `Evidence.replicates`.
        result: What they score.
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
            on_draw: See `Evidence.replicates`.
        """
        evidence = Evidence.of(predictions)
        draws = evidence.replicates(RESAMPLES, on_draw=on_draw)
        result = score(predictions, replicates=draws)
        return cls(predictions, evidence, evidence.measure(), draws, result)

    def renamed(self, data: str, split: str, names: Sequence[str]) -> Scored:
        """The same under other names of the set, its part and its images, which no number knows."""
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
        fields: Of whole-field classifiers on these images; they are compared by whole fields only.

    Raises:
        DataError: If there are none, or they are not of the same images, or a name is there twice.
    """
    predictions = [m.predictions for m in models]
    _check_comparable(predictions, fields)
    first = predictions[0]
    names = [p.setting.model for p in predictions]
    right = {name: m.result.right for name, m in zip(names, models, strict=True)}
    right |= {f.model: f.right for f in fields}
    return Comparison(
        first.setting.data,
        first.setting.split,
        first.data_sha256,
        {p.setting.model: p.setting.model_sha256 for p in predictions}
        | {f.model: f.model_sha256 for f in fields},
        compare_measures(
            {name: m.measured for name, m in zip(names, models, strict=True)},
            {name: m.draws for name, m in zip(names, models, strict=True)},
            len(first.images),
        ),
        compare_fields(right),
    )


def evaluate_all(
    predictions: Sequence[Predictions], fields: Sequence[JudgedFields] = ()
) -> tuple[tuple[EvaluationResult, ...], Comparison]:
    """Score several models on the same images and compare all pairs.

    Args:
        predictions: Of one model each, on the same images.
        fields: See `compare_scored`.

    Raises:
        DataError: If there are none, or they are not of the same images, or a name is there twice.
    """
    _check_comparable(predictions, fields)
    models = [Scored.of(p) for p in predictions]
    return tuple(m.result for m in models), compare_scored(models, fields)


def _check_comparable(predictions: Sequence[Predictions], fields: Sequence[JudgedFields]) -> None:
    names = [p.setting.model for p in predictions] + [f.model for f in fields]
    if not predictions or len(set(names)) != len(names):
        raise DataError("Each model must be there once.", "Leave out what is there twice.")
    first = predictions[0]
    asked = {(p.data_sha256, len(p.images)) for p in predictions}
    asked |= {(f.data_sha256, len(f.right)) for f in fields}
    if asked != {(first.data_sha256, len(first.images))}:
        raise DataError(
            "The models were not run on the same images.", "Run all of them on the same set."
        )


def write_bundle(predictions: Sequence[Predictions], fields: Sequence[JudgedFields] = ()) -> bytes:
    """Score several models and `pack` it; see `evaluate_all`."""
    return pack(predictions, *evaluate_all(predictions, fields), fields)


def pack(
    predictions: Sequence[Predictions],
    results: Sequence[EvaluationResult],
    comparison: Comparison,
    fields: Sequence[JudgedFields] = (),
) -> bytes:
    """A ZIP of the answers, what they score, the comparison, and where they were made.

    Args:
        predictions: Of one model each, on the same images.
        results: What they score, in the same order.
        comparison: Of all pairs.
        fields: Of the whole-field classifiers that are compared, too.
    """
    about = {
        "notice": RESEARCH_USE,
        "machine": machine_name(),
        "versions": installed_versions(),
        **_compared(comparison),
        "check": "python -m allcell evaluate --from THIS.zip",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_ABOUT, json.dumps(about, indent=1) + "\n")
        for n, (item, result) in enumerate(zip(predictions, results, strict=True), 1):
            # Numbered: a model's name is what somebody called it, not a file name.
            archive.writestr(f"{_PREDICTIONS}{n:02d}.json", item.to_json() + "\n")
            archive.writestr(f"{_METRICS}{n:02d}.json", result.to_json() + "\n")
        for n, judged in enumerate(fields, 1):
            archive.writestr(f"{_FIELDS}{n:02d}.json", judged.to_json() + "\n")
        archive.writestr(_COMPARISON, comparison.to_json() + "\n")
    return buffer.getvalue()


def _compared(comparison: Comparison) -> dict[str, Any]:
    """What was compared, as the bundle's first file says it."""
    return {
        "data": comparison.data,
        "split": comparison.split,
        "data_sha256": comparison.data_sha256,
        "weights_sha256": comparison.models,
    }


@dataclass(frozen=True, eq=False)
class Bundle:
    """What is in a bundle.

    Attributes:
        answers: Of the detectors.
        fields: Of the whole-field classifiers.
        scored: The text of what follows from these, by its name in the ZIP: every metrics file,
            the comparison, and what it says about itself.
    """

    answers: tuple[Predictions, ...]
    fields: tuple[JudgedFields, ...]
    scored: dict[str, str]


def read_bundle(content: bytes) -> Bundle:
    """What `write_bundle` wrote.

    Raises:
        DataError: If it is not such a file, or too large.
    """
    try:
        root = open_zip(content, "it", _LIMITS)
        texts = {name: (root / name).read_text() for name in sorted(root.archive.entries)}
    except (DataError, UnicodeDecodeError) as error:
        why = error.message if isinstance(error, DataError) else f"{error}."
        raise DataError(f"This is no bundle of allcell: {why}", _ANOTHER) from error
    answers = tuple(
        Predictions.from_json(text) for name, text in texts.items() if name.startswith(_PREDICTIONS)
    )
    fields = tuple(
        JudgedFields.from_json(text) for name, text in texts.items() if name.startswith(_FIELDS)
    )
    if not answers:
        raise DataError("This ZIP holds no predictions.", _ANOTHER)
    scored = {
        name: text
        for name, text in texts.items()
        if name.startswith(_METRICS) or name in (_COMPARISON, _ABOUT)
    }
    return Bundle(answers, fields, scored)


@dataclass(frozen=True, eq=False)
class Rescored:
    """A bundle, scored anew.

    Attributes:
        results: Of each model.
        comparison: Of all pairs.
        differing: Names of its files whose numbers are not the same; empty if all are.
        outdated: Names of its files with intervals or p-values that are no longer given, since the
            images cannot decide: version 0.1 gave them. They are not checked.
    """

    results: tuple[EvaluationResult, ...]
    comparison: Comparison
    differing: list[str]
    outdated: list[str]


def rescore(content: bytes) -> Rescored:
    """Score a bundle anew, from its answers alone.

    Raises:
        DataError: See `read_bundle`.
    """
    kept = read_bundle(content)
    results, comparison = evaluate_all(kept.answers, kept.fields)
    anew = {f"{_METRICS}{n:02d}.json": r.to_json() for n, r in enumerate(results, 1)}
    anew[_COMPARISON] = comparison.to_json()
    said = dict(kept.scored)
    about = _content(said.pop(_ABOUT, None))
    wrong: list[str] = []
    outdated: list[str] = []
    for name in sorted(said.keys() | anew):
        theirs, ours = _content(said.get(name)), _content(anew.get(name))
        if theirs == ours:
            continue
        known = _without_undecided(theirs, comparison, results[0].images)
        same = known == _without_undecided(ours, comparison, results[0].images)
        (outdated if same else wrong).append(name)
    compared = _compared(comparison)
    if not isinstance(about, dict) or {k: about.get(k) for k in compared} != compared:
        wrong.append(_ABOUT)
    return Rescored(results, comparison, wrong, outdated)


def _without_undecided(content: Any, comparison: Comparison, images: int) -> Any:
    """A file of a bundle without the intervals and p-values that are given no more."""
    if not isinstance(content, dict):
        return content
    rest = dict(content)
    if too_few_images(images) and isinstance(settings := rest.get("settings"), dict):
        rest["settings"] = {k: v for k, v in settings.items() if k != "bootstrap"}
        rest.pop("intervals", None)
    # Holm's adjustment is over all pairs of a measure.
    undecided = [d.measure for d in comparison.differences if d.p is None]
    if isinstance(rows := rest.get("differences"), list):
        rest["differences"] = [
            {k: v for k, v in row.items() if k not in _UNDECIDED}
            if isinstance(row, dict) and row.get("measure") in undecided
            else row
            for row in rows
        ]
    return rest


def _content(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
