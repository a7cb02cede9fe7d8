"""`evaluate`: score one model on any labelled set, or all models on the published ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from allcell.cli.base import (
    DEVICE_HELP,
    app,
    check_target,
    default_device,
    default_model,
    explained,
    say,
)
from allcell.cli.labelled_set import read_set
from allcell.cli.user_model import CLASS_HELP, ONNX_HELP, open_user_model, refuse_with_onnx
from allcell.data.labelled_sets import LABEL_FORMATS
from allcell.environment.installation import weights_to_write
from allcell.errors import DataError
from allcell.evaluation.bundle import pack, rescore
from allcell.evaluation.compare import Comparison
from allcell.evaluation.evaluate import score
from allcell.evaluation.intervals import UNDECIDED
from allcell.evaluation.laboratories import publish_laboratories, publish_left_out
from allcell.evaluation.predictions import Setting, predict
from allcell.evaluation.publish import answer, judge, publish
from allcell.evaluation.published_sets import write
from allcell.evaluation.results import EvaluationResult, to_json
from allcell.evaluation.scored import evaluate_all
from allcell.models.registry import CLASSES, CLASSIFIERS, MODELS
from allcell.models.weights import read_manifest
from allcell.report.laboratories.tables import laboratories_text
from allcell.settings import settings
from allcell.statistics import too_few_images
from allcell.text.words import AS_SHOWN, AS_YOLOV5_COUNTS, BOTH_APS, in_words

_OURS = ", ".join(CLASSES)
_WHOSE = in_words([f"{known.name}'s" for known in LABEL_FORMATS])


@app.command("evaluate")
@explained
def evaluate_command(
    context: typer.Context,
    data: Path | None = typer.Option(
        None,
        help=f"A folder or ZIP in {_WHOSE} layout; with --all or --laboratories, the folder "
        "that holds the datasets made by `data`.",
    ),
    model: str = typer.Option(default_model, help="Name of the model."),
    every: bool = typer.Option(
        False, "--all", help="All models on all published sets; rewrites weights/metrics."
    ),
    laboratories: bool = typer.Option(
        False,
        help="The cross-laboratory table: each laboratory scored by the models that never saw it "
        "and by all shipped ones; --all does this too. Rewrites weights/metrics.",
    ),
    split: str = typer.Option("test", help="Which split of it."),
    mapping: list[str] = typer.Option(
        [],
        "--map",
        help=f"theirs=ours, where ours is {_OURS}, ignore, or empty to leave the class out; once "
        "for each class of the folder that has another name.",
    ),
    conf: float | None = typer.Option(
        None, min=0, max=1, help="Operating threshold; the model's own by default."
    ),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
    int8: bool = typer.Option(False, help="Use the 8-bit graph for live video."),
    checkpoint: Path | None = typer.Option(
        None, help="A .pt that you trained, instead of the shipped weights. Never a stranger's."
    ),
    onnx: Path | None = typer.Option(None, help=ONNX_HELP),
    classes: list[str] = typer.Option([], "--class", help=CLASS_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print everything as JSON."),
    predictions: Path | None = typer.Option(None, help="Write all boxes to this JSON file."),
    bundle: Path | None = typer.Option(
        None, "--from", help="Rescore a bundle made by `compare` and check its numbers."
    ),
    save_as: str | None = typer.Option(
        None, help="Save the result as weights/metrics/NAME_<data>_<split>.json."
    ),
) -> None:
    """Score a model on a labelled dataset."""
    if classes and onnx is None:
        raise typer.BadParameter("--class names the classes of an --onnx file: give --onnx too")
    if onnx is not None:
        refuse_with_onnx(
            context,
            model="the file is the model",
            checkpoint="the file is the model",
            int8="the file runs as it is",
            device="the file runs on the CPU",
            every="that is for our own models",
            laboratories="that is for our own models",
            bundle="a bundle is scored without a model",
        )
    if bundle:
        _check(bundle)
        return
    if data is None:
        raise DataError("There is nothing to evaluate on.", "Name a folder: --data FOLDER.")
    if every or laboratories:
        weights = weights_to_write()
        if every:
            publish(data, weights, say)
            publish_left_out(data, weights, say)
        else:
            publish_laboratories(data, weights, say)
        typer.echo(laboratories_text(weights))
        return

    # What is written is checked before the model runs, which takes minutes, not after.
    if save_as:
        weights_to_write()
    if predictions:
        check_target(predictions, "--predictions")

    def progress(done: int, of: int) -> None:
        if done % 20 == 0 or done == of:
            say(f"{done} of {of} images")

    name, split, images, notes = read_set(data, split, mapping)
    if onnx is not None:
        detector, digest = open_user_model(onnx, classes)
        spec = detector.spec
        setting = Setting(
            model=spec.name,
            model_sha256=digest,
            device=detector.engine.description,
            data=name,
            split=split,
            confidence=spec.confidence if conf is None else conf,
            iou=spec.iou,
        )
        answers = predict(detector, images, setting, classes=spec.classes, on_image=progress)
    else:
        answers = answer(
            model,
            images,
            name,
            split,
            precision="int8" if int8 else "full",
            device="cpu" if int8 else device,
            confidence=conf,
            checkpoint=checkpoint,
            on_image=progress,
        )
    result = score(answers)
    if result.unmet:
        say(f"note: {result.unmet}")
        notes.append(result.unmet)
    # Of the set, not of the model: what is saved and published does not hold it. Printed before
    # anything is written: a full disk does not take the scores with it.
    noted = to_json({**asdict(result), "notes": notes})
    typer.echo(noted if as_json else f"{_table(result)}\n{BOTH_APS}")
    if predictions:
        predictions.write_text(answers.to_json() + "\n", encoding="utf-8")
        say(f"wrote {predictions}")
    if save_as:
        name = f"{save_as}_{result.data}_{result.split}.json"
        write(weights_to_write() / "metrics" / name, result.to_json())
        say(f"saved in {name}")


@app.command("compare")
@explained
def compare_command(
    data: Path = typer.Option(..., help="As for `evaluate`."),
    bundle: Path = typer.Option(..., help="ZIP to write: predictions, scores, weights, versions."),
    model: list[str] = typer.Option([], help="Once per model; by default all that have weights."),
    split: str = typer.Option("test", help="Which split of it."),
    mapping: list[str] = typer.Option([], "--map", help="As for `evaluate`."),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
) -> None:
    """Run several models on a labelled set, compare all pairs and save everything in one ZIP."""
    judges = {spec.name for spec in CLASSIFIERS}
    weights = settings().weights_dir
    manifest = read_manifest(weights)
    names = model or [
        *(spec.name for spec in MODELS if spec.name in manifest),
        *(n for n in sorted(judges & manifest.keys()) if manifest[n].has_checkpoint(weights)),
    ]
    # Checked before the models run, which takes minutes.
    if len(set(names)) < len(names):
        raise DataError("A model is named twice.", "Name each once.")
    if judges.issuperset(names):
        raise DataError("Whole-field models cannot be compared alone.", "Add a detector: --model.")
    check_target(bundle, "--bundle")
    data_name, split, images, _ = read_set(data, split, mapping)
    answers, fields = [], []
    for name in names:
        say(f"{name} on {len(images)} images")
        if name in judges:
            fields.append(judge(name, images, device=device))
        else:
            answers.append(answer(name, images, data_name, split, device=device))
    results, comparison = evaluate_all(answers, fields)
    _print_comparison(results, comparison)
    for judged in fields:
        right = judged.counts.accuracy
        typer.echo(f"{judged.model}: {right.k} of {right.n} fields classified correctly")
    for result in results:
        if result.unmet:
            say(f"note: {result.unmet}")
    bundle.write_bytes(pack(answers, results, comparison, fields))


def _check(path: Path) -> None:
    """Print a bundle's scores; exit with code 1 if they differ from the numbers in it."""
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Check --from.")
    again = rescore(path.read_bytes())
    _print_comparison(again.results, again.comparison)
    if again.differing:
        typer.echo(f"differs from the bundle's own numbers: {', '.join(again.differing)}")
        raise typer.Exit(1)
    if again.outdated:
        typer.echo(
            "from an earlier version: what it lacks, and intervals and p-values that rest on too "
            f"few images, resamples or comparisons, are not checked: {', '.join(again.outdated)}"
        )
    other = "other " if again.outdated else ""
    typer.echo(f"every {other}number matches the bundle's")


def _print_comparison(results: tuple[EvaluationResult, ...], comparison: Comparison) -> None:
    for result in results:
        typer.echo(_table(result))
    typer.echo(BOTH_APS)
    if few := too_few_images(results[0].images):
        typer.echo(f"no difference between models is decided: {few}")
        return
    for words, some in (
        ("decisive", [d for d in comparison.differences if d.decisive]),
        ("on the edge", [d for d in comparison.differences if d.edge]),
    ):
        for d in some:
            typer.echo(
                f"{words}: {d.measure}, {d.first} minus {d.second}: {d.value:+.3f}, "
                f"p {d.p_adjusted:.3f} (Holm over {len(comparison.differences)} comparisons)"
            )
    if not any(d.decisive for d in comparison.differences):
        typer.echo("no decisive difference between any two models")
    undecided = sum(d.p is None for d in comparison.differences)
    if undecided:
        typer.echo(f"of {len(comparison.differences)} differences {undecided} {UNDECIDED}")


def _table(result: EvaluationResult) -> str:
    lines = [
        f"{result.model} on {result.data}/{result.split}: {result.images} images, {result.device}",
        f"{'':14} {AS_SHOWN:<28} {AS_YOLOV5_COUNTS}",
        f"{'class':8} {'cells':>5} {'AP.5':>6} {'.5:.95':>6} {'tp':>4} {'fp':>4} {'fn':>4} "
        f"{'P':>6} {'R':>6} {'AP.5':>6} {'.5:.95':>6}",
    ]

    def number(value: float | None) -> str:
        return "   n/a" if value is None else f"{value:6.3f}"

    for name, c in result.classes.items():
        at = c.at_operating_point
        lines.append(
            f"{name:8} {c.cells:5d} {number(c.ap50_as_shown)} {number(c.ap50_95_as_shown)} "
            + (3 * " n/a " if c.unknown else f"{at.tp:4d} {at.fp:4d} {at.fn:4d} ")
            + f"{number(c.precision)} {number(c.recall)} {number(c.ap50)} {number(c.ap50_95)}"
        )
    if missing := [name for name, c in result.classes.items() if c.unknown]:
        lines.append(f"n/a: {result.model} has no class {in_words(missing)}")
    lines.append(
        f"{'mean':14} {number(result.map50_as_shown)} "
        f"{number(result.map50_95_as_shown)} {'':28} {number(result.map50)} "
        f"{number(result.map50_95)}"
    )
    found = result.white_cells
    lines.append(
        "mean: blast and healthy; "
        f"at confidence {result.settings['operating_confidence']}: white cells found "
        f"{number(found.recall).strip()}, false blasts a field {result.false_blasts_per_field:.3f}"
    )
    if (near := result.centroids) is not None:
        lines.append(
            f"expert blast centroids: recall {number(near.recall).strip()}, "
            f"precision {number(near.precision).strip()} (tp {near.tp}, fp {near.fp}, fn {near.fn})"
        )
    return "\n".join(lines)
