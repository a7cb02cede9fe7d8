"""`detect`: files and folders in, cells (or the class of a whole field) out."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import typer

from allcell.analysis import analyse
from allcell.classifier import FieldClassifier
from allcell.cli.base import app, explained, say
from allcell.cli.user_model import CLASS_HELP, ONNX_HELP, open_user_model, refuse_with_onnx
from allcell.detector import Detector
from allcell.errors import AllcellError
from allcell.imaging import images
from allcell.imaging.draw import draw
from allcell.imaging.scale import Scale, resolve_scale
from allcell.models.registry import CLASSIFIERS
from allcell.result import Result, boxes_csv
from allcell.settings import RESEARCH_USE, settings
from allcell.text.names import file_stems, unique_names


@app.command()
@explained
def detect(
    context: typer.Context,
    paths: list[Path] = typer.Argument(..., metavar="PATH...", help="Images or folders of them."),
    model: str = typer.Option(settings().default_model, help="Name of the model."),
    conf: float | None = typer.Option(
        None, min=0, max=1, help="Lowest confidence; the model's operating threshold by default."
    ),
    red_cell_px: float | None = typer.Option(
        None, min=1, help="Red-cell diameter in pixels; measured by default."
    ),
    device: str = typer.Option(settings().device, help="auto, cpu or cuda."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object per line."),
    as_csv: bool = typer.Option(False, "--csv", help="One row per cell."),
    annotated: Path | None = typer.Option(None, help="Write annotated PNGs into this folder."),
    onnx: Path | None = typer.Option(None, help=ONNX_HELP),
    classes: list[str] = typer.Option([], "--class", help=CLASS_HELP),
) -> None:
    """Box the white cells of images."""
    if classes and onnx is None:
        raise typer.BadParameter("--class names the classes of an --onnx file: give --onnx too")
    if onnx is not None:
        refuse_with_onnx(context, model="the file is the model", device="the file runs on the CPU")
    if as_json and as_csv:
        raise typer.BadParameter("choose --json or --csv, not both")
    missing = [path for path in paths if not path.exists()]
    for path in missing:
        say(f"failed: {path}: there is no such file or folder")
    files = images.collect_paths(path for path in paths if path.exists())
    if not files:
        say("error: no image was found at the given paths.")
        raise typer.Exit(1)
    if onnx is None and model in (spec.name for spec in CLASSIFIERS):
        if annotated or red_cell_px or conf is not None:
            raise typer.BadParameter(
                f"{model} classifies whole fields and finds no cells: "
                "leave out --annotated, --red-cell-px and --conf"
            )
        _classify(FieldClassifier.open(model, device=device), files, len(missing), as_json, as_csv)
        return
    if onnx is None:
        detector = Detector.open(model, device=device)
    else:
        detector, _ = open_user_model(onnx, classes)
    if annotated:
        annotated.mkdir(parents=True, exist_ok=True)
    stems = file_stems(unique_names(path.name for path in files))
    say(RESEARCH_USE)
    results: list[Result] = []
    failed = len(missing)
    for path, stem in zip(files, stems, strict=True):
        try:
            image = images.decode(path)
            scale = resolve_scale(image, red_cell_px)
            analysis = analyse(detector, image, str(path), scale=scale, confidence=conf)
        except AllcellError as error:
            failed += 1
            say(f"failed: {path}: {error}")
            continue
        result = analysis.result(confidence=conf)
        for caution in result.limit_warnings:
            say(f"warning: {path}: {caution}")
        if annotated:
            picture = draw(image, result.detections, result.classes)
            (annotated / f"{stem}-annotated.png").write_bytes(images.encode_png(picture))
        if as_json:
            typer.echo(result.to_json())
        elif as_csv:
            results.append(result)
        else:
            typer.echo(_sentence(result, analysis.scale))
    if as_csv:
        typer.echo(boxes_csv(results), nl=False)
    _finish(failed, len(files) + len(missing))


def _finish(failed: int, inputs: int) -> None:
    if failed:
        say(f"{failed} of {inputs} inputs failed; the others are done.")
        raise typer.Exit(1)


def _classify(
    classifier: FieldClassifier, files: list[Path], missing: int, as_json: bool, as_csv: bool
) -> None:
    """The class of each whole field."""
    say(RESEARCH_USE)
    failed = missing
    rows = csv.writer(sys.stdout, lineterminator="\n")
    if as_csv:
        rows.writerow(("image", "suggested_field_class", "probability", "model", RESEARCH_USE))
    for path in files:
        try:
            field, timing = classifier.classify(images.decode(path))
        except AllcellError as error:
            failed += 1
            say(f"failed: {path}: {error}")
            continue
        model = classifier.spec.name
        if as_csv:
            rows.writerow((path, field.suggested, f"{field.probability:.4f}", model, ""))
        elif as_json:
            row = {
                "image": str(path),
                "model": model,
                "suggested_field_class": field.suggested,
                "probability": round(field.probability, 4),
                "total_ms": round(timing.total_ms, 1),
                "notice": RESEARCH_USE,
            }
            typer.echo(json.dumps(row))
        else:
            typer.echo(
                f"{path}: suggested class of the whole field: {field.suggested} (probability of "
                f"cancerous {field.probability:.2f}, not calibrated); {timing.total_ms:.0f} ms"
            )
    _finish(failed, len(files) + missing)


def _sentence(result: Result, scale: Scale) -> str:
    best = result.highest_blast_confidence
    surest = f" (surest {best:.2f})" if best else ""
    cells = ", ".join(
        f"{count} suggested {cell.plural}{surest}"
        if cell.role == "blast"
        else f"{count} {cell.plural}"
        for cell, count in result.counts.listed()
    )
    weak = scale.origin == "measured" and scale.estimate and not scale.estimate.reliable
    origin = "weakly measured" if weak else scale.origin
    size = f"{result.red_cell_px:.0f} px, {origin}" if result.red_cell_px else "not measurable"
    return f"{result.name}: {cells}; red cells {size}; {result.timing.total_ms:.0f} ms"
