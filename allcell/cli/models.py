"""`models`: which models there are, their size and their test results; those of this laboratory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from allcell.cli.base import app, explained, say
from allcell.models.registry import CLASSIFIERS, MODELS, PAPER_CLASSES, ModelSpec
from allcell.models.weights import ModelFiles, read_manifest
from allcell.own.own_model import OwnModel
from allcell.own.shelf import shelf
from allcell.own.words import in_short
from allcell.report.metrics_files import read_metrics
from allcell.settings import settings
from allcell.text.words import BOTH_APS, SCORE_TITLES

#: The APs of a detector, as shown first.
_APS = tuple(key for key in SCORE_TITLES if key.startswith("ap"))
_MODEL = typer.Argument(..., metavar="NAME", help="Name or id of an own-laboratory model.")

models_app = typer.Typer(
    invoke_without_command=True,
    help="List the models: weights, size, input and results on the 17 test fields, then those of "
    "this laboratory. With a command: show, pass on and delete a model of this laboratory.",
)
app.add_typer(models_app, name="models")

# `own_models` is imported when a command runs: only it needs what opens networks.


@models_app.callback()
@explained
def models(
    context: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
) -> None:
    """List the models."""
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


@models_app.command("list")
@explained
def list_all(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """List the models, as without a command."""
    _list(as_json=as_json)


@models_app.command()
@explained
def info(
    name: str = _MODEL,
    as_json: bool = typer.Option(False, "--json", help="The card as JSON."),
) -> None:
    """Show the card of a model of this laboratory: what it was made from, before and after."""
    from allcell.cli.kept import own_models

    own_models.info(name, as_json=as_json)


@models_app.command()
@explained
def export(
    name: str = _MODEL,
    target: Path = typer.Argument(..., help="The file to write, usually .zip."),
) -> None:
    """Write a model of this laboratory to one file, for another machine."""
    from allcell.cli.kept import own_models

    own_models.export(name, target)


@models_app.command("import")
@explained
def take_in(
    file: Path = typer.Argument(..., help="A file that `models export` or the app wrote."),
    name: str = typer.Option("", help="What to call it; as its card says if left out."),
) -> None:
    """Add an exported model. Its network is checked as a stranger's, and runs as one."""
    from allcell.cli.kept import own_models

    own_models.take_in(file, name)


@models_app.command()
@explained
def rename(
    name: str = _MODEL,
    new: str = typer.Argument(..., help="Its new name."),
) -> None:
    """Give a model of this laboratory another name; its id stays."""
    from allcell.cli.kept import own_models

    own_models.rename(name, new)


@models_app.command()
@explained
def give(
    name: str = _MODEL,
    person: str = typer.Argument("", help="As their login says."),
    everyone: bool = typer.Option(False, "--everyone", help="Everybody who logs in may use it."),
) -> None:
    """Let someone who logs in own a model of this laboratory, or everybody use it."""
    if bool(person) == everyone:
        raise typer.BadParameter("name a person, or give --everyone")
    from allcell.cli.kept import own_models

    own_models.give(name, person, everyone=everyone)


@models_app.command()
@explained
def delete(
    name: str = _MODEL,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Delete a model of this laboratory for good."""
    from allcell.cli.kept import own_models

    own_models.delete(name, yes=yes)


def _list(*, as_json: bool) -> None:
    manifest = read_manifest(settings().weights_dir)
    own = shelf().models()
    rows = [
        *(_detector(spec, manifest.get(spec.name)) for spec in MODELS),
        *(
            {
                "name": spec.name,
                "title": spec.title,
                "task": "classify",
                **_weights(manifest.get(spec.name)),
                "input": f"{spec.width_px}x{spec.height_px} px",
                "confidence": spec.threshold,
                "test": _classifies(spec.name),
            }
            for spec in CLASSIFIERS
        ),
        *(_of_laboratory(one) for one in own),
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        for row in rows[: len(rows) - len(own)]:
            typer.echo(_line(row))
        typer.echo(BOTH_APS)
        for one in own:
            typer.echo(
                f"{one.card.id}: {one.card.name}, {one.card.note}; taught from {one.card.parent}, "
                f"{one.size_bytes / 1e6:.1f} MB; {in_short(one.card)}"
            )
    for damaged in shelf().damaged():
        say(f"{damaged.id}: {damaged.problem}")


def _detector(spec: ModelSpec, files: ModelFiles | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "task": "detect",
        **_weights(files),
        "input": f"red cells at {spec.red_cell_px:g} px",
        "red_cell_px": spec.red_cell_px,
        "max_input_px": spec.max_input_px,
        "confidence": spec.confidence,
        "test": _detects(spec.name),
    }


def _of_laboratory(model: OwnModel) -> dict[str, Any]:
    said = _detector(model.spec, None)
    weights = {"sha256": model.card.sha256, "bytes": model.size_bytes}
    return {**said, **weights, "parent": model.card.parent, "imported": model.card.imported}


def _weights(files: ModelFiles | None) -> dict[str, Any]:
    return {
        "sha256": files.checkpoint.sha256 if files else None,
        "bytes": files.checkpoint.bytes if files else None,
        "parameters": files.parameters if files else None,
        "onnx_shipped": bool(files and files.onnx),
    }


def _detects(name: str) -> dict[str, float | None] | None:
    m = read_metrics(settings().weights_dir, name, "allidb1_test")
    if m is None:
        return None
    return {
        # JSON of earlier versions has no AP as shown.
        f"{class_name}_{key}": m["classes"][class_name].get(key)
        for class_name in PAPER_CLASSES
        for key in _APS
    }


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _classifies(name: str) -> dict[str, float] | None:
    m = read_metrics(settings().weights_dir, name, "allidb1_test")
    return m and {"accuracy": m["counts"]["accuracy"]["fraction"], "fields": m["images"]}


def _line(row: dict[str, Any]) -> str:
    test = row["test"]
    if test is None:
        measured = "not measured"
    elif row["task"] == "classify":
        measured = f"accuracy {test['accuracy']:.3f} on {test['fields']} fields"
    else:
        measured = "; ".join(
            f"{SCORE_TITLES[key]}: blast {_number(test[f'blast_{key}'])}, "
            f"healthy {_number(test[f'healthy_{key}'])}"
            for key in _APS
        )
    if row["sha256"] is None:
        return f"{row['name']:16} no weights here; {measured}"
    return (
        f"{row['name']:16} {row['parameters']:>11,} parameters, {row['bytes'] / 1e6:5.1f} MB, "
        f"sha256 {row['sha256'][:12]}, {row['input']}, threshold {row['confidence']:.2f}; "
        f"{measured}"
    )
