"""Reading a data set in COCO's format for evaluation."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.dataset import WHOLE, LabelledImage, OnImage, labelled
from allcell.data.folders import inside
from allcell.data.zipped import DataPath, shown, size_bytes
from allcell.errors import DataError

#: Larger annotation files are refused, because they are read whole.
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class _Content:
    """An annotation file: names of categories and images by id, and the annotations."""

    categories: dict[int, str]
    files: dict[int, str]
    annotations: list[dict[str, Any]]

    def counts(self) -> dict[str, int]:
        """Number of boxes of each category that has any."""
        used = Counter(int(a["category_id"]) for a in self.annotations)
        return {name: used[n] for n, name in self.categories.items() if n in used}


#: What reading may raise on a file that is not an annotation file.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def find_coco(data_dir: DataPath, split: str) -> DataPath | None:
    """The annotation file of one split, where the usual tools put it; None if there is none."""
    places = (
        data_dir / "annotations" / f"instances_{split}.json",
        data_dir / "annotations" / f"{split}.json",
        data_dir / split / "_annotations.coco.json",
        data_dir / f"{split}.json",
        data_dir / "annotations.json",
    )
    return next((path for path in places if path.is_file()), None)


def is_coco(data_dir: DataPath, split: str) -> bool:
    """Whether one split of a folder has an annotation file (see `find_coco`)."""
    return find_coco(data_dir, split) is not None


def coco_splits(data_dir: DataPath) -> set[str] | None:
    """The splits of a COCO data set; `WHOLE` if it is not divided.

    Returns:
        None if the folder is not a COCO data set.
    """
    files = [*inside(data_dir / "annotations"), *inside(data_dir)]
    names = [p.stem.removeprefix("instances_") for p in files if p.name.endswith(".json")]
    names += [path.name for path in inside(data_dir) if path.is_dir()]
    whole = data_dir / "annotations.json"
    found = {name for name in names if find_coco(data_dir, name) not in (None, whole)}
    return found or ({WHOLE} if whole.is_file() else None)


def coco_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of boxes of each category that has any.

    Args:
        data_dir: Folder of the data set.
        split: Name of the split.

    Raises:
        DataError: If the annotation file is missing or malformed.
    """
    path = _annotation_file(data_dir, split)
    try:
        return _read(path).counts()
    except _MALFORMED as error:
        raise _malformed(path, error) from error


def read_coco(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a COCO data set.

    Image files are looked for next to the annotation file and in `images/<split>`, `<split>`,
    `images` and the folder itself. A crowd (`iscrowd`) counts neither for nor against a model.

    Args:
        data_dir: Folder of the data set; its annotation file is where `find_coco` looks.
        split: Name of the split.
        mapping: See `dataset.read_yolo`; from the names of the categories.
        on_image: See `dataset.read_yolo`.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If the annotation file is missing or malformed, an image is missing or a category
            is not mapped.
    """
    path = _annotation_file(data_dir, split)
    try:
        content = _read(path)
        names = list(content.counts())
        targets = dict(zip(names, class_targets(names, mapping), strict=True))
        boxes: dict[int, list[tuple[str, list[float]]]] = {number: [] for number in content.files}
        for item in content.annotations:
            target = targets[content.categories[int(item["category_id"])]]
            if target is None:
                continue
            kind = IGNORED if item.get("iscrowd") else target
            boxes[int(item["image_id"])].append((kind, _corners(item["bbox"])))
    except _MALFORMED as error:
        raise _malformed(path, error) from error
    folders = (path.parent, data_dir / "images" / split, data_dir / split, data_dir / "images")
    images = []
    for done, (number, rows) in enumerate(boxes.items(), 1):
        image = _image(content.files[number], (*folders, data_dir), data_dir)
        images.append(labelled(image, rows))
        if on_image:
            on_image(done, len(boxes))
    if not images:
        raise DataError(f"{path.name} names no image.", "Check --data and --split.")
    return sorted(images, key=lambda item: item.path.name)


def _annotation_file(data_dir: DataPath, split: str) -> DataPath:
    path = find_coco(data_dir, split)
    if path is None:
        raise DataError(
            f"{shown(data_dir, data_dir)} has no COCO annotation file for a split {split!r}.",
            "It belongs in annotations/instances_<split>.json.",
        )
    return path


def _read(path: DataPath) -> _Content:
    if size_bytes(path) > MAX_BYTES:
        raise DataError(
            f"{path.name} is larger than {MAX_BYTES // 2**20} MB.", "Split the data set."
        )
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return _Content(
        {int(c["id"]): str(c["name"]) for c in content["categories"]},
        {int(i["id"]): str(i["file_name"]) for i in content["images"]},
        list(content["annotations"]),
    )


def _malformed(path: DataPath, error: Exception) -> DataError:
    return DataError(
        f"{path.name} is not a COCO annotation file ({type(error).__name__}: {str(error)[:300]}).",
        "It needs images, categories, and annotations with image_id, category_id and bbox.",
    )


def _corners(bbox: Any) -> list[float]:
    x, y, width, height = (float(value) for value in bbox)
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        raise ValueError(f"bbox {bbox}: expected x, y, width and height with an area")
    return [x, y, x + width, y + height]


def _image(name: str, folders: tuple[DataPath, ...], data_dir: DataPath) -> DataPath:
    for folder in folders:
        found = folder / name
        # A file name may include a folder, but not lead out of the data set; a ZIP has no outside.
        if found.is_file() and _is_within(found, data_dir):
            return found
    raise DataError(
        f"The image {name} is not in {data_dir.name}.", "Put it in images/ or next to the labels."
    )


def _is_within(found: DataPath, data_dir: DataPath) -> bool:
    if isinstance(found, Path) and isinstance(data_dir, Path):
        return found.resolve().is_relative_to(data_dir.resolve())
    return True
