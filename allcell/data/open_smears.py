"""Open data sets of smears as YOLO datasets, with our classes and a part never trained on.

BCCD (Shenggan/BCCD_Dataset, MIT): fields of healthy smears. PBC (Acevedo et al., Data in Brief
2020, CC BY 4.0): single cells of healthy donors, CellaVision DM96. Neither holds a blast, so every
blast called in the held-out part is a false positive.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.errors import DataError
from allcell.models.registry import HEALTHY

#: Class numbers in the source labels that are white cells; the others are dropped.
#: In PBC number 2 is the erythroblast, a nucleated red cell.
_WHITE_CELLS = {"bccd": frozenset({0}), "pbc": frozenset({0, 1, 3, 4, 5, 6})}
#: BCCD's last fields: consecutive ones come from the same slide, so a block of them is held out.
HELD_OUT_BCCD = 124
#: Every sixth picture of PBC is held out (its numbers carry no order of slides).
HELD_OUT_PBC_STEP = 6


@dataclass(frozen=True)
class OpenSmears:
    """What was written.

    Attributes:
        train: Number of training pictures.
        held_out: Number of pictures kept out of all training.
    """

    train: int
    held_out: int


def import_open_smears(name: str, source: Path, destination: Path) -> OpenSmears:
    """Write one of the open data sets as `images/{train,held_out}` and `labels/...`.

    Args:
        name: bccd or pbc.
        source: Folder with `images/` and `labels/` (YOLO text, the source's own classes).
        destination: Folder to write; must not lie inside the source.

    Raises:
        DataError: If the name is unknown or there are no pictures.
    """
    if name not in _WHITE_CELLS:
        raise DataError(f"Unknown open data set {name!r}.", "Choose bccd or pbc.")
    pictures = sorted((source / "images").glob("*.jpg"))
    if not pictures:
        raise DataError(
            f"No JPEG pictures in {source / 'images'}.",
            "Give the folder that holds images/ and labels/.",
        )
    counts = {"train": 0, "held_out": 0}
    for n, picture in enumerate(pictures):
        if name == "bccd":
            held_out = n >= len(pictures) - HELD_OUT_BCCD
        else:
            held_out = n % HELD_OUT_PBC_STEP == 0
        split = "held_out" if held_out else "train"
        counts[split] += 1
        text = (source / "labels" / f"{picture.stem}.txt").read_text(encoding="ascii")
        rows: Labels = []
        for line in text.splitlines():
            number, *box = line.split()
            if int(number) in _WHITE_CELLS[name]:
                cx, cy, w, h = (float(v) for v in box)
                rows.append((HEALTHY, cx, cy, w, h))
        target = destination / "images" / split / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
        write_labels(destination / "labels" / split / f"{picture.stem}.txt", rows)
    write_dataset_yaml(destination, splits=("train", "held_out"))
    return OpenSmears(counts["train"], counts["held_out"])
