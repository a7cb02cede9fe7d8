"""Any labelled set: its files tell its format, its splits and its classes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from allcell.data.coco import coco_counts, coco_notes, coco_splits, is_coco, read_coco
from allcell.data.dataset import WHOLE, LabelledImage, OnImage
from allcell.data.folders import inside
from allcell.data.voc import is_voc, read_voc, voc_counts, voc_notes, voc_splits
from allcell.data.yolo_parts import PART_NAMES, unnamed_labels, yolo_splits
from allcell.data.yolo_sets import is_yolo, read_yolo, yolo_counts, yolo_notes
from allcell.data.zip_names import ZIP_START
from allcell.data.zipped import DataPath, ZipLimits, open_zip, shown
from allcell.errors import DataError
from allcell.text.words import in_words


class Reader(Protocol):
    """Reads one split of a set; see `read_labelled`."""

    def __call__(
        self,
        data_dir: DataPath,
        split: str,
        *,
        mapping: Mapping[str, str | None] | None = None,
        on_image: OnImage | None = None,
    ) -> list[LabelledImage]:
        """The images of one split in order of their names."""


@dataclass(frozen=True)
class LabelFormat:
    """One layout of a labelled set in a folder, on this computer or in a ZIP.

    Attributes:
        name: As shown to people.
        layout: Its files, in a few words; `<split>` stands for the name of a split.
        recognise: Whether one split of a folder is of this format.
        splits: The splits that have labels, `dataset.WHOLE` if the set is not divided; None if the
            folder is not of this format.
        read: Reads one split.
        counts: Number of labelled cells of each class in one split, by the set's own class names.
        notes: What is to be known of one split's pictures without labels, and the reverse.
    """

    name: str
    layout: str
    recognise: Callable[[DataPath, str], bool]
    splits: Callable[[DataPath], set[str] | None]
    read: Reader
    counts: Callable[[DataPath, str], dict[str, int]]
    notes: Callable[[DataPath, str], list[str]] = lambda data_dir, split: []


#: The first one that recognises a folder reads it.
LABEL_FORMATS: tuple[LabelFormat, ...] = (
    LabelFormat(
        name="YOLO",
        layout="data.yaml or classes.txt, images/<split>, labels/<split>",
        recognise=is_yolo,
        splits=yolo_splits,
        read=read_yolo,
        counts=yolo_counts,
        notes=yolo_notes,
    ),
    LabelFormat(
        name="COCO",
        layout="annotations/instances_<split>.json, images/",
        recognise=is_coco,
        splits=coco_splits,
        read=read_coco,
        counts=coco_counts,
        notes=coco_notes,
    ),
    LabelFormat(
        name="Pascal VOC",
        layout="Annotations/*.xml or beside each picture, JPEGImages/",
        recognise=is_voc,
        splits=voc_splits,
        read=read_voc,
        counts=voc_counts,
        notes=voc_notes,
    ),
)

#: What can be read, as a sentence lists it.
LABEL_FORMAT_NAMES = in_words([known.name for known in LABEL_FORMATS])


def read_labelled(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a folder in the layout of one of `LABEL_FORMATS`.

    Args:
        data_dir: The folder, on this computer or in a ZIP.
        split: `test`, for example.
        mapping: From the folder's class names to `blast`, `healthy`, `smudge`, `ignore`, or None
            for a class to leave out; names that allcell uses itself need no entry, nor do classes
            without a cell in the split.
        on_image: Called with the number of images read and their total; may raise to stop.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If no format fits, there is no such part, a file is missing or malformed, or a
            class is not mapped.
        ImageError: If an image cannot be read.
    """
    known, part = _format_of(data_dir, split)
    return known.read(data_dir, part, mapping=mapping, on_image=on_image)


def part_of(data_dir: DataPath, split: str) -> str:
    """The part of a set that is meant: `valid` for `val`, `WHOLE` if the set is not divided.

    Args:
        data_dir: The folder of the set.
        split: As the user calls it.

    Raises:
        DataError: If no format fits, or there is no such part; it says which there are.
    """
    return _format_of(data_dir, split)[1]


def open_set(path: Path) -> DataPath:
    """The folder of a set that a user named: a folder, a ZIP, or the `data.yaml` in the folder.

    Args:
        path: On this computer.

    Raises:
        DataError: If there is nothing, or it holds no labelled set.
    """
    if path.is_dir():
        return find_set(path)
    if not path.is_file():
        raise DataError(f"There is no folder or ZIP {path.name}.", "Check --data.")
    if path.suffix.lower() in (".yaml", ".yml"):
        return find_set(path.parent)
    limits = ZipLimits.from_settings()
    with path.open("rb") as file:
        content = file.read(limits.max_bytes + 1)
    seems_zip = content.startswith(ZIP_START) or zipfile.is_zipfile(io.BytesIO(content))
    if not seems_zip and len(content) <= limits.max_bytes:
        raise DataError(
            f"{path.name} is neither a folder nor a ZIP.",
            "Name the folder that holds pictures and labels, or a ZIP of it.",
        )
    return find_set(open_zip(content, path.name, limits))


def find_set(folder: DataPath) -> DataPath:
    """The folder of a set: this one, or the only one in it that is, as ZIPs are often packed.

    Raises:
        DataError: If no format fits, or several folders hold a set.
    """
    try:
        find_splits(folder)
    except DataError:
        folders = [path for path in inside(folder) if path.is_dir()]
        # Beside it may lie a text for the reader, or folders of other things.
        found = [one for one in folders if _is_set(one)]
        if len(found) > 1:
            names = in_words(sorted(one.name for one in found), "and")
            raise DataError(
                f"{shown(folder, folder)} holds several labelled sets: {names}.",
                "Give one of them.",
            ) from None
        if found:
            return found[0]
        if len(folders) != 1:
            raise
        try:
            return find_set(folders[0])
        except DataError:
            # Only what begins like a set has something to say of itself.
            if any(known.recognise(folders[0], WHOLE) for known in LABEL_FORMATS):
                raise
        raise
    return folder


def _is_set(folder: DataPath) -> bool:
    try:
        find_splits(folder)
    except DataError:
        return False
    return True


def find_splits(data_dir: DataPath) -> list[str]:
    """The splits of a set that have labels, by name; `dataset.WHOLE` if it is not divided.

    Raises:
        DataError: If no format fits.
    """
    if not data_dir.is_dir():
        raise DataError(
            f"There is no folder {shown(data_dir, data_dir)}.", "Check that it still exists."
        )
    return sorted(_recognised(data_dir)[1])


def class_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of labelled cells of each class that has any in one split, by the set's class names.

    Raises:
        DataError: If no format fits, or a file is malformed.
    """
    known, part = _format_of(data_dir, split)
    return known.counts(data_dir, part)


def set_notes(data_dir: DataPath, split: str) -> list[str]:
    """What a reader of scores must know of a split: pictures without labels, and the reverse.

    Returns:
        Sentences without a full stop; none if every picture has labels and all labels a picture.

    Raises:
        DataError: As in `class_counts`.
    """
    known, part = _format_of(data_dir, split)
    return known.notes(data_dir, part)


def _recognised(data_dir: DataPath) -> tuple[LabelFormat, set[str]]:
    """The format of a set, and its parts."""
    for known in LABEL_FORMATS:
        if found := known.splits(data_dir):
            return known, found
    for known in LABEL_FORMATS:
        if known.recognise(data_dir, WHOLE):
            raise DataError(
                f"{shown(data_dir, data_dir)} holds no labelled set: it seems to be {known.name}, "
                "but not all of it is there.",
                _what_is_read(),
            )
    if label := unnamed_labels(data_dir):
        raise DataError(
            f"{shown(data_dir, data_dir)}: label files found ({label.name}), but no class names.",
            "Add classes.txt: one name a line, that of class 0 first.",
        )
    raise DataError(f"{shown(data_dir, data_dir)} holds no labelled set.", _what_is_read())


def _format_of(data_dir: DataPath, split: str) -> tuple[LabelFormat, str]:
    """The format of a set, and what it calls a part."""
    if not data_dir.is_dir():
        raise DataError(f"There is no folder {shown(data_dir, data_dir)}.", "Check --data.")
    try:
        known, parts = _recognised(data_dir)
    except DataError:
        # Its reader says what is missing.
        for known in LABEL_FORMATS:
            if known.recognise(data_dir, split):
                return known, split
        raise
    if split in parts or (split == WHOLE and known.recognise(data_dir, WHOLE)):
        return known, split
    if parts == {WHOLE}:
        return known, WHOLE
    wanted = next((same for same in PART_NAMES if split.lower() in same), (split.lower(),))
    found = [part for part in parts if part.lower() in wanted]
    if len(found) != 1:
        there = sorted(parts)
        raise DataError(
            f"{shown(data_dir, data_dir)} has no part {split!r}; it has {in_words(there, 'and')}.",
            f"Choose one, for example --split {there[0]}.",
        )
    return known, found[0]


def _what_is_read() -> str:
    known = [f"{one.name} ({one.layout})" for one in LABEL_FORMATS]
    return f"allcell reads {in_words(known, 'and')}."
