"""`train` and `export`."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer

from allcell.cli.base import app, explained, say
from allcell.engines.base import require_torch
from allcell.models.weights import model_files, verified
from allcell.settings import settings


@app.command()
@explained
def train(
    recipe: str = typer.Argument(..., help="Name in allcell/training/recipes.yaml."),
    data: Path = typer.Option(..., help="Folder that holds the recipe's datasets."),
    run: Path = typer.Option(..., help="Folder for checkpoints and curves; goes on if it has any."),
    weights: Path | None = typer.Option(
        None, help="Start from this checkpoint of yours, for example yolov5su.pt."
    ),
    epochs: int | None = typer.Option(None, min=1, help="Instead of the recipe's."),
    device: str = typer.Option("cpu", help="cpu, or a CUDA device as torch names it."),
    threads: int = typer.Option(0, min=0, help="CPU threads; 0 = torch's choice."),
    release: bool = typer.Option(False, help="Put the result into weights/ when it is done."),
) -> None:
    """Train a detector; run it again to go on where it stopped."""
    require_torch("Training")
    from allcell.training.recipe import load_recipe
    from allcell.training.release import keep_curves
    from allcell.training.release import release as release_weights
    from allcell.training.trainer import train as train_model

    chosen = load_recipe(recipe)
    if epochs:
        chosen = chosen.model_copy(update={"epochs": epochs})

    def show(epoch: int, total: int, metrics: dict[str, float]) -> None:
        map50 = metrics.get("metrics/mAP50(B)", 0.0)
        map50_95 = metrics.get("metrics/mAP50-95(B)", 0.0)
        say(f"epoch {epoch}/{total}: validation mAP@0.5 {map50:.3f}, mAP@0.5:0.95 {map50_95:.3f}")

    best = train_model(
        chosen, data, run, weights=weights, device=device, threads=threads, on_epoch=show
    )
    say(f"best checkpoint: {best}")
    if release:
        entry = release_weights(
            chosen.model,
            best,
            settings().weights_dir,
            with_onnx=chosen.ships_onnx,
            calibration_dir=data / chosen.validation if chosen.ships_int8 else None,
        )
        keep_curves(chosen.model, run, settings().weights_dir)
        say(f"released {entry.checkpoint.file}, sha256 {entry.checkpoint.sha256[:12]}")


@app.command()
@explained
def export(
    model: str = typer.Option(settings().default_model, help="Name of the model."),
    output: Path = typer.Option(..., help="The ONNX file to write."),
) -> None:
    """Write a model as ONNX: RGB bytes (1, height, width, 3) in, free size."""
    files = model_files(model)
    if files.onnx is not None:
        shutil.copyfile(verified(files.onnx), output)
    else:
        require_torch("Compiling a model to ONNX")
        from allcell.engines.torch_engine import export_onnx

        export_onnx(verified(files.checkpoint), output)
    say(f"wrote {output}")
