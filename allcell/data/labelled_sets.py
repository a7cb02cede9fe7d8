"""Any labelled set: its files tell its format, its splits and its classes."""

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
    """One layout of a labelled set in a folder, on this computer or in a ZIP.

    Attributes:
        name: As shown to people.
        layout: Its files, in a few words; `<split>` stands for the name of a split.
        recognise: Whether one split of a folder is of this format.
        splits: The splits that have labels, `dataset.WHOLE` if the set is not divided; None if the
            folder is not of this format.
        read: Reads one split.
        counts: Number of labelled cells of each class in one split, by the set's own class names.
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
        DataError: If no format fits, a file is missing or malformed, or a class is not mapped.
        ImageError: If an image cannot be read.
    """
    if not data_dir.is_dir():
        raise DataError(f"There is no folder {shown(data_dir, data_dir)}.", "Check --data.")
    return _format_of(data_dir, split).read(data_dir, split, mapping=mapping, on_image=on_image)


def find_set(folder: DataPath) -> DataPath:
    """The folder of a set: this one, or the only one in it, as ZIPs are often packed.

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
    """The splits of a set that have labels, by name; `dataset.WHOLE` if it is not divided.

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
    """Number of labelled cells of each class that has any in one split, by the set's class names.

    Raises:
        DataError: If no format fits, or a file is malformed.
    """
    return _format_of(data_dir, split).counts(data_dir, split)


def _format_of(data_dir: DataPath, split: str) -> LabelFormat:
    for known in LABEL_FORMATS:
        if known.recognise(data_dir, split):
            return known
    raise DataError(
        f"{shown(data_dir, data_dir)} holds no labelled set with a split {split!r}.",
        _what_is_read(),
    )


def _what_is_read() -> str:
    known = [f"{one.name} ({one.layout})" for one in LABEL_FORMATS]
    return f"allcell reads {in_words(known, 'and')}."
