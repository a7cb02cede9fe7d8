"""`data`: import and check datasets."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from allcell.cli.base import data_app, explained, say
from allcell.data.allidb1 import SPLITS
from allcell.data.allidb1_check import verify_allidb1
from allcell.data.allidb1_import import import_allidb1
from allcell.data.open_smears import import_open_smears
from allcell.data.synthetic import make_synthetic


@data_app.command("import-open")
@explained
def import_open(
    name: str = typer.Argument(..., help="bccd or pbc."),
    source: Path = typer.Argument(..., help="Folder with images/ and labels/ (YOLO text)."),
    destination: Path = typer.Argument(..., help="Folder to write."),
) -> None:
    """Convert an open dataset of healthy smears to our classes, with a fixed part held out."""
    done = import_open_smears(name, source, destination)
    say(f"{done.train} training and {done.held_out} held-out pictures in {destination}")


@data_app.command("make-synthetic")
@explained
def synthetic(
    destination: Path = typer.Argument(..., help="Folder to write."),
    count: int = typer.Option(400, min=1, help="Number of fields."),
    seed: int = typer.Option(0, min=0, help="Number of the first field."),
) -> None:
    """Render labelled smears for training."""
    with typer.progressbar(length=count, file=sys.stderr, label="rendering") as bar:
        make_synthetic(destination, count, seed=seed, on_image=lambda done, total: bar.update(1))
    say(f"{count} fields in {destination}")


@data_app.command("import-allidb1")
@explained
def import_allidb1_command(
    source: Path = typer.Argument(..., help="Your copy of ALL-IDB1, with im/ and xyc/."),
    destination: Path = typer.Argument(..., help="Folder to write; not inside a repository."),
    segment: bool = typer.Option(False, help="Segment the boxes anew instead of using ours."),
    other_centroids: Path | None = typer.Option(
        None, help="CSV (image, x, y) of cells that are not blasts; helps --segment."
    ),
    keep_overlapping: bool = typer.Option(
        False, help="Keep the training fields that overlap a test field."
    ),
) -> None:
    """Write ALL-IDB1 as a YOLO dataset with our boxes and the fixed split."""
    done = import_allidb1(
        source,
        destination,
        boxes="segment" if segment else "shipped",
        other_centroids=other_centroids,
        keep_overlapping=keep_overlapping,
    )
    for split in SPLITS:
        cells = ", ".join(f"{n} {name}" for name, n in sorted(done.cells.get(split, {}).items()))
        say(f"{split}: {done.images.get(split, 0)} fields; {cells}")


@data_app.command("verify-allidb1")
@explained
def verify_allidb1_command(
    source: Path = typer.Argument(..., help="Your copy of ALL-IDB1, with im/ and xyc/."),
    masks: Path | None = typer.Option(None, help="Expert masks (andrealoddo/ALL-IDB1-masks)."),
) -> None:
    """Check our boxes against the experts' centroids and masks."""
    check = verify_allidb1(source, masks=masks)
    for field in check.fields:
        if not field.sound:
            say(
                f"{field.field}: {field.lost_centroids} centroids not in exactly one blast box, "
                f"{field.odd_blasts} blast boxes without exactly one, {field.outside} outside"
            )
    for name in (*check.without_boxes, *check.without_picture):
        say(f"{name}: picture or boxes missing")
    for split in SPLITS:
        cells = ", ".join(f"{n} {name}" for name, n in sorted(check.counts(split).items()))
        typer.echo(f"{split}: {sum(f.split == split for f in check.fields)} fields; {cells}")
    if check.median_mask_iou is not None:
        compared = sum(len(field.mask_ious) for field in check.fields)
        typer.echo(f"expert masks: median IoU {check.median_mask_iou:.3f} over {compared} cells")
    if not check.sound:
        raise typer.Exit(1)
    typer.echo("sound: each expert centroid lies in exactly one blast box")
