"""`batch`: folders, lists and slides through many processes or machines, into Parquet."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import typer

from allcell.cli.base import (
    DEVICE_HELP,
    RUNTIME_HELP,
    STOPPED,
    app,
    default_device,
    default_model,
    default_runtime,
    explained,
    given_diameter,
    runtime_named,
    say,
)
from allcell.errors import ModelError
from allcell.models.registry import CLASSIFIERS
from allcell.settings import RESEARCH_USE

if TYPE_CHECKING:
    from allcell.batch.run import BatchProgress

#: Seconds between two lines of progress where they are not written over one another.
_LINE_S = 10.0


@app.command()
@explained
def batch(
    source: str = typer.Argument(
        ..., help="Folder, list of paths (.txt) or picture; local, or s3://, gs://, abfs://."
    ),
    out: str = typer.Option(..., "--out", help="Folder for the results; local or as SOURCE."),
    ray: str | None = typer.Option(
        None, "--ray", help="Address of a Ray cluster; auto within one, local: this machine alone."
    ),
    processes: bool = typer.Option(
        False, "--processes", help="Python's own processes, even where Ray is installed."
    ),
    workers: int = typer.Option(
        0, min=0, help="Workers, a model each; by default as many as there is room for."
    ),
    threads: int = typer.Option(1, min=1, help="Threads of a worker."),
    gpus: float = typer.Option(0, min=0, help="GPUs of a worker (Ray); with --device cuda 1."),
    part_size: int = typer.Option(
        32, min=1, help="Inputs done together: what is lost when a worker is lost."
    ),
    model: str = typer.Option(default_model, help="Name of the model."),
    conf: float | None = typer.Option(
        None, min=0, max=1, help="Lowest confidence; the model's operating threshold by default."
    ),
    red_cell_px: float | None = typer.Option(
        None, callback=given_diameter, help="Red-cell diameter in pixels; measured by default."
    ),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
    runtime: str = typer.Option(default_runtime, help=RUNTIME_HELP),
    insist: bool = typer.Option(
        False, "--insist", help="Give numbers also for pictures that are not to be trusted."
    ),
    again: bool = typer.Option(
        False, "--again", help="Do parts anew in which a picture failed, such as one not found."
    ),
) -> None:
    """Box the white cells of many pictures, on one machine or many; goes on where it was."""
    if model in (spec.name for spec in CLASSIFIERS):
        raise ModelError(f"{model} classifies whole fields.", "Name a model that finds cells.")
    if ray is not None and processes:
        raise typer.BadParameter("choose --ray or --processes, not both")
    from allcell.batch.answers import WorkerSetup
    from allcell.batch.inputs import inputs_at
    from allcell.batch.job import BatchJob
    from allcell.batch.on_ray import LOCAL
    from allcell.batch.run import engine_here, run_batch

    job = BatchJob.of(model, confidence=conf, red_cell_px=red_cell_px, insist=insist)
    found = inputs_at(source)
    say(RESEARCH_USE)
    for sentence in found.said:
        say(sentence)
    setup = WorkerSetup(job, out, device, runtime_named(runtime), threads)
    shown = _Shown()
    try:
        progress = run_batch(
            setup,
            found.inputs,
            workers=workers or (0 if ray not in (None, LOCAL) else _room_here(threads)),
            engine="processes" if processes else engine_here(ray),
            address=ray,
            cards=gpus or float(device == "cuda"),
            again=again,
            part_size=part_size,
            on_progress=shown,
        )
    except KeyboardInterrupt as error:
        say("stopped: what is done is kept; the same command goes on from there.")
        raise typer.Exit(STOPPED) from error
    finally:
        shown.end()
    typer.echo(_summary(progress, out))
    if failed := progress.failed + progress.failed_before:
        say(f"{failed:,} inputs failed: see failures/. The others are done.")
        raise typer.Exit(1)


def _room_here(threads: int) -> int:
    from allcell.ahead import cores_here

    return max(1, cores_here() // threads)


class _Shown:
    """Progress on stderr: one line that changes in a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._changes = sys.stderr.isatty()
        self._said_at = -math.inf

    def __call__(self, progress: BatchProgress) -> None:
        if self._changes:
            typer.echo(f"\r\033[K{_line(progress)}", nl=False, err=True)
        elif progress.seconds - self._said_at >= _LINE_S or progress.is_done:
            self._said_at = progress.seconds
            say(_line(progress))

    def end(self) -> None:
        if self._changes:
            say("")


def _line(progress: BatchProgress) -> str:
    parts = progress.parts_before + progress.parts_done
    inputs = progress.inputs_before + progress.inputs_done
    said = f"{parts:,} of {progress.parts:,} parts, {inputs:,} of {progress.inputs:,} inputs"
    if failed := progress.failed + progress.failed_before:
        said += f", {failed:,} failed"
    if progress.seconds_left is not None:
        said += f"; {progress.per_second:.1f} a second, {_duration(progress.seconds_left)} left"
    return said


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _summary(progress: BatchProgress, out: str) -> str:
    said = (
        f"{out}: {progress.images:,} pictures with {progress.cells:,} cells, numbers withheld for "
        f"{progress.withheld:,}"
    )
    if progress.parts_before:
        said += f"; {progress.inputs_before:,} inputs were done before"
    return f"{said}."
