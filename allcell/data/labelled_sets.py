"""Any labelled set: its format is told by its files, and so are its parts and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from allcell.data.coco import coco_counts, coco_splits, is_coco, read_coco
from allcell.data.dataset import (
    LabelledImage,
    OnImage,
    is_yolo,
    read_yolo,
    yolo_counts,
    yolo_splits,
)
from allcell.data.folders import inside
from allcell.data.voc import is_voc, read_voc, voc_counts, voc_splits
from allcell.data.zipped import DataPath, shown
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
    """One way in which a labelled set lies in a folder, of this computer or of a ZIP.

    Attributes:
        name: As people read it.
        layout: Its files, in a few words; `<split>` stands for the name of a part.
        recognise: Whether one split of a folder is of this format.
        splits: The parts that have labels, `dataset.WHOLE` if the set has none; None if the folder
            is not of this format.
        read: Reads one split.
        counts: Labelled cells of each class of one split, by the names of the set.
    """

    name: str
    layout: str
    recognise: Callable[[DataPath, str], bool]
    splits: Callable[[DataPath], set[str] | None]
    read: Reader
    counts: Callable[[DataPath, str], dict[str, int]]


#: The first one that recognises a folder reads it.
LABEL_FORMATS: tuple[LabelFormat, ...] = (
    LabelFormat(
        name="YOLO",
        layout="data.yaml, images/<split>, labels/<split>",
        recognise=is_yolo,
        splits=yolo_splits,
        read=read_yolo,
        counts=yolo_counts,
    ),
    LabelFormat(
        name="COCO",
        layout="annotations/instances_<split>.json, images/",
        recognise=is_coco,
        splits=coco_splits,
        read=read_coco,
        counts=coco_counts,
    ),
    LabelFormat(
        name="Pascal VOC",
        layout="Annotations/*.xml, JPEGImages/",
        recognise=is_voc,
        splits=voc_splits,
        read=read_voc,
        counts=voc_counts,
    ),
)

#: What can be read, in words.
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
        data_dir: The folder, of this computer or of a ZIP.
        split: `test`, for example.
        mapping: From the folder's class names to `blast`, `healthy`, `smudge`, `ignore`, or None
            for what shall be left out; names that are ours already need none, nor do classes
            without a cell in the split.
        on_image: Called with the number of images read, and of all; may raise to stop.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If no format fits, or a file is missing, malformed, or has a class that is not
            mapped.
        ImageError: If an image cannot be read.
    """
    if not data_dir.is_dir():
        raise DataError(f"There is no folder {shown(data_dir, data_dir)}.", "Check --data.")
    return _format_of(data_dir, split).read(data_dir, split, mapping=mapping, on_image=on_image)


def find_set(folder: DataPath) -> DataPath:
    """Where a set lies: here, or in the one folder that holds everything, as ZIPs are packed.

    Raises:
        DataError: If no format fits.
    """
    try:
        find_splits(folder)
    except DataError:
        found = inside(folder)
        if len(found) != 1 or not found[0].is_dir():
            raise
        return find_set(found[0])
    return folder


def find_splits(data_dir: DataPath) -> list[str]:
    """The parts of a set that have labels, in order of their names; `dataset.WHOLE` if it has none.

    Raises:
        DataError: If no format fits.
    """
    if not data_dir.is_dir():
        raise DataError(
            f"There is no folder {shown(data_dir, data_dir)}.", "Check that it still exists."
        )
    all_found = (known.splits(data_dir) for known in LABEL_FORMATS)
    found = next((found for found in all_found if found is not None), None)
    if not found:
        raise DataError(f"{shown(data_dir, data_dir)} holds no labelled set.", _what_is_read())
    return sorted(found)


def class_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Labelled cells of each class in one split, by the names of the set; without those of none.

    Raises:
        DataError: If no format fits, or a file is malformed.
    """
    return _format_of(data_dir, split).counts(data_dir, split)


def _format_of(data_dir: DataPath, split: str) -> LabelFormat:
    for known in LABEL_FORMATS:
        if known.recognise(data_dir, split):
            return known
    raise DataError(
        f"{shown(data_dir, data_dir)} holds no labelled set with a part {split!r}.", _what_is_read()
    )


def _what_is_read() -> str:
    known = [f"{one.name} ({one.layout})" for one in LABEL_FORMATS]
    return f"allcell reads {in_words(known, 'and')}."
