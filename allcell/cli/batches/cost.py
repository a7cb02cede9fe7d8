"""`batch-speed` and `batch-plan`: what was measured, and what a large run takes by that."""

from __future__ import annotations

import json

import typer

from allcell.cli.base import (
    RUNTIME_HELP,
    app,
    default_model,
    default_runtime,
    explained,
    runtime_named,
    say,
)
from allcell.environment.installation import weights_to_write
from allcell.errors import DataError
from allcell.settings import PROJECT_ROOT, settings


@app.command("batch-speed")
@explained
def batch_speed_command(
    fields: int = typer.Option(500, min=1, help="Photographs of 5 megapixels to do each way."),
    model: str = typer.Option(default_model, help="Name of the model."),
    runtime: str = typer.Option(default_runtime, help=RUNTIME_HELP),
    save: bool = typer.Option(False, help="Save the JSON in weights/metrics."),
) -> None:
    """Measure `batch`: one worker and all, with Ray and without, against a plain loop."""
    from allcell.batch.cost import measured_text
    from allcell.batch.measure import batch_speed
    from allcell.batch.on_ray import has_ray

    if save:
        weights_to_write()  # fails before minutes of measuring, not after
    measured = batch_speed(
        model, fields, runtime=runtime_named(runtime), with_ray=has_ray(), on_step=say
    )
    typer.echo(measured_text(measured))
    if save:
        path = weights_to_write() / "metrics" / f"{model}_batch.json"
        path.write_text(f"{json.dumps(measured, indent=1)}\n", encoding="utf-8")
        say(f"saved in {path.name}")


@app.command("batch-plan")
@explained
def batch_plan_command(
    fields: int = typer.Option(1_000_000, min=1, help="Photographs to plan for."),
    price: float | None = typer.Option(None, min=0, help="Price of a core and hour."),
    model: str = typer.Option(default_model, help="Name of the model."),
    write: bool = typer.Option(False, "--write", help="Rewrite docs/many-machines.md with it."),
) -> None:
    """Say what a large run takes, from what `batch-speed --save` measured."""
    from allcell.batch.cost import section, with_measured

    said = section(settings().weights_dir / "metrics", model, fields, price)
    typer.echo(said)
    if write:
        document = PROJECT_ROOT / "docs" / "many-machines.md"
        if not document.is_file():
            raise DataError(f"There is no {document.name} here.", "Run this in a checkout.")
        document.write_text(with_measured(document.read_text("utf-8"), said), encoding="utf-8")
        say(f"wrote {document.name}")
