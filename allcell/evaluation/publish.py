"""Measure every model that has weights on every published set, and store the results as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from allcell.classifier import FieldClassifier
from allcell.data.dataset import LabelledImage, read_yolo
from allcell.detector import Detector
from allcell.engines.opening import Precision, open_checkpoint
from allcell.evaluation.compare import Comparison, compare_fields, compare_measures
from allcell.evaluation.evaluate import RESAMPLES, score
from allcell.evaluation.evidence import Array, Evidence
from allcell.evaluation.fields import evaluate_fields
from allcell.evaluation.judged_fields import JudgedFields, judge_fields
from allcell.evaluation.predictions import Predictions, Setting, predict
from allcell.evaluation.results import EvaluationResult
from allcell.models.registry import CLASSIFIERS, MODELS, ClassifierSpec, get_classifier, get_spec
from allcell.models.weights import ModelFiles, describe, model_files, read_manifest
from allcell.text.words import AS_SHOWN, AS_YOLOV5_COUNTS

#: Folder and split of every published set. Thresholds are chosen on the first.
VALIDATION, TEST = ("allidb1", "val"), ("allidb1", "test")
SETS = (VALIDATION, TEST, ("bccd", "held_out"), ("pbc", "held_out"))

#: Sets whose predictions are stored box by box, for the curves and the comparison.
KEPT = (VALIDATION, TEST)


def publish(data_dir: Path, weights_dir: Path, say: Callable[[str], None]) -> None:
    """Evaluate all models that have weights, compare them, and write `weights/metrics`.

    Args:
        data_dir: Folder with the data sets as `python -m allcell data` makes them: `allidb1`, and
            `bccd` and `pbc` if there are any.
        weights_dir: Folder of the manifest.
        say: Called with a line of text at each step.

    Raises:
        DataError: If `allidb1` is missing.
        ModelError: If a weight file does not match the manifest.
    """
    metrics = weights_dir / "metrics"
    (metrics / "predictions").mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(weights_dir)
    names = [spec.name for spec in MODELS if spec.name in manifest]
    measured: dict[str, dict[str, float]] = {}
    replicates: dict[str, dict[str, Array]] = {}
    right: dict[str, tuple[bool, ...]] = {}
    data_sha256, n_images = "", 0
    for data, split in SETS:
        if not (data_dir / data).is_dir() and (data, split) not in KEPT:
            say(f"{data} is not in {data_dir}: its numbers are left as they are")
            continue
        images = read_yolo(data_dir / data, split)
        for name in names:
            for precision in _precisions(manifest[name], (data, split)):
                suffix = "_int8" if precision == "int8" else ""
                stem = f"{name}_{data}_{split}{suffix}"
                answers = answer(name, images, data, split, precision=precision)
                evidence = Evidence.of(answers)
                draws = evidence.replicates(RESAMPLES)
                result = score(answers, replicates=draws)
                write(metrics / f"{stem}.json", result.to_json())
                if (data, split) in KEPT and not suffix:
                    write(metrics / "predictions" / f"{stem}.json", _shareable(answers).to_json())
                if (data, split) == TEST and not suffix:
                    measured[name], replicates[name] = evidence.measure(), draws
                    right[name] = result.right
                    data_sha256, n_images = answers.data_sha256, len(images)
                say(f"{stem}: {_aps(result)}")
    right |= _classifiers(data_dir, weights_dir, say, data_sha256)
    comparison = Comparison(
        *TEST,
        data_sha256,
        {name: manifest[name].checkpoint.sha256 for name in right},
        compare_measures(measured, replicates, n_images),
        compare_fields(right),
    )
    write(metrics / f"comparison_{'_'.join(TEST)}.json", comparison.to_json())


def _classifiers(
    data_dir: Path, weights_dir: Path, say: Callable[[str], None], data_sha256: str
) -> dict[str, tuple[bool, ...]]:
    """Measure the whole-field classifiers; returns which test fields each judged correctly.

    One without weights here is compared by its stored result, if that is on the same data.
    """
    right = {}
    manifest = read_manifest(weights_dir)
    for spec in CLASSIFIERS:
        files = manifest.get(spec.name)
        if files is None or not files.has_checkpoint(weights_dir):
            say(f"{spec.name} has no weights here: its numbers are left as they are")
        else:
            _classifier(spec, files, data_dir, weights_dir, say)
        if (kept := _kept_right(spec, files, weights_dir, data_sha256)) is not None:
            right[spec.name] = kept
    return right


def _classifier(
    spec: ClassifierSpec,
    files: ModelFiles,
    data_dir: Path,
    weights_dir: Path,
    say: Callable[[str], None],
) -> None:
    """Measure one whole-field classifier and write its results."""
    classifier = FieldClassifier.open(spec.name)
    for data, split in KEPT:
        result = evaluate_fields(
            classifier,
            read_yolo(data_dir / data, split),
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


def _kept_right(
    spec: ClassifierSpec, files: ModelFiles | None, weights_dir: Path, data_sha256: str
) -> tuple[bool, ...] | None:
    """Which test fields a model judged correctly, by its stored result; None if there is none."""
    path = weights_dir / "metrics" / f"{spec.name}_{'_'.join(TEST)}.json"
    if files is None or not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    if (kept["model_sha256"], kept["data_sha256"]) != (files.checkpoint.sha256, data_sha256):
        return None
    return JudgedFields.from_result(kept, spec.threshold).right


def answer(
    name: str,
    images: list[LabelledImage],
    data: str,
    split: str,
    *,
    precision: Precision = "full",
    device: str = "cpu",
    confidence: float | None = None,
    checkpoint: Path | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Run one model of the registry over labelled images.

    Args:
        name: The model.
        images: From `dataset.read_yolo`.
        data: What the data set is called.
        split: Part of the data set that the images are from.
        precision: See `Detector.open`.
        device: auto, cpu or cuda.
        confidence: Operating threshold; the model's own if None.
        checkpoint: Weights that you trained, instead of the shipped ones. Never open a stranger's:
            loading a checkpoint can run code in it.
        on_image: See `predict`.
    """
    spec = get_spec(name)
    if checkpoint is not None:
        engine = open_checkpoint(checkpoint, device=device)
        detector, used = Detector(spec, engine), describe(checkpoint)
    else:
        files = model_files(name)
        detector = Detector.open(name, device=device, precision=precision)
        used = (files.onnx_int8 if precision == "int8" else None) or files.checkpoint
    setting = Setting(
        model=name,
        model_sha256=used.sha256,
        device=detector.engine.description,
        data=data,
        split=split,
        confidence=spec.confidence if confidence is None else confidence,
        iou=spec.iou,
    )
    return predict(detector, images, setting, classes=spec.classes, on_image=on_image)


def judge(
    name: str,
    images: Sequence[LabelledImage],
    *,
    device: str = "cpu",
    on_image: Callable[[int, int], None] | None = None,
) -> JudgedFields:
    """Run one whole-field classifier of the registry over labelled images, without rotation.

    Args:
        name: The classifier.
        images: See `answer`.
        device: auto, cpu or cuda.
        on_image: See `judge_fields`.

    Raises:
        ModelError: If its weights are not here.
    """
    return judge_fields(
        FieldClassifier.open(name, device=device),
        images,
        model=name,
        model_sha256=model_files(name).checkpoint.sha256,
        threshold=get_classifier(name).threshold,
        on_image=on_image,
    )


def write(path: Path, text: str) -> None:
    """Write a JSON file that ends in a newline, as editors expect."""
    path.write_text(text + "\n", encoding="utf-8")


def _aps(result: EvaluationResult) -> str:
    if result.map50 is None or result.map50_as_shown is None:
        return "no true cell of the paper's classes"
    return (
        f"mean AP@0.5 {AS_SHOWN} {result.map50_as_shown:.3f}, {AS_YOLOV5_COUNTS} {result.map50:.3f}"
    )


def _precisions(files: ModelFiles, of: tuple[str, str]) -> tuple[Precision, ...]:
    return ("full", "int8") if files.onnx_int8 and of == TEST else ("full",)


def _shareable(answers: Predictions) -> Predictions:
    """Without the experts' centroids: they are part of ALL-IDB and may not be passed on."""
    return replace(answers, images=tuple(replace(i, centroids=None) for i in answers.images))
