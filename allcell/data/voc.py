"""Reading a data set in Pascal VOC's format for evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import defusedxml.ElementTree as ElementTree  # refuses entities, which may expand to gigabytes
from defusedxml.common import DefusedXmlException

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.dataset import WHOLE, LabelledImage, OnImage, labelled
from allcell.data.folders import inside
from allcell.data.zipped import DataPath, shown, size_bytes
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES

#: Larger annotation files are refused: a usual one has a few kilobytes.
MAX_BYTES = 16 * 2**20

#: What reading may raise on a file that is not an annotation.
_MALFORMED = (OSError, ValueError, LookupError, ElementTree.ParseError, DefusedXmlException)


def find_voc(data_dir: DataPath, split: str) -> list[DataPath]:
    """The annotation files of one split, where the usual tools put them; empty if there are none.

    `Annotations/*.xml`, or only those that `ImageSets/Main/<split>.txt` lists, where it exists;
    else `<split>/*.xml`.

    Raises:
        DataError: If that list is not text.
    """
    folder = data_dir / "Annotations"
    if not folder.is_dir():
        return _annotations(data_dir / split)
    chosen = data_dir / "ImageSets" / "Main" / f"{split}.txt"
    if not chosen.is_file():
        return _annotations(folder)
    try:
        lines = chosen.read_text("utf-8").splitlines()
    except ValueError as error:
        raise DataError(
            f"{shown(chosen, data_dir)} is not plain text.", "Save it as UTF-8, one name per line."
        ) from error
    stems = (line.split()[0] for line in lines if line.strip())
    return [folder / f"{PurePosixPath(stem).name}.xml" for stem in stems]


def _annotations(folder: DataPath) -> list[DataPath]:
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.endswith(".xml")]
    return sorted(found, key=lambda path: path.name)


def is_voc(data_dir: DataPath, split: str) -> bool:
    """Whether one split of a folder has annotation files (see `find_voc`)."""
    return bool(find_voc(data_dir, split))


def voc_splits(data_dir: DataPath) -> set[str] | None:
    """The splits of a Pascal VOC data set; `WHOLE` if it is not divided.

    Returns:
        None if the folder is not a Pascal VOC data set.
    """
    if (data_dir / "Annotations").is_dir():
        lists = {
            path.stem
            for path in inside(data_dir / "ImageSets" / "Main")
            if path.name.endswith(".txt")
        }
        # `dog_train.txt` says for each image in `train.txt` whether there is a dog.
        chosen = {name for name in lists if name.rpartition("_")[2] not in lists - {name}}
        found = {split for split in chosen or {WHOLE} if find_voc(data_dir, split)}
    else:
        folders = (path for path in inside(data_dir) if path.is_dir())
        found = {folder.name for folder in folders if find_voc(data_dir, folder.name)}
    return found or None


def voc_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of objects of each name.

    Args:
        data_dir: Folder of the data set.
        split: Name of the split.

    Raises:
        DataError: If a file is malformed.
    """
    paths = find_voc(data_dir, split)
    return dict(Counter(name for path in paths for name, _, _ in _objects(path)))


def read_voc(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a Pascal VOC data set.

    Pixels are counted from 1, as in VOC; an object marked difficult counts neither for nor against
    a model. The image has the stem of its annotation and lies in `JPEGImages`, `images/<split>`,
    `images` or the annotation's folder.

    Args:
        data_dir: Folder of the data set; its annotation files are where `find_voc` looks.
        split: Name of the split.
        mapping: See `dataset.read_yolo`; from the names of the objects.
        on_image: See `dataset.read_yolo`.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If a file is malformed, an image is missing or a name is not mapped.
    """
    objects = {}
    paths = find_voc(data_dir, split)
    for done, path in enumerate(paths, 1):
        objects[path] = _objects(path)
        if on_image:
            on_image(done, len(paths))
    names = list(dict.fromkeys(name for rows in objects.values() for name, _, _ in rows))
    targets = dict(zip(names, class_targets(names, mapping), strict=True))
    images = []
    for path, rows in objects.items():
        boxes = [
            (IGNORED if difficult else target, box)
            for name, difficult, box in rows
            if (target := targets[name]) is not None
        ]
        images.append(labelled(_image(path, data_dir, split), boxes))
    return sorted(images, key=lambda item: item.path.name)


def _objects(path: DataPath) -> list[tuple[str, bool, list[float]]]:
    """Name, whether it is difficult, and box of each object of one file."""
    try:
        if size_bytes(path) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // 2**20} MB")
        root = ElementTree.fromstring(path.read_bytes())
        return [
            (_text(item, "name"), item.findtext("difficult", "0").strip() == "1", _corners(item))
            for item in root.iter("object")
        ]
    # LookupError: an unknown encoding. The message of an OSError contains the whole path.
    except _MALFORMED as error:
        reason = type(error).__name__ if isinstance(error, OSError) else str(error)[:300]
        raise DataError(
            f"{path.name} is not a Pascal VOC annotation ({reason}).",
            "It needs objects with a name and a bndbox.",
        ) from error


def _corners(item: Any) -> list[float]:
    box = item.find("bndbox")
    if box is None:
        raise ValueError("an object without bndbox")
    x1, y1, x2, y2 = (float(_text(box, name)) for name in ("xmin", "ymin", "xmax", "ymax"))
    corners = [x1 - 1, y1 - 1, x2, y2]
    if not all(map(math.isfinite, corners)) or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"a box without an area: {x1}, {y1}, {x2}, {y2}")
    return corners


def _text(item: Any, name: str) -> str:
    text = item.findtext(name)
    if text is None or not text.strip():
        raise ValueError(f"{item.tag} without {name}")
    return str(text).strip()


def _image(path: DataPath, data_dir: DataPath, split: str) -> DataPath:
    folders = (
        data_dir / "JPEGImages",
        data_dir / "images" / split,
        data_dir / "images",
        path.parent,
    )
    for folder in folders:
        for suffix in SUFFIXES:
            for found in (folder / f"{path.stem}{suffix}", folder / f"{path.stem}{suffix.upper()}"):
                if found.is_file():
                    return found
    raise DataError(
        f"The image of {path.name} is not in {data_dir.name}.", "Put it in JPEGImages/."
    )
