"""`benchmark` and `cards`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import typer

from allcell.benchmark import FRAME_SIZE_PX, BenchmarkResult, benchmark, race
from allcell.cli.base import (
    DEVICE_HELP,
    RUNTIME_HELP,
    app,
    default_device,
    default_model,
    default_runtime,
    explained,
    runtime_named,
    say,
)
from allcell.detector import Detector
from allcell.engines.opening import require_torch, resolve_device
from allcell.environment.installation import weights_to_write
from allcell.errors import DataError
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.models.weights import read_manifest
from allcell.own.finding import find_model
from allcell.own.opening import open_model
from allcell.report.documents.cards import render_card
from allcell.report.documents.classifier_card import render_classifier_card
from allcell.report.documents.readme import fill
from allcell.runs.photographs import folder_speed, folder_text, profile, profile_table
from allcell.runs.runtime_speeds import ways
from allcell.runs.runtimes import compare
from allcell.runs.runtimes_text import comparison_json, table
from allcell.settings import PROJECT_ROOT
from allcell.stream.model_worker import ModelWorker
from allcell.stream.pipeline import benchmark_pipeline, pan
from allcell.synth import random_spec, render


def _keep(name: str, text: str) -> None:
    path = weights_to_write() / "metrics" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    say(f"saved in {path.name}")


@app.command()
@explained
def cards() -> None:
    """Rewrite the model cards and the README's results from the saved metrics."""
    readme = PROJECT_ROOT / "README.md"
    if not readme.is_file():
        raise DataError(
            "The README that holds the results is part of the project, not of the installed "
            "package.",
            "Run this in a checkout of the project.",
        )
    weights_dir = weights_to_write()
    manifest = read_manifest(weights_dir)
    texts = {
        spec.name: render_card(spec, manifest[spec.name], weights_dir)
        for spec in MODELS
        if spec.name in manifest
    } | {
        spec.name: render_classifier_card(spec, manifest[spec.name], weights_dir)
        for spec in CLASSIFIERS
        if spec.name in manifest
    }
    (weights_dir / "cards").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (weights_dir / "cards" / f"{name}.md").write_text(text, encoding="utf-8")
        say(f"wrote {name}.md")
    readme.write_text(fill(readme.read_text(encoding="utf-8"), weights_dir), encoding="utf-8")
    say(f"wrote {readme.name}")


@app.command("benchmark")
@explained
def benchmark_command(
    model: str = typer.Option(default_model, help="Name of the model."),
    imgsz: int | None = typer.Option(
        None, min=64, max=4096, help="Long side of the network's input; the live size by default."
    ),
    frames: int = typer.Option(200, min=1, help="Frames to measure."),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
    runtime: str = typer.Option(default_runtime, help=RUNTIME_HELP),
    all_runtimes: bool = typer.Option(
        False, help="Measure every runtime and precision of this machine side by side."
    ),
    full_precision: bool = typer.Option(
        False, help="The fastest that sees what the 32-bit graph sees, not the fastest of all."
    ),
    against_paper: bool = typer.Option(
        False, help="Race it against ultralytics with the paper's YOLOv5s at 1024 px (torch, CPU)."
    ),
    pipeline: bool = typer.Option(
        False, help="Also measure live video, source frame to drawn frame, without a browser."
    ),
    photograph: bool = typer.Option(
        False, help="Measure each stage of a JPEG of 12 megapixels instead, from file to drawing."
    ),
    folder: int | None = typer.Option(
        None, min=20, help="Measure so many photographs of 5 megapixels in a folder instead."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    save: bool = typer.Option(False, help="Save the JSON in weights/metrics."),
) -> None:
    """Measure the speed of a model on a synthetic 1280x720 frame."""
    if save:
        weights_to_write()  # fails before minutes of measuring, not after
    if all_runtimes:
        _compare(model, frames, as_json, save)
        return
    if photograph or folder:
        # Photographs are stills: never in 8 bits.
        detector = open_model(model, device=device, runtime=runtime_named(runtime))
        _photographs(detector, folder or 0, as_json, save)
        return
    device = "cpu" if against_paper else resolve_device(device)
    detector = open_model(
        model,
        device=device,
        runtime=runtime_named(runtime),
        precision="auto" if full_precision else "live",
    )
    has_int8 = find_model(model).files().onnx_int8 is not None
    small = device == "cpu" and has_int8 and not full_precision
    width, height = FRAME_SIZE_PX
    long_side = imgsz or detector.spec.default_long_side_px
    red_cell_px = detector.spec.red_cell_px * width / long_side
    frame = render(random_spec(7, width, height, red_cell_px)).image
    result = benchmark(detector, frame, red_cell_px=red_cell_px, frames=frames)
    report: dict[str, object] = {**asdict(result), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    if against_paper:
        require_torch("The comparison with the paper's YOLOv5s")
        from allcell.engines.torch_engine import paper_baseline

        predict, reference = paper_baseline()
        raced = race(
            lambda: detector.detect(
                frame, red_cell_px=red_cell_px, confidence=detector.spec.confidence
            ),
            lambda: predict(frame),
        )
        report["against_paper"] = {**asdict(raced), "reference": reference}
    if pipeline:
        streamed = benchmark_pipeline(ModelWorker(detector), pan(width, height), frames=frames)
        report["pipeline"] = asdict(streamed)
    if save:
        _keep(
            f"{detector.spec.name}_speed_{'int8' if small else 'full'}",
            json.dumps(report, indent=1),
        )
    typer.echo(json.dumps(report, indent=1) if as_json else _speeds(result))
    if against_paper and not as_json:
        typer.echo(
            f"{reference['network']} ({reference['parameters'] / 1e6:.1f} million parameters) at "
            f"{reference['long_side_px']} px, {reference['precision']}, {reference['runtime']}: "
            f"{raced.theirs.median:.0f} ms; {model} ({result.runtime}) at "
            f"{result.input_px[0]}x{result.input_px[1]} px in the same run "
            f"{raced.ours.median:.1f} ms: {raced.times_faster:.0f} times faster"
        )
    if pipeline and not as_json:
        typer.echo(streamed.summary())


def _compare(model: str, frames: int, as_json: bool, save: bool) -> None:
    """Measure every runtime of this machine side by side."""
    said = ""

    def on_step(share: float, words: str) -> None:
        nonlocal said
        if words != said:
            said = words
            say(f"{share:4.0%} {words}")

    compared = compare(model, ways(model), frames=frames, on_step=on_step)
    if save:
        _keep(f"{model}_runtimes", comparison_json(compared))
    typer.echo(comparison_json(compared) if as_json else table(compared))


def _photographs(detector: Detector, images: int, as_json: bool, save: bool) -> None:
    """Measure photographs: a folder of so many, or each stage of one if there are none."""
    if images:
        folder = folder_speed(detector, images=images)
        name, values, text = "folder", asdict(folder), folder_text(folder)
    else:
        profiled = profile(detector)
        name, values, text = "photograph", asdict(profiled), profile_table(profiled)
    kept = json.dumps({**values, "date": f"{datetime.now(UTC):%Y-%m-%d}"}, indent=1)
    if save:
        _keep(f"{detector.spec.name}_{name}", kept)
    typer.echo(kept if as_json else text)


def _speeds(result: BenchmarkResult) -> str:
    rows = [
        f"{result.model}: {result.runtime}; {result.machine}",
        f"frame {result.frame_px[0]}x{result.frame_px[1]}, input "
        f"{result.input_px[0]}x{result.input_px[1]}, {result.frames} frames",
    ]
    for name in ("preprocess", "inference", "postprocess", "total", "bare_engine"):
        stage = getattr(result, name)
        rows.append(f"  {name:12} median {stage.median:7.2f} ms   p95 {stage.p95:7.2f} ms")
    rows.append(
        f"  {result.fps:.1f} frames a second; frame to boxes takes {result.over_engine:.2f} times "
        f"the bare engine; {result.resident_mb:.0f} MB resident"
    )
    return "\n".join(rows)
