"""`data`: import and check datasets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from allcell.cli.base import data_app, explained, say
from allcell.data.allidb1 import SPLITS
from allcell.data.allidb1_check import verify_allidb1
from allcell.data.allidb1_import import import_allidb1
from allcell.data.dataset import OnImage
from allcell.data.laboratories import LABORATORIES
from allcell.data.open_smears import OPEN_SMEARS, import_open_smears
from allcell.data.synthetic import make_synthetic
from allcell.data.taleqani import SPLITS as TALEQANI_SPLITS
from allcell.data.taleqani import import_taleqani
from allcell.environment.installation import weights_to_write
from allcell.imaging.familiarity.reference import REFERENCE_FILE
from allcell.report.documents.gate import FILE as GATE_FILE
from allcell.report.documents.gate import gate_section
from allcell.training.packed import QUALITY, pack_recipes


@contextmanager
def _progress(label: str) -> Iterator[OnImage]:
    """A bar on stderr, whose length comes with its first step."""
    with typer.progressbar(length=1, file=sys.stderr, label=label) as bar:

        def on_image(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield on_image


def _counted(cells: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(cells.items()))


@data_app.command("import-open")
@explained
def import_open(
    name: str = typer.Argument(..., help=f"One of: {', '.join(OPEN_SMEARS)}."),
    source: Path = typer.Argument(..., help="Folder of the data set, with its YOLO labels."),
    destination: Path = typer.Argument(..., help="Folder to write."),
) -> None:
    """Convert an open dataset of healthy smears to our classes, with a fixed part held out."""
    with _progress("copying") as on_image:
        done = import_open_smears(name, source, destination, on_image=on_image)
    say(f"{done.train} training and {done.held_out} held-out pictures in {destination}")
    if done.unlabelled:
        say(f"{done.unlabelled} pictures without labels were left out")


@data_app.command("import-chula")
@explained
def import_chula(
    source: Path = typer.Argument(..., help="Your copy of WBC_Dataset, with WBC_Samples/."),
    destination: Path = typer.Argument(..., help="Folder to write."),
) -> None:
    """Convert Chula's healthy fields, as `import-open chula` does."""
    import_open("chula", source, destination)


@data_app.command("import-taleqani")
@explained
def import_taleqani_command(
    source: Path = typer.Argument(..., help="The authors' pictures (WBC-Benign-001.jpg ...)."),
    destination: Path = typer.Argument(..., help="Folder to write; not inside a repository."),
) -> None:
    """Write Taleqani as a YOLO dataset with our boxes and the fixed split."""
    with _progress("stretching") as on_image:
        done = import_taleqani(source, destination, on_image=on_image)
    for split in TALEQANI_SPLITS:
        say(
            f"{split}: {done.images[split]} fields, {done.reviewed[split]} of them reviewed; "
            f"{_counted(done.cells[split])}"
        )


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


@data_app.command("pack")
@explained
def pack_command(
    recipes: list[str] = typer.Argument(..., help="Recipes whose datasets are wanted."),
    data: Path = typer.Option(..., help="Folder that holds them."),
    out: Path = typer.Option(..., help="Folder to write; not inside a repository."),
    quality: int = typer.Option(QUALITY, min=1, max=100, help="WebP quality of the pictures."),
) -> None:
    """Write what recipes train and validate on at the size that training needs."""
    for name, split, count in pack_recipes(recipes, data, out, quality):
        say(f"{name}: {count} fields of {split} in {out / name}")


@data_app.command("familiarity")
@explained
def familiarity(
    data: Path = typer.Option(..., help="Folder that holds the laboratories' YOLO folders."),
    laboratories: list[str] = typer.Option(
        list(LABORATORIES), "--laboratory", help="A folder in it; may be repeated."
    ),
    others: Path | None = typer.Option(
        None, help="Folder of photographs, tissue sections and screenshots: what is no smear."
    ),
) -> None:
    """Fit what still pictures are judged by: is it a smear, and like whose?"""
    from allcell.training.familiarity import fit, trace

    with _progress("measuring") as on_picture:
        traced = trace([data / name for name in laboratories], others, on_picture=on_picture)
    fit(traced).write(REFERENCE_FILE)
    smears = sum(one.role != "other" for one in traced)
    say(f"{smears} smears and {len(traced) - smears} other pictures in {REFERENCE_FILE}")


@data_app.command("check-familiarity")
@explained
def check_familiarity(
    data: Path = typer.Option(..., help="Folder that holds the laboratories' YOLO folders."),
    fitted_to: Path | None = typer.Option(
        None, help="The photographs that `data familiarity --others` was given."
    ),
    photographs: Path | None = typer.Option(None, help="Others that it was not given."),
) -> None:
    """Judge test pictures by what they are judged by, also as if their laboratory were unknown."""
    from allcell.training.gate_check import check_gate

    with _progress("judging") as on_picture:
        found = check_gate(data, fitted_to, photographs, on_picture=on_picture)
    target = weights_to_write() / "metrics" / GATE_FILE
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    say(gate_section(target.parent.parent))


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
        cells = _counted(done.cells.get(split, {}))
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
        cells = _counted(check.counts(split))
        typer.echo(f"{split}: {sum(f.split == split for f in check.fields)} fields; {cells}")
    if check.median_mask_iou is not None:
        compared = sum(len(field.mask_ious) for field in check.fields)
        typer.echo(f"expert masks: median IoU {check.median_mask_iou:.3f} over {compared} cells")
    if not check.sound:
        raise typer.Exit(1)
    typer.echo("sound: each expert centroid lies in exactly one blast box")
