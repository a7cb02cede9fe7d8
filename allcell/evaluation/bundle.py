"""A comparison and all that is needed to check it as one ZIP; scoring it again gives the same."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from allcell.data.zipped import ZipLimits, open_zip
from allcell.environment.versions import installed_versions, machine_name
from allcell.errors import DataError
from allcell.evaluation.compare import Comparison
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.results import EvaluationResult
from allcell.evaluation.scored import evaluate_all
from allcell.settings import RESEARCH_USE
from allcell.statistics import too_few_images

#: Bundles larger than this, packed or unpacked, are refused.
MAX_BYTES = 512 * 2**20
_LIMITS = ZipLimits(MAX_BYTES, MAX_BYTES, MAX_BYTES, max_files=1000)
_ANOTHER = "Use one that `python -m allcell compare --bundle` or the Compare page wrote."
_ABOUT, _COMPARISON = "about.json", "comparison.json"
#: What earlier versions did not give: how the names of AP as shown end (until 0.2), and others.
_AS_SHOWN = "_as_shown"
_NEW = frozenset({"at_best_f1", "spread", "froc_as_shown", "reach_as_shown", "ignored", "rules"})
_UNDECIDED = ("interval", "p", "p_adjusted", "decisive", "edge")
_PREDICTIONS, _METRICS, _FIELDS = "predictions/", "metrics/", "fields/"


def write_bundle(predictions: Sequence[Predictions], fields: Sequence[JudgedFields] = ()) -> bytes:
    """Score several models and `pack` the results.

    Args:
        predictions: Of one model each, on the same images.
        fields: Answers of whole-field classifiers on these images.

    Raises:
        DataError: See `evaluate_all`.
    """
    return pack(predictions, *evaluate_all(predictions, fields), fields)


def pack(
    predictions: Sequence[Predictions],
    results: Sequence[EvaluationResult],
    comparison: Comparison,
    fields: Sequence[JudgedFields] = (),
) -> bytes:
    """A ZIP of predictions, scores and comparison, with the machine and versions they came from.

    Args:
        predictions: Of one model each, on the same images.
        results: Their scores, in the same order.
        comparison: Of all pairs of models.
        fields: Answers of the whole-field classifiers in the comparison.
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
            # Numbered: a model's name comes from a user and may not be a valid file name.
            archive.writestr(f"{_PREDICTIONS}{n:02d}.json", item.to_json() + "\n")
            archive.writestr(f"{_METRICS}{n:02d}.json", result.to_json() + "\n")
        for n, judged in enumerate(fields, 1):
            archive.writestr(f"{_FIELDS}{n:02d}.json", judged.to_json() + "\n")
        archive.writestr(_COMPARISON, comparison.to_json() + "\n")
    return buffer.getvalue()


def _compared(comparison: Comparison) -> dict[str, Any]:
    """What was compared, as `about.json` records it."""
    return {
        "data": comparison.data,
        "split": comparison.split,
        "data_sha256": comparison.data_sha256,
        "weights_sha256": comparison.models,
    }


@dataclass(frozen=True, eq=False)
class Bundle:
    """The contents of a bundle.

    Attributes:
        answers: Predictions of the detectors.
        fields: Answers of the whole-field classifiers.
        scored: Text of the files computed from these, by name in the ZIP: metrics, comparison and
            `about.json`.
    """

    answers: tuple[Predictions, ...]
    fields: tuple[JudgedFields, ...]
    scored: dict[str, str]


def read_bundle(content: bytes) -> Bundle:
    """Read what `write_bundle` wrote.

    Args:
        content: The bytes of the ZIP.

    Raises:
        DataError: If it is no bundle, or too large.
    """
    try:
        root = open_zip(content, "it", _LIMITS)
        texts = {name: (root / name).read_text() for name in sorted(root.archive.entries)}
    except (DataError, UnicodeDecodeError) as error:
        why = error.message if isinstance(error, DataError) else f"{error}."
        raise DataError(f"This is not an allcell bundle: {why}", _ANOTHER) from error
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
    """A bundle, scored again.

    Attributes:
        results: Of each model, in the order of the bundle.
        comparison: Of all pairs of models.
        differing: Names of its files that disagree with the new scores; empty if none do.
        outdated: Names of its files of an earlier version, which lack AP as shown or what 0.3 gives
            besides, or with intervals or p-values that are no longer given so: the images cannot
            support them (0.1), or the p-values are of fewer resamples and comparisons (until 0.2).
            None of these is checked.
    """

    results: tuple[EvaluationResult, ...]
    comparison: Comparison
    differing: list[str]
    outdated: list[str]


def rescore(content: bytes) -> Rescored:
    """Score a bundle again, from its predictions alone.

    Args:
        content: The bytes of the ZIP.

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
        if theirs == _without_as_shown(theirs):
            ours = _without_as_shown(ours)
        if _is_earlier(theirs):
            theirs, ours = _without_new(theirs), _without_new(ours)
        known = _without_undecided(theirs, comparison, results[0].images)
        same = known == _without_undecided(ours, comparison, results[0].images)
        (outdated if same else wrong).append(name)
    compared = _compared(comparison)
    if not isinstance(about, dict) or {k: about.get(k) for k in compared} != compared:
        wrong.append(_ABOUT)
    return Rescored(results, comparison, wrong, outdated)


def _without_undecided(content: Any, comparison: Comparison, images: int) -> Any:
    """A file of a bundle without the intervals and p-values that are no longer given."""
    if not isinstance(content, dict):
        return content
    rest = dict(content)
    if too_few_images(images) and isinstance(settings := rest.get("settings"), dict):
        rest["settings"] = {k: v for k, v in settings.items() if k != "bootstrap"}
        rest.pop("intervals", None)
    # Holm's adjustment spans all pairs of a measure: one undecided pair changes every p.
    undecided = [d.measure for d in comparison.differences if d.p is None]
    if isinstance(rows := rest.get("differences"), list):
        rest["differences"] = [
            {k: v for k, v in row.items() if k not in _UNDECIDED}
            if isinstance(row, dict) and row.get("measure") in undecided
            else row
            for row in rows
        ]
    return rest


def _is_earlier(content: Any) -> bool:
    """Whether a file of a bundle is of version 0.2 or before."""
    if not isinstance(content, dict):
        return False
    return "ignored" not in content if "classes" in content else "draws" not in content


def _without_new(content: Any, depth: int = 3) -> Any:
    """A file of a bundle without what 0.3 added or computes in another way."""
    if depth and isinstance(content, dict):
        rest = {k: _without_new(v, depth - 1) for k, v in content.items() if k not in _NEW}
        if "differences" in rest:
            rest.pop("draws", None)
            rest["differences"] = [
                {k: v for k, v in row.items() if k not in _UNDECIDED}
                for row in rest["differences"]
                if isinstance(row, dict)
            ]
        return rest
    return content


def _without_as_shown(content: Any, depth: int = 4) -> Any:
    """A file of a bundle without AP as shown, down to the scores of a class or a difference."""
    if depth and isinstance(content, dict):
        return {
            key: _without_as_shown(value, depth - 1)
            for key, value in content.items()
            if not key.endswith(_AS_SHOWN)
        }
    if depth and isinstance(content, list):
        return [
            row
            for row in content
            if not (isinstance(row, dict) and str(row.get("measure")).endswith(_AS_SHOWN))
        ]
    return content


def _content(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
