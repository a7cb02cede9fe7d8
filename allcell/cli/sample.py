"""`sample`: rendered smears as files, for users who have no picture at hand."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import app, explained, say
from allcell.data.synthetic import LABELLED, UPLOAD, write_laboratory
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.synth.field import render
from allcell.synth.samples import EXAMPLE, SEPIA, TAUGHT, TESTED, samples

_SPECS = {"example": EXAMPLE, **{sample.name: sample.spec for sample in samples()}}
_LABORATORIES = {SEPIA.name: SEPIA}


@app.command("sample")
@explained
def write_sample(
    target: Path = typer.Argument(..., help="PNG file to write; with --laboratory, a folder."),
    name: str = typer.Option("example", help=f"Which one: {', '.join(_SPECS)}."),
    laboratory: str = typer.Option(
        "",
        help="Instead, the fields of a laboratory that no model knows, to try `teach` with: "
        f"{', '.join(_LABORATORIES)}.",
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite existing files."),
) -> None:
    """Render a synthetic smear: a small one for a first try, or one of the Detect page's."""
    if laboratory:
        _write_laboratory(target, laboratory, force=force)
        return
    if name not in _SPECS:
        raise DataError(f"There is no sample {name!r}.", f"Choose one of: {', '.join(_SPECS)}.")
    if target.exists() and not force:
        raise DataError(f"{target} already exists.", "Choose another name, or add --force.")
    spec = _SPECS[name]
    target.write_bytes(encode_png(render(spec).image))
    cells = ", ".join(f"{n} {kind.value}s" for kind, n in spec.counts().items() if n)
    say(f"{target}: {spec.width_px}x{spec.height_px} px, synthetic: {cells}.")


def _write_laboratory(target: Path, name: str, *, force: bool) -> None:
    if name not in _LABORATORIES:
        raise DataError(
            f"There is no laboratory {name!r}.", f"Choose one of: {', '.join(_LABORATORIES)}."
        )
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not force)):
        raise DataError(
            f"{target} already exists.", "Name a new or an empty folder, or add --force."
        )
    write_laboratory(target, _LABORATORIES[name])
    say(f"{target / UPLOAD}: {TAUGHT} fields to review, synthetic, without labels.")
    say(f"{target / LABELLED}: the same with their labels (train), and {TESTED} others (test).")
