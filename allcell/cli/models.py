"""`models`: which models there are, their size and their test results."""

from __future__ import annotations

import json
from typing import Any

import typer

from allcell.cli.base import app, explained
from allcell.models.registry import CLASSIFIERS, MODELS, PAPER_CLASSES
from allcell.models.weights import ModelFiles, read_manifest
from allcell.report.metrics_files import read_metrics
from allcell.settings import settings
from allcell.text.words import BOTH_APS, SCORE_TITLES

#: The APs of a detector, as shown first.
_APS = tuple(key for key in SCORE_TITLES if key.startswith("ap"))


@app.command()
@explained
def models(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """List the models: weights, size, input and results on the 17 test fields."""
    manifest = read_manifest(settings().weights_dir)
    rows = [
        {
            "name": spec.name,
            "title": spec.title,
            "task": "detect",
            **_weights(manifest.get(spec.name)),
            "input": f"red cells at {spec.red_cell_px:g} px",
            "red_cell_px": spec.red_cell_px,
            "max_input_px": spec.max_input_px,
            "confidence": spec.confidence,
            "test": _detects(spec.name),
        }
        for spec in MODELS
    ] + [
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
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(_line(row))
    typer.echo(BOTH_APS)


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
