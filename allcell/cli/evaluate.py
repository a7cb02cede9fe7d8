"""`evaluate`: score one model on any labelled set, or all models on the published ones."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import app, explained, say
from allcell.data.dataset import read_yolo
from allcell.evaluation.evaluate import score
from allcell.evaluation.publish import answer, publish, write
from allcell.evaluation.results import EvaluationResult
from allcell.settings import settings


@app.command("evaluate")
@explained
def evaluate_command(
    data: Path = typer.Option(
        ..., help="A YOLO dataset folder (see `data --help`); with --all, the folder of them."
    ),
    model: str = typer.Option(settings().default_model, help="Name of the model."),
    every: bool = typer.Option(
        False, "--all", help="All models on all published sets; rewrites weights/metrics."
    ),
    split: str = typer.Option("test", help="Which part of it."),
    conf: float | None = typer.Option(
        None, min=0, max=1, help="Operating threshold; the model's own by default."
    ),
    device: str = typer.Option(settings().device, help="auto, cpu or cuda."),
    int8: bool = typer.Option(False, help="The 8-bit graph for live video."),
    checkpoint: Path | None = typer.Option(
        None, help="A .pt of your own training instead of the shipped weights. Never a stranger's."
    ),
    as_json: bool = typer.Option(False, "--json", help="Everything, as JSON."),
    predictions: Path | None = typer.Option(None, help="Keep all boxes in this JSON file."),
    save_as: str | None = typer.Option(
        None, help="Keep the result as weights/metrics/NAME_<data>_<split>.json."
    ),
) -> None:
    """Score a model on a labelled dataset."""
    if every:
        publish(data, settings().weights_dir, say)
        return

    def progress(done: int, of: int) -> None:
        if done % 20 == 0 or done == of:
            say(f"{done} of {of} images")

    answers = answer(
        model,
        read_yolo(data, split),
        data.resolve().name,
        split,
        precision="int8" if int8 else "full",
        device="cpu" if int8 else device,
        confidence=conf,
        checkpoint=checkpoint,
        on_image=progress,
    )
    if predictions:
        predictions.write_text(answers.to_json() + "\n", encoding="utf-8")
        say(f"wrote {predictions}")
    result = score(answers)
    if save_as:
        name = f"{save_as}_{result.data}_{result.split}.json"
        write(settings().weights_dir / "metrics" / name, result.to_json())
        say(f"kept in {name}")
    typer.echo(result.to_json() if as_json else _table(result))


def _table(result: EvaluationResult) -> str:
    lines = [
        f"{result.model} on {result.data}/{result.split}: {result.images} images, {result.device}",
        f"{'class':8} {'cells':>5} {'P':>6} {'R':>6} {'mAP.5':>6} {'.5:.95':>6} "
        f"{'tp':>4} {'fp':>4} {'fn':>4}",
    ]

    def number(value: float | None) -> str:
        return "   n/a" if value is None else f"{value:6.3f}"

    for name, c in result.classes.items():
        at = c.at_operating_point
        lines.append(
            f"{name:8} {c.cells:5d} {number(c.precision)} {number(c.recall)} {number(c.ap50)} "
            f"{number(c.ap50_95)} {at.tp:4d} {at.fp:4d} {at.fn:4d}"
        )
    found = result.white_cells
    lines.append(
        f"at confidence {result.settings['operating_confidence']}: white cells found "
        f"{number(found.recall).strip()}, false blasts a field {result.false_blasts_per_field:.3f}"
    )
    if (near := result.centroids) is not None:
        lines.append(
            f"expert blast centroids: recall {number(near.recall).strip()}, "
            f"precision {number(near.precision).strip()} (tp {near.tp}, fp {near.fp}, fn {near.fn})"
        )
    return "\n".join(lines)
