"""Reading a labelled YOLO folder for evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.dataset import (
    OVERSHOOT,
    LabelledImage,
    OnImage,
    labelled,
    picture_size_px,
)
from allcell.data.folders import Tree, child
from allcell.data.unpaired import counted_as_empty, left_out_labels
from allcell.data.yolo import (
    find_names,
    has_key_points,
    holds_labels,
    label_lines,
    malformed,
    read_class_names,
)
from allcell.data.yolo_parts import Place, listed_pictures, said_otherwise, yolo_places
from allcell.data.zipped import DataPath, shown
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES, SUPPORTED
from allcell.models.registry import CLASSES

#: File and line, class, and fractions of one cell in a label file.
_LabelRow: TypeAlias = tuple[str, int, list[float]]
_NO_CORNERS = "class, centre, width and height of a box in the image, not two corners"


@dataclass(frozen=True)
class _Picture:
    """One picture of a set: file, path in its folder without suffix, name in results, labels."""

    path: DataPath
    stem: str
    called: str
    labels: DataPath | None


def read_yolo(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a YOLO folder.

    The folder holds `data.yaml` (`names:`, and where each split lies if it says so; see
    `yolo_parts.yolo_places`), `images/<split>/*`, `labels/<split>/<stem>.txt` (one
    line per cell: class cx cy w h, maybe with a confidence, or class and a polygon, in fractions of
    the image; an image without such a file has no cells), and optionally
    `ignore/<split>/<stem>.txt` (cx cy w h) and `xyc/<stem>.xyc` (x y in pixels). Images and labels
    may also lie in `<split>/images` and `<split>/labels`; the images of an undivided set, split
    `WHOLE`, in `images` itself. In each of these there may be further folders, the same for images
    and labels.

    Args:
        data_dir: The folder.
        split: `test`, for example.
        mapping: From the folder's class names to `blast`, `healthy`, `smudge`, `ignore`, or None
            for a class to leave out, not a white cell. Names that allcell uses itself need no
            entry (`cancer` is blast, `cut` is ignore), nor do classes without a cell in the split.
        on_image: Called with the number of images read and their total; may raise to stop.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If a folder or file is missing or malformed, or a class is not mapped.
        ImageError: If an image cannot be read.
    """
    places = yolo_places(data_dir, split)
    for folder in (folder for place in places for folder in (place.images, place.labels)):
        if not folder.is_dir():
            raise DataError(
                f"There is no folder {shown(folder, data_dir)}.",
                "A YOLO data set has images/<split> and labels/<split>; check --data and --split.",
            )
    names, bare = read_class_names(data_dir), has_key_points(data_dir)
    pictures = _pictures(places, data_dir, split)
    if not pictures:
        raise DataError(
            f"There is no image in {shown(places[0].images, data_dir)}.",
            "Check --data and --split.",
        )
    cells = []
    for picture in pictures:
        if on_image:
            on_image(0, len(pictures))
        cells.append(list(_cells(picture.labels, data_dir, len(names), bare)))
    _refuse_corners([row for rows in cells for row in rows])
    used = sorted({class_id for rows in cells for _, class_id, _ in rows})
    wanted = class_targets([names[class_id] for class_id in used], mapping)
    targets = dict(zip(used, wanted, strict=True))
    ignored = Tree(child(data_dir / "ignore", split))
    experts = Tree(data_dir / "xyc")
    found = []
    for done, (picture, rows) in enumerate(zip(pictures, cells, strict=True), 1):
        cut = list(label_lines(ignored.find(f"{picture.stem}.txt"), data_dir))
        points = experts.find(f"{picture.stem}.xyc")
        found.append(_read_image(picture, data_dir, rows, targets, cut, points))
        if on_image:
            on_image(done, len(pictures))
    return found


def is_yolo(data_dir: DataPath, split: str) -> bool:
    """Whether a folder is a YOLO data set; `split` makes no difference."""
    return find_names(data_dir) is not None


def yolo_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of boxes of each class that has any in one split, by the folder's class names.

    Raises:
        DataError: If a file is missing or malformed.
    """
    names, bare = read_class_names(data_dir), has_key_points(data_dir)
    places = yolo_places(data_dir, split)
    if not all(place.images.is_dir() and place.labels.is_dir() for place in places):
        return {}
    # By name: two classes may have the same.
    counts = Counter(
        names[class_id]
        for picture in _pictures(places, data_dir, split)
        for _, class_id, _ in _cells(picture.labels, data_dir, len(names), bare)
    )
    return {name: counts[name] for name in dict.fromkeys(names) if counts[name]}


def yolo_notes(data_dir: DataPath, split: str) -> list[str]:
    """What is to be known of a split's pictures without labels, and labels without a picture.

    Also where `data.yaml` put the split, if a folder of its name is there too.

    Raises:
        DataError: As in `read_yolo`.
    """
    places = yolo_places(data_dir, split)
    pictures = _pictures(places, data_dir, split)
    lonely = [path.name for place in places for path in _pair(place, data_dir)[1]]
    bare = [picture.path.name for picture in pictures if picture.labels is None]
    return [
        *said_otherwise(data_dir, split, places),
        *counted_as_empty(bare, len(pictures)),
        *left_out_labels(lonely, len(pictures) - len(bare) + len(lonely)),
    ]


def _pictures(places: Sequence[Place], data_dir: DataPath, split: str) -> list[_Picture]:
    """The pictures of a part by name, each with its labels.

    Raises:
        DataError: If it is not clear which labels are whose.
    """
    found = [picture for place in places for picture in _pair(place, data_dir)[0]]
    listed = listed_pictures(data_dir, split)
    if listed is None:
        return found
    shots = [Tree(place.images) for place in places]
    chosen = set()
    for where, name in listed:
        image = next((near for tree in shots if (near := tree.find_end(name))), None)
        if image is None:
            raise malformed(where, f"a picture in {shown(places[0].images, data_dir)}, not {name}")
        chosen.add(image)
    return [picture for picture in found if picture.path in chosen]


def _pair(place: Place, data_dir: DataPath) -> tuple[list[_Picture], list[DataPath]]:
    """The pictures of a place, each with its labels, and the labels that belong to none."""
    texts, shots = Tree(place.labels), Tree(place.images)
    found: list[_Picture] = []
    owners: dict[DataPath, DataPath] = {}
    other: dict[DataPath, DataPath | None] = {}
    for name, path in shots.files.items():
        stem = str(PurePosixPath(name).with_suffix(""))
        own = texts.find(f"{stem}.txt")
        if not name.lower().endswith(SUFFIXES):
            if own not in (None, path):
                other[path] = own
            continue
        if own is not None and owners.setdefault(own, path) != path:
            raise DataError(
                f"{shown(owners[own], data_dir)} and {shown(path, data_dir)} share the labels "
                f"{shown(own, data_dir)}.",
                "Keep one of the two, or give them names of their own.",
            )
        found.append(_Picture(path, stem, f"{place.before}{stem}", own))
    if strange := next((path for path, own in other.items() if own not in owners), None):
        raise DataError(
            f"{shown(strange, data_dir)} has labels, but is not a kind of picture that is read.",
            f"Save it as {SUPPORTED}.",
        )
    bare = next((picture for picture in found if picture.labels is None), None)
    left = (path for path in texts.files.values() if path not in owners)
    lonely = [path for path in left if holds_labels(path, data_dir)]
    # Either alone is usual: a picture without a cell, labels of a picture that was taken out.
    if bare is not None and lonely:
        raise DataError(
            f"{shown(lonely[0], data_dir)} belongs to no picture, and {shown(bare.path, data_dir)} "
            "has no labels.",
            "Give labels the name and the folder of their picture, and take out those without one.",
        )
    return found, lonely


def _cells(
    path: DataPath | None, data_dir: DataPath, classes: int, key_points: bool
) -> Iterator[_LabelRow]:
    for where, row in label_lines(path, data_dir):
        values = row[:5] if key_points else row
        # The sixth value is the confidence of whoever suggested the box.
        sixth = len(values) == 6 and 0 <= values[5] <= 1
        if len(values) != 5 and not sixth and (len(values) < 7 or len(values) % 2 == 0):
            raise malformed(where, "class cx cy w h, or class and a polygon")
        if values[0] not in range(classes):
            raise malformed(where, f"a class from 0 to {classes - 1}")
        yield where, int(values[0]), values[1:5] if sixth else values[1:]


def _refuse_corners(rows: Sequence[_LabelRow]) -> None:
    """Refuse a part whose boxes are two corners each: they would be cells of other sizes elsewhere.

    Then the second number exceeds the first in all, and some reach beyond their picture if they are
    read as centre and size.
    """
    boxes = [(where, values) for where, _, values in rows if len(values) == 4]
    if len(boxes) < 2 or any(w <= cx or h <= cy for _, (cx, cy, w, h) in boxes):
        return
    for where, (cx, cy, w, h) in boxes:
        if max(cx + w / 2, cy + h / 2) > 1.005:
            raise malformed(where, _NO_CORNERS)


def _read_image(
    picture: _Picture,
    data_dir: DataPath,
    cells: Sequence[_LabelRow],
    targets: Mapping[int, str | None],
    cut: Sequence[tuple[str, list[float]]],
    centroid_path: DataPath | None,
) -> LabelledImage:
    width_px, height_px = picture_size_px(picture.path)
    boxes: dict[str, list[list[float]]] = {name: [] for name in (*CLASSES, IGNORED)}
    for where, class_id, values in cells:
        target = targets[class_id]
        box = _corners(values, where)
        if target is not None:
            boxes[target].append(box)
    for where, values in cut:
        if len(values) != 4:
            raise malformed(where, "cx cy w h")
        boxes[IGNORED].append(_corners(values, where))
    points = None
    if centroid_path is not None:
        rows = list(label_lines(centroid_path, data_dir))
        for where, values in rows:
            if len(values) != 2 or not (0 <= values[0] <= width_px and 0 <= values[1] <= height_px):
                raise malformed(where, f"x y within the {width_px} x {height_px} image")
        points = np.array([values for _, values in rows], np.float32).reshape(-1, 2)
    size = np.array([width_px, height_px, width_px, height_px])
    return labelled(
        picture.path,
        [(name, (np.array(box) * size).tolist()) for name, rows in boxes.items() for box in rows],
        points,
        name=picture.called,
    )


def _corners(values: Sequence[float], where: str) -> list[float]:
    """x1 y1 x2 y2 of cx cy w h, or of a polygon, all in fractions of the image."""
    numbers: npt.NDArray[np.float64] = np.array(values)
    if not ((numbers >= -OVERSHOOT) & (numbers <= 1 + OVERSHOOT)).all():
        raise malformed(where, "fractions of the image, 0 to 1")
    if len(numbers) == 4:
        low, high = numbers[:2] - numbers[2:] / 2, numbers[:2] + numbers[2:] / 2
    else:
        points = numbers.reshape(-1, 2)
        low, high = points.min(axis=0), points.max(axis=0)
    inner = np.clip(low, 0, 1), np.clip(high, 0, 1)
    if not (inner[1] > inner[0]).all():
        raise malformed(where, "a box with an area, in the image")
    if low.min() < -OVERSHOOT or high.max() > 1 + OVERSHOOT:
        raise malformed(where, _NO_CORNERS)
    return [*inner[0].tolist(), *inner[1].tolist()]
