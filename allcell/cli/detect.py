"""`detect`: files and folders in, cells (or the class of a whole field) out."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import typer

from allcell.analysis import analyse, picture_cautions
from allcell.cautions import WITHHELD, Cautioned
from allcell.classifier import FieldClassifier
from allcell.cli.base import app, explained, say
from allcell.cli.user_model import CLASS_HELP, ONNX_HELP, open_user_model, refuse_with_onnx
from allcell.detector import Detector
from allcell.errors import AllcellError
from allcell.imaging import images
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
    insist: bool = typer.Option(
        False,
        "--insist",
        help="Give numbers also for pictures that are not to be trusted, marked as such.",
    ),
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
        classifier = FieldClassifier.open(model, device=device)
        _classify(classifier, files, len(missing), as_json, as_csv, insist)
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
    failed, withheld = len(missing), 0
    for path, stem in zip(files, stems, strict=True):
        try:
            image = images.decode(path)
            scale = resolve_scale(image, red_cell_px)
            analysis = analyse(detector, image, str(path), scale=scale, confidence=conf)
        except AllcellError as error:
            failed += 1
            say(f"failed: {path}: {error}")
            continue
        result = analysis.result(confidence=conf, insisted=insist)
        withheld += result.withheld
        _warn(path, result)
        if annotated:
            picture = result.draw(image)
            (annotated / f"{stem}-annotated.png").write_bytes(images.encode_png(picture))
        if as_json:
            typer.echo(result.to_json())
        elif as_csv:
            results.append(result)
        else:
            typer.echo(_sentence(result, analysis.scale))
    if as_csv:
        typer.echo(boxes_csv(results), nl=False)
    _finish(failed, withheld, len(files) + len(missing))


def _warn(path: Path, answer: Cautioned) -> None:
    for caution in answer.cautions:
        say(f"warning: {path}: {caution}")


def _finish(failed: int, withheld: int, inputs: int) -> None:
    if withheld:
        say(
            f"{withheld} of {inputs} inputs: numbers withheld, not to be trusted. "
            "To see them all the same, add --insist."
        )
    if failed:
        say(f"{failed} of {inputs} inputs failed; the others are done.")
        raise typer.Exit(1)


def _classify(
    classifier: FieldClassifier,
    files: list[Path],
    missing: int,
    as_json: bool,
    as_csv: bool,
    insist: bool,
) -> None:
    """The class of each whole field."""
    say(RESEARCH_USE)
    failed, withheld = missing, 0
    rows = csv.writer(sys.stdout, lineterminator="\n")
    if as_csv:
        columns = ("image", "suggested_field_class", "probability", "model", "reservation")
        rows.writerow((*columns, RESEARCH_USE))
    for path in files:
        try:
            image = images.decode(path)
            field, timing = classifier.classify(image)
            about = picture_cautions(image, resolve_scale(image), whole_field=True)
        except AllcellError as error:
            failed += 1
            say(f"failed: {path}: {error}")
            continue
        field = replace(field, warnings=about, insisted=insist)
        withheld += field.withheld
        _warn(path, field)
        model = classifier.spec.name
        suggested, probability = field.answer or (WITHHELD, None)
        if as_csv:
            number = "" if probability is None else f"{probability:.4f}"
            rows.writerow((path, suggested, number, model, field.reservation, ""))
        elif as_json:
            row = {
                "image": str(path),
                "model": model,
                "suggested_field_class": suggested,
                "probability": None if probability is None else round(probability, 4),
                "total_ms": round(timing.total_ms, 1),
                "notice": RESEARCH_USE,
                "warnings": [str(caution) for caution in field.warnings],
                "withheld": field.withheld,
                "reservation": field.reservation,
            }
            typer.echo(json.dumps(row))
        elif probability is None:
            typer.echo(f"{path}: {field.reservation}")
        else:
            typer.echo(
                f"{path}: suggested class of the whole field: {suggested} (probability of "
                f"cancerous {probability:.2f}, not calibrated); {timing.total_ms:.0f} ms"
                f"{_reserved(field)}"
            )
    _finish(failed, withheld, len(files) + missing)


def _sentence(result: Result, scale: Scale) -> str:
    weak = scale.origin == "measured" and scale.estimate and not scale.estimate.reliable
    origin = "weakly measured" if weak else scale.origin
    size = f"{result.red_cell_px:.0f} px, {origin}" if result.red_cell_px else "not measurable"
    facts = f"red cells {size}; {result.timing.total_ms:.0f} ms"
    if result.withheld:
        return f"{result.name}: {result.reservation} {facts.capitalize()}"
    best = result.highest_blast_confidence
    surest = f" (surest {best:.2f})" if best else ""
    cells = ", ".join(
        f"{count} suggested {cell.plural}{surest}"
        if cell.role == "blast"
        else f"{count} {cell.plural}"
        for cell, count in result.counts.listed()
    )
    return f"{result.name}: {cells}; {facts}{_reserved(result)}"


def _reserved(answer: Cautioned) -> str:
    return f". {answer.reservation}" if answer.reservation else ""
