"""Open data sets of healthy smears as YOLO datasets: our classes, and a part never trained on.

None of them holds a blast, so every blast called in the held-out part is a false positive. Sources
and licences are in `allcell.data.laboratories`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from allcell.data.dataset import OnImage
from allcell.data.folders import refuse_to_overwrite
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.errors import DataError
from allcell.imaging.images import size_px
from allcell.models.registry import HEALTHY

#: BCCD's last fields: consecutive ones come from the same slide, so a block of them is held out.
HELD_OUT_BCCD = 124
#: Every sixth picture of PBC is held out (its numbers carry no order of slides).
HELD_OUT_PBC_STEP = 6
#: Chula names its pictures by kind of cell, slide and field (N-3B_0041): one numbering and one
#: colour for all kinds of cell of a slide. These slides are held out, whole.
HELD_OUT_CHULA = ("14", "3B", "42", "4B", "59", "5B", "5Bb", "9")


@dataclass(frozen=True)
class _OpenSet:
    """How one of them is laid out and divided.

    Attributes:
        layout: Where its pictures are, as a pattern; labels are in `labels` beside their folder.
        expected: What its folder holds, for messages.
        white_cells: Class numbers in its labels that are white cells; the others are dropped.
        held_out: Picks the held-out pictures from all, which come in order of their names.
        pictures: How many it has; None if copies differ.
        size_px: Width and height of all its pictures; None if they differ.
        unlabelled: How many of them have no label file; they are left out.
    """

    layout: str
    expected: str
    white_cells: frozenset[int]
    held_out: Callable[[Sequence[Path]], Sequence[Path]]
    pictures: int | None = None
    size_px: tuple[int, int] | None = None
    unlabelled: int = 0


def _chula_held_out(pictures: Sequence[Path]) -> Sequence[Path]:
    return [p for p in pictures if p.stem.partition("-")[2].partition("_")[0] in HELD_OUT_CHULA]


_SETS = {
    "bccd": _OpenSet(
        layout="images/*.jpg",
        expected="images/ and labels/",
        white_cells=frozenset({0}),
        held_out=lambda pictures: pictures[-HELD_OUT_BCCD:],
        pictures=364,
        size_px=(640, 480),
    ),
    "pbc": _OpenSet(
        layout="images/*.jpg",
        expected="images/ and labels/",
        # Number 2 is the erythroblast, a nucleated red cell.
        white_cells=frozenset({0, 1, 3, 4, 5, 6}),
        held_out=lambda pictures: pictures[::HELD_OUT_PBC_STEP],
    ),
    "chula": _OpenSet(
        layout="**/images/*.jpg",
        expected="WBC_Samples/, with train/ and valid/ in it",
        white_cells=frozenset(range(5)),
        held_out=_chula_held_out,
        pictures=500,
        size_px=(1440, 900),
        unlabelled=15,
    ),
}
OPEN_SMEARS = tuple(_SETS)


@dataclass(frozen=True)
class OpenSmears:
    """What was written.

    Attributes:
        train: Number of training pictures.
        held_out: Number of pictures kept out of all training.
        unlabelled: Number of pictures that were left out because they have no labels.
    """

    train: int
    held_out: int
    unlabelled: int


def import_open_smears(
    name: str, source: Path, destination: Path, *, on_image: OnImage | None = None
) -> OpenSmears:
    """Write one of the open data sets as `images/{train,held_out}` and `labels/...`.

    Args:
        name: One of `OPEN_SMEARS`.
        source: Folder of the data set as published, with YOLO text in the source's own classes.
        destination: Folder to write; files of an earlier import are replaced.
        on_image: Called with the number of pictures written and of all; may raise to stop.

    Raises:
        DataError: If the name is unknown, pictures or labels are missing, or one does not fit.
        ImageError: If the size of a picture cannot be read.
    """
    if name not in _SETS:
        raise DataError(
            f"Unknown open data set {name!r}.", f"Choose one of: {', '.join(OPEN_SMEARS)}."
        )
    chosen, title = _SETS[name], LABORATORIES[name].title
    refuse_to_overwrite(source, destination)
    pictures = _find(chosen, title, source)
    held_out = set(chosen.held_out(pictures))
    labelled = [picture for picture in pictures if _labels(picture).is_file()]
    if len(pictures) - len(labelled) > chosen.unlabelled:
        lacking = [picture.name for picture in pictures if not _labels(picture).is_file()]
        raise DataError(
            f"{len(lacking)} of {len(pictures)} pictures of {title} have no label file, expected "
            f"{chosen.unlabelled}; {lacking[0]} for example.",
            f"Give a complete copy: a folder with {chosen.expected}.",
        )
    for n, picture in enumerate(labelled, 1):
        split = "held_out" if picture in held_out else "train"
        if chosen.size_px and (size := size_px(picture)) != chosen.size_px:
            raise DataError(
                f"{picture.name} has {size[0]} x {size[1]} pixels, expected "
                f"{chosen.size_px[0]} x {chosen.size_px[1]}.",
                f"Use the pictures of {title} as published, neither scaled nor cropped.",
            )
        rows = _white_cells(_labels(picture), chosen.white_cells)
        target = destination / "images" / split / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
        write_labels(destination / "labels" / split / f"{picture.stem}.txt", rows)
        if on_image:
            on_image(n, len(labelled))
    write_dataset_yaml(destination, LABORATORIES[name].splits)
    kept_out = len(held_out.intersection(labelled))
    return OpenSmears(len(labelled) - kept_out, kept_out, len(pictures) - len(labelled))


def _find(chosen: _OpenSet, title: str, source: Path) -> list[Path]:
    pictures = sorted(source.glob(chosen.layout), key=lambda path: (path.stem, path))
    if not pictures:
        raise DataError(
            f"No JPEG pictures of {title} in {source} ({chosen.layout}).",
            f"Give the folder that holds {chosen.expected}.",
        )
    if chosen.pictures and len(pictures) != chosen.pictures:
        raise DataError(
            f"{source} has {len(pictures)} pictures of {title}, expected {chosen.pictures}.",
            "Give a complete copy and nothing else: the held-out part must be the same everywhere.",
        )
    return pictures


def _labels(picture: Path) -> Path:
    return picture.parents[1] / "labels" / f"{picture.stem}.txt"


def _white_cells(path: Path, white_cells: frozenset[int]) -> Labels:
    rows: Labels = []
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            number, cx, cy, w, h = line.split()
            if int(number) in white_cells:
                rows.append((HEALTHY, float(cx), float(cy), float(w), float(h)))
    except ValueError as error:
        raise DataError(
            f"{path} has a line that is not a class number and the four numbers of a box.",
            "Restore the file from the data set.",
        ) from error
    return rows
