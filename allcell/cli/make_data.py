"""`data`: import and check datasets."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import data_app, explained, say
from allcell.data.open_smears import import_open_smears


@data_app.command("import-open")
@explained
def import_open(
    name: str = typer.Argument(..., help="bccd or pbc."),
    source: Path = typer.Argument(..., help="Folder with images/ and labels/ (YOLO text)."),
    destination: Path = typer.Argument(..., help="Folder to write."),
) -> None:
    """Bring an open data set of healthy smears to our classes, a fixed part held out."""
    done = import_open_smears(name, source, destination)
    say(f"{done.train} training and {done.held_out} held-out pictures in {destination}")
