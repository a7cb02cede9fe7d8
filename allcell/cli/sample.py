"""`sample`: a rendered smear as a file, for users who have no picture at hand."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import app, explained, say
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.synth.field import render
from allcell.synth.samples import EXAMPLE, samples

_SPECS = {"example": EXAMPLE, **{sample.name: sample.spec for sample in samples()}}


@app.command("sample")
@explained
def write_sample(
    target: Path = typer.Argument(..., help="PNG file to write."),
    name: str = typer.Option("example", help=f"Which one: {', '.join(_SPECS)}."),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
) -> None:
    """Render a synthetic smear: a small one for a first try, or one of the Detect page's."""
    if name not in _SPECS:
        raise DataError(f"There is no sample {name!r}.", f"Choose one of: {', '.join(_SPECS)}.")
    if target.exists() and not force:
        raise DataError(f"{target} already exists.", "Choose another name, or add --force.")
    spec = _SPECS[name]
    target.write_bytes(encode_png(render(spec).image))
    cells = ", ".join(f"{n} {kind.value}s" for kind, n in spec.counts().items() if n)
    say(f"{target}: {spec.width_px}x{spec.height_px} px, synthetic: {cells}.")
