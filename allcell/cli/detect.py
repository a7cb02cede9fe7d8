"""`detect`: files and folders in, cells (or the class of a whole field) out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import typer

from allcell.ahead import in_order, worker_count
from allcell.analysis import Analysis, analyse_many, file_cautions, judged, picture_cautions
from allcell.analysis.finding import AHEAD_PX, Seen
from allcell.cautions import WITHHELD, Cautioned
from allcell.classifier import FieldClass, FieldClassifier
from allcell.cli.annotated import AnnotatedFolder
from allcell.cli.base import (
    DEVICE_HELP,
    RUNTIME_HELP,
    app,
    default_device,
    default_model,
    default_runtime,
    explained,
    given_diameter,
    in_words,
    runtime_named,
    say,
)
from allcell.cli.batch import Batch, CsvRows, Place, warn
from allcell.cli.user_model import CLASS_HELP, ONNX_HELP, open_user_model, refuse_with_onnx
from allcell.environment.provenance import PROVENANCE_COLUMNS, Provenance
from allcell.imaging import images
from allcell.imaging.scale import Scale, resolve_scale
from allcell.models.registry import CLASSIFIERS
from allcell.own.opening import open_model
from allcell.result import BOX_COLUMNS, Result, box_rows
from allcell.settings import RESEARCH_USE
from allcell.text.names import spreadsheet_text, telling_names

#: Columns of the table of a model that classifies whole fields.
FIELD_COLUMNS = (
    *("image", "suggested_field_class", "probability", "model", "reservation"),
    *PROVENANCE_COLUMNS,
)


@app.command()
@explained
def detect(
    context: typer.Context,
    paths: list[Path] = typer.Argument(..., metavar="PATH...", help="Images or folders of them."),
    model: str = typer.Option(default_model, help="Name of the model."),
    conf: float | None = typer.Option(
        None, min=0, max=1, help="Lowest confidence; the model's operating threshold by default."
    ),
    red_cell_px: float | None = typer.Option(
        None, callback=given_diameter, help="Red-cell diameter in pixels; measured by default."
    ),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
    runtime: str = typer.Option(default_runtime, help=RUNTIME_HELP),
    as_json: bool = typer.Option(False, "--json", help="One JSON object per line."),
    as_csv: bool = typer.Option(
        False,
        "--csv",
        help="One row per cell, one that says 0 for an image without; rows come as they are done.",
    ),
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
        refuse_with_onnx(
            context,
            model="the file is the model",
            device="the file runs on the CPU",
            runtime="the file runs in ONNX Runtime",
        )
    if as_json and as_csv:
        raise typer.BadParameter("choose --json or --csv, not both")
    batch = Batch.at(paths)
    files = batch.found.files
    names = telling_names(str(path.absolute()) for path in files)
    if onnx is None and model in (spec.name for spec in CLASSIFIERS):
        if annotated or red_cell_px or conf is not None:
            raise typer.BadParameter(
                f"{model} classifies whole fields and finds no cells: "
                "leave out --annotated, --red-cell-px and --conf"
            )
        classifier = FieldClassifier.open(model, device=device)
        _classify(classifier, batch, names, as_json, as_csv, insist)
        return
    if onnx is None:
        detector = open_model(model, device=device, runtime=runtime_named(runtime))
    else:
        detector, _ = open_user_model(onnx, classes)
    pictures = AnnotatedFolder(annotated, names) if annotated else None
    say(RESEARCH_USE)
    table = CsvRows(BOX_COLUMNS) if as_csv else None

    def see(item: Place) -> Seen:
        image = images.decode(item[1])
        scale = resolve_scale(image, red_cell_px)
        return judged(detector.spec, image, scale=scale, about=file_cautions(item[1]))

    def show(place: int, path: Path, answer: tuple[Seen, Analysis]) -> Result:
        seen, analysis = answer
        result = analysis.result(confidence=conf, insisted=insist)
        warn(path, result)
        if as_json:
            typer.echo(result.to_json())
        elif table:
            table.write(box_rows(result, names[place]))
        else:
            typer.echo(_sentence(result, analysis.scale))
        if pictures:
            try:
                pictures.write(place, path, result, seen.image)
            except OSError as error:
                batch.fail(path, f"its annotated picture cannot be written: {in_words(error)}")
        return result

    before = detector.engine.description
    answers = analyse_many(
        detector,
        batch.places,
        see,
        lambda item: str(item[1]),
        confidence=conf,
        pixels=lambda item: images.pixel_count(item[1]),
    )
    try:
        batch.run(answers, show)
    finally:
        # Such as that a card's memory was too small for a whole batch.
        if (now := detector.engine.description) != before:
            say(f"note: {now}")


def _classify(
    classifier: FieldClassifier,
    batch: Batch,
    names: list[str],
    as_json: bool,
    as_csv: bool,
    insist: bool,
) -> None:
    """The class of each whole field."""
    say(RESEARCH_USE)
    table = CsvRows(FIELD_COLUMNS) if as_csv else None

    def see(item: Place) -> Seen:
        image = images.decode(item[1])
        scale = resolve_scale(image)
        about = (*picture_cautions(image, scale, whole_field=True), *file_cautions(item[1]))
        return Seen(image, scale, about=about)

    def show(place: int, path: Path, seen: Seen) -> FieldClass:
        field, timing = classifier.classify(seen.image)
        field = replace(field, warnings=seen.about, insisted=insist)
        warn(path, field)
        model = classifier.spec.name
        made = Provenance(classifier.spec.threshold, None, classifier.weights_sha256)
        suggested, probability = field.answer or (WITHHELD, None)
        if table:
            number = "" if probability is None else f"{probability:.4f}"
            said = (names[place], suggested, number, model, field.reservation)
            table.write([[*map(spreadsheet_text, said), *made.values]])
        elif as_json:
            row = {
                "image": str(path),
                "model": model,
                "suggested_field_class": suggested,
                "probability": None if probability is None else round(probability, 4),
                "total_ms": round(timing.total_ms, 1),
                "provenance": made.record,
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
        return field

    ahead = in_order(
        batch.places,
        see,
        workers=min(worker_count(), len(batch.places)),
        cost=lambda item: images.pixel_count(item[1]),
        most=AHEAD_PX,
    )
    batch.run(ahead, show)


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
