"""Reading a data set in COCO's format for evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allcell.data.dataset import LabelledImage, class_targets, labelled
from allcell.errors import DataError

#: Larger annotation files are refused: they are read whole.
MAX_BYTES = 256 * 2**20


def find_coco(data_dir: Path, split: str) -> Path | None:
    """The annotation file of one split, where the usual tools put it; None if there is none."""
    places = (
        data_dir / "annotations" / f"instances_{split}.json",
        data_dir / "annotations" / f"{split}.json",
        data_dir / split / "_annotations.coco.json",
        data_dir / f"{split}.json",
        data_dir / "annotations.json",
    )
    return next((path for path in places if path.is_file()), None)


def read_coco(
    path: Path, data_dir: Path, split: str, *, mapping: Mapping[str, str | None] | None = None
) -> list[LabelledImage]:
    """Read one split of a COCO data set.

    Image files are looked for beside the annotation file and in `images/<split>`, `<split>`,
    `images` and the folder itself. A crowd (`iscrowd`) counts neither way.

    Args:
        path: The annotation file (see `find_coco`).
        data_dir: Folder of the data set.
        split: Which part of it.
        mapping: As of `dataset.read_yolo`, from the names of the categories.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If the file is malformed, an image is missing or a category is not mapped.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(
            f"{path.name} is larger than {MAX_BYTES // 2**20} MB.", "Split the data set."
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        categories = {int(c["id"]): str(c["name"]) for c in content["categories"]}
        files = {int(i["id"]): str(i["file_name"]) for i in content["images"]}
        used = {int(a["category_id"]) for a in content["annotations"]}
        names = [name for number, name in categories.items() if number in used]
        targets = dict(zip(names, class_targets(names, mapping), strict=True))
        boxes: dict[int, list[tuple[str, list[float]]]] = {number: [] for number in files}
        for item in content["annotations"]:
            target = targets[categories[int(item["category_id"])]]
            if target is None:
                continue
            kind = "ignore" if item.get("iscrowd") else target
            boxes[int(item["image_id"])].append((kind, _corners(item["bbox"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path.name} is not a COCO annotation file ({type(error).__name__}: {error}).",
            "It needs images, categories, and annotations with image_id, category_id and bbox.",
        ) from error
    folders = (path.parent, data_dir / "images" / split, data_dir / split, data_dir / "images")
    images = [
        labelled(_image(files[number], (*folders, data_dir), data_dir), rows)
        for number, rows in boxes.items()
    ]
    if not images:
        raise DataError(f"{path.name} names no image.", "Check --data and --split.")
    return sorted(images, key=lambda item: item.path.name)


def _corners(bbox: Any) -> list[float]:
    x, y, width, height = (float(value) for value in bbox)
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        raise ValueError(f"bbox {bbox}: expected x, y, width and height with an area")
    return [x, y, x + width, y + height]


def _image(name: str, folders: tuple[Path, ...], data_dir: Path) -> Path:
    root = data_dir.resolve()
    for folder in folders:
        found = folder / name
        # A file name may hold a folder, but may not lead out of the data set.
        if found.is_file() and found.resolve().is_relative_to(root):
            return found
    raise DataError(
        f"The image {name} is not in {data_dir.name}.", "Put it into images/ or beside the labels."
    )
