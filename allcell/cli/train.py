"""`train` and `export`."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import typer

from allcell.cli.base import app, default_model, explained, say
from allcell.data.yolo_sets import read_yolo
from allcell.engines.opening import require_torch
from allcell.environment.installation import weights_to_write
from allcell.errors import DataError
from allcell.evaluation.evaluate import suggest_confidence
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.publish import answer
from allcell.models.left_out import as_trained, left_out_dir
from allcell.models.registry import CLASSIFIERS, get_classifier
from allcell.models.weights import ModelFiles, model_files, verified
from allcell.text.words import SCORE_TITLES
from allcell.training.facts import note_taken
from allcell.training.recipe import CnnRecipe, Recipe, load_recipe


@app.command()
@explained
def train(
    recipe: str = typer.Argument(..., help="Name in allcell/training/recipes.yaml."),
    data: Path = typer.Option(..., help="Folder that holds the recipe's datasets."),
    run: Path = typer.Option(..., help="Folder for checkpoints and curves; resumed if it has any."),
    weights: Path | None = typer.Option(
        None,
        help="Start from this checkpoint of yours, for example COCO's yolov5su.pt, instead of "
        "the recipe's own pre-training.",
    ),
    epochs: int | None = typer.Option(None, min=1, help="Epochs, instead of the recipe's."),
    device: str = typer.Option("cpu", help="cpu, or a CUDA device as torch names it."),
    threads: int = typer.Option(0, min=0, help="CPU threads; 0 = torch's default."),
    workers: int = typer.Option(0, min=0, help="Processes that make tiles, beside a CUDA device."),
    release: bool = typer.Option(
        False,
        help="Put the result into weights/ when it is done; into weights/left_out if the recipe "
        "does without a laboratory.",
    ),
) -> None:
    """Train a model; run it again to resume where it stopped."""
    require_torch("Training")
    from allcell.training.release import keep_record, released_as

    chosen = load_recipe(recipe)
    name = None
    if release:
        # Both fail before hours of training, not after.
        weights_to_write()
        name = released_as(recipe, chosen)
    if epochs:
        chosen = chosen.model_copy(update={"epochs": epochs})
    if isinstance(chosen, Recipe):
        entry = _train_detector(chosen, data, run, weights, device, threads, workers, name)
    elif weights:
        raise DataError("The CNN starts from random weights.", "Leave out --weights.")
    else:
        entry = _train_cnn(chosen, data, run, device, threads, name)
    if entry and name:
        keep_record(name, run, weights_to_write())
        say(f"released {entry.checkpoint.file}, sha256 {entry.checkpoint.sha256[:12]}")


def _train_detector(
    recipe: Recipe,
    data: Path,
    run: Path,
    weights: Path | None,
    device: str,
    threads: int,
    workers: int,
    name: str | None,
) -> ModelFiles | None:
    """Train, and release the result under `name` if there is one."""
    from allcell.training.release import release as release_weights
    from allcell.training.trainer import train as train_model

    def show(epoch: int, total: int, metrics: dict[str, float]) -> None:
        map50 = metrics.get("metrics/mAP50(B)", 0.0)
        map50_95 = metrics.get("metrics/mAP50-95(B)", 0.0)
        say(
            f"epoch {epoch}/{total}: validation, mean {SCORE_TITLES['ap50']} {map50:.3f}, "
            f"{SCORE_TITLES['ap50_95']} {map50_95:.3f}"
        )

    run_it = partial(train_model, device=device, threads=threads, workers=workers, on_epoch=show)

    def prepared(start: str) -> Path | None:
        """The best checkpoint of the recipe `start`, prepared by what it starts from itself."""
        if not start:
            return None
        first = load_recipe(start)
        if not isinstance(first, Recipe):
            raise DataError(f"{start} is not a detector's recipe.", "Correct recipes.yaml.")
        before = prepared(first.start)
        say(f"pre-training: {start}, in {run.parent / start}")
        return run_it(first, data, run.parent / start, weights=before)

    # A run that was begun has what it started from.
    if weights is None and not (run / "weights" / "last.pt").exists():
        weights = prepared(recipe.start)
    best = run_it(recipe, data, run, weights=weights)
    taken = _choose(recipe, best, data)
    say(f"chosen checkpoint: {taken}")
    if name is None:
        return None
    folder = weights_to_write()
    return release_weights(
        name,
        as_trained(recipe.model_dump()),
        taken,
        left_out_dir(folder) if recipe.leaves_out else folder,
        with_onnx=recipe.ships_onnx,
        calibration_dir=data / recipe.validation if recipe.ships_int8 else None,
    )


def _choose(recipe: Recipe, best: Path, data: Path) -> Path:
    """The better of a run's best and last epochs, scored by our evaluator on the validation fields.

    The best epoch is the maximum of a noisy curve that includes smudges, and may lie where the
    learning rate was still high. Here AP@0.5:0.95 as YOLOv5 counts, the mean of blasts and healthy
    cells, decides.
    """
    images = read_yolo(data / recipe.validation, "val")
    spec = as_trained(recipe.model_dump())
    scores, suggested = {}, {}
    for checkpoint in (best, best.with_name("last.pt")):
        answers = answer(
            spec, images, recipe.validation, "val", device="cpu", checkpoint=checkpoint
        )
        evidence = Evidence.of(answers)
        scores[checkpoint] = evidence.measure()["map50_95"]
        suggested[checkpoint] = suggest_confidence(evidence)
        found = f"mean {SCORE_TITLES['ap50_95']} {scores[checkpoint]:.3f}"
        say(f"{checkpoint.name} on validation: {found}")
    taken = max(scores, key=scores.__getitem__)
    note_taken(best.parent.parent, taken, suggested[taken])
    return taken


def _train_cnn(
    recipe: CnnRecipe, data: Path, run: Path, device: str, threads: int, name: str | None
) -> ModelFiles | None:
    from allcell.training.cnn import release_cnn, train_cnn

    def show(epoch: int, total: int, row: dict[str, float]) -> None:
        learned, watched = row["train/accuracy"], row["val/accuracy"]
        say(f"epoch {epoch}/{total}: accuracy {learned:.3f}, on validation {watched:.3f}")

    last = train_cnn(recipe, data, run, device=device, threads=threads, on_epoch=show)
    say(f"last checkpoint: {last}")
    return release_cnn(name, last, weights_to_write()) if name else None


@app.command()
@explained
def export(
    model: str = typer.Option(default_model, help="Name of the model."),
    output: Path = typer.Option(..., help="The ONNX file to write."),
) -> None:
    """Export a model as ONNX: input RGB bytes (1, height, width, 3), any size for a detector."""
    files = model_files(model)
    if files.onnx is not None:
        shutil.copyfile(verified(files.onnx), output)
    elif model in (spec.name for spec in CLASSIFIERS):
        require_torch("Compiling a model to ONNX")
        from allcell.models.cnn import export_onnx as export_cnn

        spec = get_classifier(model)
        export_cnn(verified(files.checkpoint), output, spec.height_px, spec.width_px)
    else:
        require_torch("Compiling a model to ONNX")
        from allcell.engines.torch_engine import export_onnx

        export_onnx(verified(files.checkpoint), output)
    say(f"wrote {output}")
