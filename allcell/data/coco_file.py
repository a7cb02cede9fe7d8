"""An annotation file in COCO's format: read, and checked entry by entry."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from allcell.data.dataset import is_turned, said_size
from allcell.data.folders import read_words
from allcell.data.zipped import DataPath, size_bytes
from allcell.errors import DataError

#: Larger annotation files are refused, because they are read whole.
MAX_BYTES = 256 * 2**20

_NEEDED = "It needs images, categories, and annotations with image_id, category_id and bbox."


@dataclass(frozen=True)
class ListedImage:
    """An image as an annotation file lists it.

    Attributes:
        name: Its file, maybe with folders before it.
        size_px: Width and height in pixels; None if they are not said.
    """

    name: str
    size_px: tuple[int, int] | None


@dataclass(frozen=True)
class LabelledBox:
    """One annotation.

    Attributes:
        where: What messages call it.
        image: Id of its image.
        category: Id of its category.
        crowd: Whether it counts neither for nor against a model.
        corners: x1, y1, x2, y2 in pixels.
    """

    where: str
    image: str
    category: str
    crowd: bool
    corners: list[float]


@dataclass(frozen=True)
class Annotations:
    """What an annotation file holds.

    Attributes:
        categories: Their names by id.
        images: By id.
        boxes: Each of a category and an image that are there.
    """

    categories: dict[str, str]
    images: dict[str, ListedImage]
    boxes: list[LabelledBox]

    def counts(self) -> dict[str, int]:
        """Number of boxes of each category that has any; two of one name are one."""
        used = Counter(self.categories[box.category] for box in self.boxes)
        return {name: used[name] for name in dict.fromkeys(self.categories.values()) if used[name]}


def read_annotations(path: DataPath, data_dir: DataPath) -> Annotations:
    """Read an annotation file.

    Args:
        path: The file.
        data_dir: Folder of its set.

    Raises:
        DataError: If it is not one; the message names the entry that is wrong.
    """
    if size_bytes(path) > MAX_BYTES:
        raise DataError(
            f"{path.name} is larger than {MAX_BYTES // 2**20} MB.", "Split the data set."
        )
    try:
        content = json.loads(read_words(path, data_dir), object_pairs_hook=_object)
        if isinstance(content, list):
            raise ValueError("it is a list, as results are, not labels")
        boxes = list(_boxes(content))
        categories = dict(_named(content, "categories", "category", "name"))
        images = _images(content)
    # The last: lists nested too deeply.
    except (ValueError, RecursionError) as error:
        words = str(error)[:300] if isinstance(error, ValueError) else "nested too deeply"
        raise malformed_coco(path, words) from error
    if boxes and all(max(box.corners) <= 1 for box in boxes):
        raise malformed_coco(
            path,
            "all its boxes lie within 1 pixel: they seem to be fractions of the picture",
            "Write them in pixels: x and width times the picture's width, y and height times its "
            "height.",
        )
    return Annotations(categories, images, boxes)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = Counter(key for key, _ in pairs)
        raise ValueError(f"{next(key for key in keys if keys[key] > 1)!r} is said twice")
    return made


def _items(content: Any, key: str, what: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of one of its lists, each with what messages call it."""
    listed = content.get(key) if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f"it has no list of {key}")
    found = []
    for number, item in enumerate(listed, 1):
        if not isinstance(item, dict):
            raise ValueError(f"{what} number {number} is no object with fields")
        where = f"{what} {item['id']!r}" if "id" in item else f"{what} number {number}"
        found.append((where[:80], item))
    return found


def _field(item: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in item:
        raise ValueError(f"{where} has no {key}")
    return item[key]


def _id(item: Mapping[str, Any], key: str, where: str) -> str:
    """An id as text, so that 7 and "7" are the same."""
    value = _field(item, key, where)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"{where}: {key} {value!r} is neither a whole number nor text")
    return str(value).strip() if isinstance(value, str) else f"{value:d}"


def _named(content: Any, key: str, what: str, field: str) -> Iterable[tuple[str, str]]:
    """Id and name of each category or image."""
    known: dict[str, str] = {}
    for where, item in _items(content, key, what):
        number, name = _id(item, "id", where), _field(item, field, where)
        if not isinstance(name, int | str) or not (name := str(name).strip()):
            raise ValueError(f"{where} has no {field}")
        if known.setdefault(number, name) != name:
            raise ValueError(f"the id {number} stands for two, {known[number]} and {name}")
    return known.items()


def _images(content: Any) -> dict[str, ListedImage]:
    names = dict(_named(content, "images", "image", "file_name"))
    found: dict[str, ListedImage] = {}
    for where, item in _items(content, "images", "image"):
        number = _id(item, "id", where)
        size = said_size(item.get("width"), item.get("height"))
        found[number] = ListedImage(names[number], size)
    return found


def _boxes(content: Any) -> Iterable[LabelledBox]:
    categories = dict(_named(content, "categories", "category", "name"))
    images = dict(_named(content, "images", "image", "file_name"))
    for where, item in _items(content, "annotations", "annotation"):
        image, category = _id(item, "image_id", where), _id(item, "category_id", where)
        if image not in images:
            raise ValueError(f"{where} is of image {image}, which is not among them")
        if category not in categories:
            raise ValueError(f"{where} is of category {category}, which is not among them")
        said = item.get("attributes")
        degrees = said.get("rotation") if isinstance(said, dict) else None
        if is_turned(degrees):
            raise ValueError(f"{where} is turned by {str(degrees)[:20]} degrees, expected upright")
        bbox = item.get("bbox") or _around(item.get("segmentation"))
        corners = _corners(_field(item, "bbox", where) if bbox is None else bbox, where)
        yield LabelledBox(where, image, category, _is_crowd(item.get("iscrowd"), where), corners)


def _is_crowd(value: Any, where: str) -> bool:
    if value in (None, "", 0, "0", "false", "False"):
        return False
    if value in (1, "1", "true", "True"):
        return True
    raise ValueError(f"{where}: iscrowd {value!r} is neither 0 nor 1")


def _around(polygons: Any) -> list[float] | None:
    """The bbox of polygons, which some programs write alone; None if there are none."""
    try:
        points = np.concatenate([np.array(p, np.float64).reshape(-1, 2) for p in polygons])
        low, high = points.min(axis=0), points.max(axis=0)
    except (ValueError, TypeError, OverflowError):
        return None
    return [*low.tolist(), *(high - low).tolist()]


def _corners(bbox: Any, where: str) -> list[float]:
    try:
        # Text is a row of letters, each of which may be a number.
        values = [] if isinstance(bbox, str) else [float(value) for value in bbox]
        x, y, width, height = values
    except (ValueError, TypeError, OverflowError):
        x = y = width = height = math.nan
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        raise ValueError(
            f"{where}: bbox {str(bbox)[:80]}, expected x, y, width and height with an area"
        )
    return [x, y, x + width, y + height]


def malformed_coco(path: DataPath, words: str, remedy: str = _NEEDED) -> DataError:
    """The error for a file that is not what it should be; arguments: file, reason, what to do."""
    return DataError(f"{path.name} is not a COCO annotation file ({words}).", remedy)
