"""Measure every model that has weights on every published set, and store the results as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from allcell.classifier import FieldClassifier
from allcell.data.dataset import LabelledImage
from allcell.detector import Detector
from allcell.engines.opening import Precision, Runtime, open_checkpoint
from allcell.errors import ModelError
from allcell.evaluation.bootstrap import compared_draws, compared_scores
from allcell.evaluation.compare import Comparison, compare_fields
from allcell.evaluation.evaluate import RESAMPLES, score
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.judged_fields import JudgedFields, judge_fields
from allcell.evaluation.predictions import Predictions, Setting, predict
from allcell.evaluation.publish_classifiers import kept_right, measure_classifiers
from allcell.evaluation.published_sets import KEPT, SETS, TEST, Part, images_of, write
from allcell.evaluation.results import EvaluationResult
from allcell.evaluation.scored import compare_closely
from allcell.models.registry import CLASSES, CLASSIFIERS, MODELS, ModelSpec, get_classifier
from allcell.models.weights import ModelFiles, describe, model_files, read_manifest
from allcell.own.finding import KnownModel, find_model
from allcell.own.opening import open_model
from allcell.text.words import AS_SHOWN, AS_YOLOV5_COUNTS

_REGISTERED = frozenset(spec.name for spec in MODELS)


def publish(data_dir: Path, weights_dir: Path, say: Callable[[str], None]) -> None:
    """Evaluate all models that have weights, compare them, and write `weights/metrics`.

    Args:
        data_dir: Folder with the data sets as `python -m allcell data` makes them: `allidb1`, and
            those of other laboratories that are there.
        weights_dir: Folder of the manifest.
        say: Called with a line of text at each step.

    Raises:
        DataError: If `allidb1` is missing.
        ModelError: If a weight file does not match the manifest.
    """
    manifest = read_manifest(weights_dir)
    names = [spec.name for spec in MODELS if spec.name in manifest]
    matched: dict[str, Evidence] = {}
    right: dict[str, tuple[bool, ...]] = {}
    data_sha256, n_images = "", 0
    for data, split in SETS:
        required = (data, split) in KEPT
        images = images_of(data_dir, (data, split), say, required=required)
        for name in names if images else ():
            for precision in _precisions(manifest[name], (data, split)):
                answers = answer(name, images, data, split, precision=precision)
                scored = keep(answers, weights_dir, say, suffix="_int8" * (precision == "int8"))
                if (data, split) == TEST and precision == "full":
                    matched[name] = scored.evidence
                    right[name] = scored.result.right
                    data_sha256, n_images = answers.data_sha256, len(images)
    measure_classifiers(data_dir, weights_dir, say)
    for spec in CLASSIFIERS:
        # One without weights here is compared by its stored result, if that is on the same data.
        judged = kept_right(spec, manifest.get(spec.name), weights_dir, data_sha256)
        if judged is not None:
            right[spec.name] = judged
    more = compared_draws(n_images, more=True)
    differences, draws = compare_closely(
        {name: evidence.measure() for name, evidence in matched.items()},
        {name: compared_scores(evidence) for name, evidence in matched.items()},
        lambda: {name: compared_scores(evidence, more) for name, evidence in matched.items()},
        n_images,
    )
    comparison = Comparison(
        *TEST,
        data_sha256,
        {name: manifest[name].checkpoint.sha256 for name in right},
        differences,
        compare_fields(right),
        draws,
    )
    write(weights_dir / "metrics" / f"comparison_{'_'.join(TEST)}.json", comparison.to_json())


@dataclass(frozen=True, eq=False)
class KeptScores:
    """The scores of one model on one set, as they were written.

    Attributes:
        result: What its JSON holds.
        evidence: What it was computed from.
    """

    result: EvaluationResult
    evidence: Evidence


def keep(
    answers: Predictions, weights_dir: Path, say: Callable[[str], None], *, suffix: str = ""
) -> KeptScores:
    """Score a model's answers and write its JSON; on the sets of `KEPT` the boxes, too.

    Args:
        answers: From `answer`.
        weights_dir: Folder that holds `metrics/`.
        say: Called with a line of text.
        suffix: End of the file's name, for a graph other than the usual one, whose boxes are not
            kept.
    """
    metrics, setting = weights_dir / "metrics", answers.setting
    (metrics / "predictions").mkdir(parents=True, exist_ok=True)
    stem = f"{setting.model}_{setting.data}_{setting.split}{suffix}"
    evidence = Evidence.of(answers)
    result = score(answers, replicates=evidence.replicates(RESAMPLES))
    write(metrics / f"{stem}.json", result.to_json())
    # The boxes of all that the registry knows: other models are not drawn or compared.
    if (setting.data, setting.split) in KEPT and not suffix and setting.model in _REGISTERED:
        write(metrics / "predictions" / f"{stem}.json", _shareable(answers).to_json())
    say(f"{stem}: {_aps(result)}")
    return KeptScores(result, evidence)


def answer(
    model: str | ModelSpec,
    images: list[LabelledImage],
    data: str,
    split: str,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "full",
    device: str = "cpu",
    confidence: float | None = None,
    checkpoint: Path | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Run one model over labelled images.

    Args:
        model: Its name, see `find_model`; or what your `checkpoint` is, if that has none.
        images: From `yolo_sets.read_yolo`.
        data: What the data set is called.
        split: Part of the data set that the images are from.
        runtime: See `Detector.open`; with full precision auto is ONNX Runtime, unless the settings
            fix another.
        precision: See `Detector.open`.
        device: auto, cpu or cuda.
        confidence: Operating threshold; the model's own if None.
        checkpoint: Weights that you trained, instead of the shipped ones. Never open a stranger's:
            loading a checkpoint can run code in it.
        on_image: See `predict`.
    """
    known = find_model(model) if isinstance(model, str) else KnownModel(model)
    spec = known.spec
    if checkpoint is not None:
        engine = open_checkpoint(checkpoint, device=device)
        spec = _named_by(spec, getattr(engine, "class_names", ()), checkpoint)
        detector, used = Detector(spec, engine), describe(checkpoint)
    else:
        files = known.files()
        detector = open_model(spec.name, device=device, runtime=runtime, precision=precision)
        used = (files.onnx_int8 if precision == "int8" else None) or files.checkpoint
    setting = Setting(
        model=spec.name,
        model_sha256=used.sha256,
        device=detector.engine.description,
        data=data,
        split=split,
        confidence=spec.confidence if confidence is None else confidence,
        iou=spec.iou,
    )
    return predict(detector, images, setting, classes=spec.classes, on_image=on_image)


def _named_by(spec: ModelSpec, names: tuple[str, ...], checkpoint: Path) -> ModelSpec:
    """A model whose classes are in the order in which a checkpoint names them.

    Raises:
        ModelError: If it names others.
    """
    if not names:
        return spec
    if not set(names) <= set(CLASSES) or len(set(names)) < len(names):
        raise ModelError(
            f"{checkpoint.name} names its classes {', '.join(names)[:200]}.",
            f"Only those that predict {', '.join(CLASSES)} can be evaluated: train it with these "
            "names.",
        )
    return replace(spec, classes=names)


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


def _aps(result: EvaluationResult) -> str:
    if result.map50 is None or result.map50_as_shown is None:
        return "no true cell of the paper's classes"
    return (
        f"mean AP@0.5 {AS_SHOWN} {result.map50_as_shown:.3f}, {AS_YOLOV5_COUNTS} {result.map50:.3f}"
    )


def _precisions(files: ModelFiles, of: Part) -> tuple[Precision, ...]:
    return ("full", "int8") if files.onnx_int8 and of == TEST else ("full",)


def _shareable(answers: Predictions) -> Predictions:
    """Without the experts' centroids: they are part of ALL-IDB and may not be passed on."""
    return replace(answers, images=tuple(replace(i, centroids=None) for i in answers.images))
