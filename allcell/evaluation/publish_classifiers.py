"""Measure the whole-field classifiers on the published sets, and store the results as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from allcell.classifier import FieldClassifier
from allcell.evaluation.fields import evaluate_fields
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.published_sets import SETS, TEST, Part, images_of, write
from allcell.models.registry import CLASSIFIERS, ClassifierSpec
from allcell.models.weights import ModelFiles, read_manifest


def measure_classifiers(
    data_dir: Path,
    weights_dir: Path,
    say: Callable[[str], None],
    sets: Sequence[Part] = SETS,
) -> None:
    """Measure the whole-field classifiers that have weights here.

    Args:
        data_dir: Folder with the data sets; one that is not there keeps its numbers.
        weights_dir: Folder of the manifest.
        say: Called with a line of text at each step.
        sets: The sets.
    """
    manifest = read_manifest(weights_dir)
    for spec in CLASSIFIERS:
        files = manifest.get(spec.name)
        if files is None or not files.has_checkpoint(weights_dir):
            say(f"{spec.name} has no weights here: its numbers are left as they are")
        else:
            _classifier(spec, files, data_dir, weights_dir, say, sets)


def _classifier(
    spec: ClassifierSpec,
    files: ModelFiles,
    data_dir: Path,
    weights_dir: Path,
    say: Callable[[str], None],
    sets: Sequence[Part],
) -> None:
    """Measure one whole-field classifier on some sets and write its results."""
    classifier = FieldClassifier.open(spec.name)
    for data, split in sets:
        # The detectors have said what is not there.
        images = images_of(data_dir, (data, split), lambda line: None)
        if not images:
            continue
        result = evaluate_fields(
            classifier,
            images,
            model=spec.name,
            model_sha256=files.checkpoint.sha256,
            device=classifier.engine.description,
            data=data,
            split=split,
            threshold=spec.threshold,
        )
        stem = f"{spec.name}_{data}_{split}"
        write(weights_dir / "metrics" / f"{stem}.json", result.to_json())
        accuracy = result.counts.accuracy
        say(f"{stem}: {accuracy.k} of {accuracy.n} fields right")


def kept_right(
    spec: ClassifierSpec, files: ModelFiles | None, weights_dir: Path, data_sha256: str
) -> tuple[bool, ...] | None:
    """Which test fields a classifier judged correctly, by its stored result.

    Args:
        spec: The classifier.
        files: Its entry in the manifest.
        weights_dir: Folder that holds `metrics/`.
        data_sha256: SHA-256 over the test fields and their labels.

    Returns:
        None if no result is stored for these weights and fields.
    """
    path = weights_dir / "metrics" / f"{spec.name}_{'_'.join(TEST)}.json"
    if files is None or not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    if (kept["model_sha256"], kept["data_sha256"]) != (files.checkpoint.sha256, data_sha256):
        return None
    return JudgedFields.from_result(kept, spec.threshold).right
