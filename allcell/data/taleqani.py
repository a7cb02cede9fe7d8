"""Taleqani: fields of another laboratory's leukemia, as a YOLO dataset with our boxes and split.

Aria, Ghaderzadeh, Bashash, Abolghasemi, Asadi, Hosseini, "Acute Lymphoblastic Leukemia (ALL) image
dataset", 2021, DOI 10.34740/KAGGLE/DSV/2175623: peripheral blood of 89 patients suspected of ALL,
one stage a field (benign, early, pre, pro), no boxes, no patients named. The pictures are their
authors' and are not part of allcell; the boxes and the split are ours (see
`annotations/README.md`).
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from allcell.data.allidb1 import ANNOTATIONS_DIR
from allcell.data.dataset import OnImage
from allcell.data.folders import refuse_to_overwrite
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo import Labels, Places, write_dataset_yaml, write_ignored, write_labels
from allcell.errors import DataError
from allcell.imaging.images import RGBImage, decode, encode_png
from allcell.models.registry import CLASSES

SPLITS = LABORATORIES["taleqani"].splits
#: Why a field is in no split: it lies between two of them, or is the same file as another one.
LEFT_OUT = ("gap", "duplicate")
#: Folder of the test fields whose boxes nobody has looked at: not trained on, and not scored.
DRAFT_TEST = "test_draft"
_FOLDERS = (*SPLITS, DRAFT_TEST)
#: Cells whose class nobody could tell; they count neither way.
UNSURE = "unsure"
#: Who looked at the boxes of a field: nobody; somebody who changed nothing; somebody who did.
SOURCES = ("auto", "reviewed", "corrected")
#: Width and height that the authors squeezed their pictures to.
SQUEEZED_PX = (224, 224)
#: Width and height at which red cells are round again (measured on 2026-11-27).
SIZE_PX = (299, 224)
SHIPPED_FIELDS = ANNOTATIONS_DIR / "taleqani_fields.csv"
SHIPPED_BOXES = ANNOTATIONS_DIR / "taleqani_boxes.csv"

_FIELD_COLUMNS = ("image", "split", "source")
_BOX_COLUMNS = ("image", "x1", "y1", "x2", "y2", "class")


@dataclass(frozen=True)
class TaleqaniBox:
    """One annotated cell.

    Attributes:
        xyxy: x1 y1 x2 y2 in pixels of the squeezed picture, 0 to 224; x2 and y2 are exclusive.
        label: A class, or `UNSURE`.
    """

    xyxy: tuple[float, float, float, float]
    label: str


@dataclass(frozen=True)
class TaleqaniField:
    """One field as annotated.

    Attributes:
        name: Stage and number, such as `Pro-011` for WBC-Malignant-Pro-011.jpg.
        split: One of `SPLITS` or of `LEFT_OUT`.
        source: One of `SOURCES`; empty for a field that is left out.
        boxes: Its cells; none for a field that is left out.
    """

    name: str
    split: str
    source: str
    boxes: tuple[TaleqaniBox, ...]

    @property
    def stage(self) -> str:
        """The class that its makers gave to the whole field: Benign, Early, Pre or Pro."""
        return self.name.split("-")[0]

    @property
    def folder(self) -> str:
        """The split that the importer writes it to: test fields count once they are reviewed."""
        return DRAFT_TEST if (self.split, self.source) == ("test", "auto") else self.split


@dataclass
class ImportedTaleqani:
    """What was written.

    Attributes:
        images: Number of pictures by split.
        reviewed: Number of those whose boxes somebody has looked at, by split.
        cells: Number of boxes by split and class; `UNSURE` ones count neither way.
    """

    images: Counter[str] = field(default_factory=Counter)
    reviewed: Counter[str] = field(default_factory=Counter)
    cells: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def read_taleqani(
    fields: Path = SHIPPED_FIELDS, boxes: Path = SHIPPED_BOXES
) -> dict[str, TaleqaniField]:
    """Read our split and our boxes of Taleqani.

    Args:
        fields: CSV: image, split, source.
        boxes: CSV: image, x1, y1, x2, y2 (pixels of the squeezed picture), class.

    Returns:
        The fields by name, in the order of the file, those that are left out included.

    Raises:
        DataError: If a file is missing, or a line is malformed or does not fit the other file.
    """
    cells: dict[str, list[TaleqaniBox]] = defaultdict(list)
    for where, row in _rows(boxes, _BOX_COLUMNS):
        try:
            x1, y1, x2, y2 = (float(row[side]) for side in ("x1", "y1", "x2", "y2"))
        except ValueError as error:
            raise DataError(f"{where}: a number is missing.", _remedy(_BOX_COLUMNS)) from error
        inside = 0 <= x1 < x2 <= SQUEEZED_PX[0] and 0 <= y1 < y2 <= SQUEEZED_PX[1]
        if not inside or row["class"] not in (*CLASSES, UNSURE):
            raise DataError(f"{where} is not a labelled box.", _remedy(_BOX_COLUMNS))
        cells[row["image"]].append(TaleqaniBox((x1, y1, x2, y2), row["class"]))
    found: dict[str, TaleqaniField] = {}
    for where, row in _rows(fields, _FIELD_COLUMNS):
        name, split, source = (row[column] for column in _FIELD_COLUMNS)
        if (split, source) not in _STATES or name in found or (split in LEFT_OUT and name in cells):
            raise DataError(
                f"{where} is not a field: {name}, {split}, {source}.", _remedy(_FIELD_COLUMNS)
            )
        found[name] = TaleqaniField(name, split, source, tuple(cells.get(name, ())))
    if strangers := sorted(set(cells) - set(found)):
        raise DataError(
            f"{boxes} has boxes of {strangers[0]}, which is not in {fields}.",
            "Restore both files from the project.",
        )
    return found


_STATES = {(split, source) for split in SPLITS for source in SOURCES}
_STATES |= {(split, "") for split in LEFT_OUT}


def import_taleqani(
    source: Path,
    destination: Path,
    *,
    fields: Path = SHIPPED_FIELDS,
    boxes: Path = SHIPPED_BOXES,
    on_image: OnImage | None = None,
) -> ImportedTaleqani:
    """Write Taleqani as `images/{train,val,test,test_draft}`, `labels/...` and `ignore/...`.

    `test` has the reviewed fields of the test split, `test_draft` the others. Pictures are
    stretched to `SIZE_PX` and written as PNG; `unsure` cells go to `ignore/`.

    Args:
        source: Folder with the authors' pictures, in folders by stage or not.
        destination: Folder to write; files of an earlier import are replaced.
        fields: See `read_taleqani`.
        boxes: See `read_taleqani`.
        on_image: Called with the number of fields written and of all; may raise to stop.

    Raises:
        DataError: If pictures are missing, are there twice or are not 224 x 224 pixels, or an
            annotation file does not fit.
        ImageError: If a picture cannot be read.
    """
    refuse_to_overwrite(source, destination)
    wanted = [item for item in read_taleqani(fields, boxes).values() if item.split in SPLITS]
    pictures = _find(source, {item.name for item in wanted})
    done = ImportedTaleqani()
    for n, item in enumerate(wanted, 1):
        _write(destination, item, pictures[item.name])
        done.images[item.folder] += 1
        done.reviewed[item.folder] += item.source != "auto"
        done.cells[item.folder].update(box.label for box in item.boxes)
        if on_image:
            on_image(n, len(wanted))
    write_dataset_yaml(destination, [split for split in SPLITS if done.images[split]])
    return done


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Where a line stands, for messages, and its columns."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            if missing := [c for c in columns if c not in (reader.fieldnames or ())]:
                raise DataError(f"{path} lacks the columns {', '.join(missing)}.", _remedy(columns))
            for row in reader:
                yield (
                    f"{path}, line {reader.line_num}",
                    {column: row[column] or "" for column in columns},
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"The annotation file {path} cannot be read.", "Restore it from the project."
        ) from error


def _remedy(columns: Sequence[str]) -> str:
    if "split" in columns:
        values = f"splits: {', '.join((*SPLITS, *LEFT_OUT))}; sources: {', '.join(SOURCES)}"
    else:
        values = f"classes: {', '.join((*CLASSES, UNSURE))}; pixels: 0 to {SQUEEZED_PX[0]}"
    return f"Columns: {', '.join(columns)}; {values}."


def _find(source: Path, wanted: set[str]) -> dict[str, Path]:
    """The authors' pictures by the names of our fields."""
    paths = sorted(source.rglob("WBC-*.jpg"), key=lambda path: path.name)
    if not paths:
        raise DataError(
            f"No pictures named like WBC-Benign-001.jpg in {source} or the folders in it.",
            "Give the folder with the authors' pictures; allcell does not include them.",
        )
    for one, other in pairwise(paths):
        if one.name == other.name:
            raise DataError(
                f"{one.name} is in {one.parent} and in {other.parent}.",
                "Give the folder with the original pictures only, not the segmented ones.",
            )
    found = {path.stem.removeprefix("WBC-").removeprefix("Malignant-"): path for path in paths}
    if missing := sorted(wanted - set(found)):
        raise DataError(
            f"{len(missing)} of {len(wanted)} fields are not in {source}, "
            f"{missing[0]} for example.",
            "Give a complete copy: the folders Benign, Early, Pre and Pro.",
        )
    return found


def _write(destination: Path, item: TaleqaniField, picture: Path) -> None:
    image = decode(picture)
    height_px, width_px = image.shape[:2]
    if (width_px, height_px) != SQUEEZED_PX:
        raise DataError(
            f"{picture.name} has {width_px} x {height_px} pixels, expected 224 x 224.",
            "Use the pictures as their authors published them, neither scaled nor cropped.",
        )
    labels: Labels = []
    unsure: Places = []
    for box in item.boxes:
        x1, x2 = (side / SQUEEZED_PX[0] for side in box.xyxy[::2])
        y1, y2 = (side / SQUEEZED_PX[1] for side in box.xyxy[1::2])
        place = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        if box.label == UNSURE:
            unsure.append(place)
        else:
            labels.append((CLASSES.index(box.label), *place))
    for split in _FOLDERS:
        for path in _files(destination, split, picture.stem):
            path.unlink(missing_ok=True)
    image_path, label_path, ignore_path = _files(destination, item.folder, picture.stem)
    image_path.parent.mkdir(parents=True, exist_ok=True)
    image_path.write_bytes(encode_png(_stretched(image)))
    write_labels(label_path, labels)
    if unsure:
        write_ignored(ignore_path, unsure)


def _files(destination: Path, split: str, stem: str) -> tuple[Path, Path, Path]:
    """Picture, labels and ignored boxes of a field."""
    return (
        destination / "images" / split / f"{stem}.png",
        destination / "labels" / split / f"{stem}.txt",
        destination / "ignore" / split / f"{stem}.txt",
    )


def _stretched(image: RGBImage) -> RGBImage:
    return np.asarray(cv2.resize(image, SIZE_PX, interpolation=cv2.INTER_CUBIC), np.uint8)
