"""Reading a labelled YOLO folder for evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.folders import inside
from allcell.data.yolo import read_class_names
from allcell.data.zipped import DataPath, shown
from allcell.detections import Detections, FloatArray
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES, Limits, RGBImage, decode, size_px
from allcell.models.registry import BLAST, CLASSES

#: The only split of a set that is not divided.
WHOLE = "all"
#: Farthest that a corner may lie from the origin: up to there float32 holds whole pixels.
_FARTHEST_PX = 2.0**24

#: Called with the number of images read and their total; may raise to stop.
OnImage: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image and its ground truth, in pixels of the upright image.

    Attributes:
        path: The image file, on this computer or in a ZIP.
        truth: Cells of the classes blast, healthy, smudge.
        ignore: Boxes (K, 4) that count neither way: cells cut by the edge or of unknown class.
        centroids: Expert blast centroids x, y, shape (M, 2); None if nobody placed any here.
    """

    path: DataPath
    truth: Detections
    ignore: FloatArray
    centroids: FloatArray | None = None

    def pixels(self) -> RGBImage:
        """The picture, RGB uint8 (H, W, 3).

        Decoded on each call, since only the files of a whole set fit into memory.

        Raises:
            ImageError: If it cannot be read.
        """
        return decode(_file(self.path), name=self.path.name)

    @property
    def has_blast(self) -> bool:
        """Whether a box or an expert's centroid marks a blast.

        In ALL-IDB1 these are exactly the fields named `ImXXX_1`.
        """
        experts = 0 if self.centroids is None else len(self.centroids)
        return bool(experts or np.any(self.truth.class_id == BLAST))


def _file(path: DataPath) -> Path | bytes:
    """A picture as `images` takes it; the size of one in a ZIP is checked before it is unpacked."""
    if isinstance(path, Path):
        return path
    Limits.from_settings().check_bytes(path.size_bytes, repr(path.name))
    return path.read_bytes()


def read_yolo(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a YOLO folder.

    The folder holds `data.yaml` (`names:`), `images/<split>/*`, `labels/<split>/<stem>.txt` (one
    line per cell: class cx cy w h, or class and a polygon, in fractions of the image; an image
    without such a file has no cells), and optionally `ignore/<split>/<stem>.txt` (cx cy w h) and
    `xyc/<stem>.xyc` (x y in pixels). Images and labels may also lie in `<split>/images` and
    `<split>/labels`; the images of an undivided set, split `WHOLE`, in `images` itself.

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
    images, labels = yolo_folders(data_dir, split)
    for folder in (images, labels):
        if not folder.is_dir():
            raise DataError(
                f"There is no folder {shown(folder, data_dir)}.",
                "A YOLO data set has images/<split> and labels/<split>; check --data and --split.",
            )
    names = read_class_names(data_dir)
    paths = _pictures(images)
    if not paths:
        raise DataError(
            f"There is no image in {shown(images, data_dir)}.", "Check --data and --split."
        )
    cells = []
    for path in paths:
        if on_image:
            on_image(0, len(paths))
        cells.append(list(_cells(labels / f"{path.stem}.txt", data_dir, len(names))))
    used = sorted({class_id for rows in cells for _, class_id, _ in rows})
    wanted = class_targets([names[class_id] for class_id in used], mapping)
    targets = dict(zip(used, wanted, strict=True))
    found = []
    for done, (path, rows) in enumerate(zip(paths, cells, strict=True), 1):
        found.append(_read_image(path, data_dir, split, rows, targets))
        if on_image:
            on_image(done, len(paths))
    return found


def is_yolo(data_dir: DataPath, split: str) -> bool:
    """Whether a folder is a YOLO data set; `split` makes no difference."""
    return (data_dir / "data.yaml").is_file()


def yolo_splits(data_dir: DataPath) -> set[str] | None:
    """The splits of a YOLO data set that have labels; `WHOLE` if it is not divided.

    Returns:
        None if the folder is not a YOLO data set.
    """
    if not is_yolo(data_dir, WHOLE):
        return None
    names = {p.name for p in (*inside(data_dir), *inside(data_dir / "images")) if p.is_dir()}
    found = {n for n in names if all(folder.is_dir() for folder in yolo_folders(data_dir, n))}
    return found or ({WHOLE} if inside(data_dir / "labels") else set())


def yolo_folders(data_dir: DataPath, split: str) -> tuple[DataPath, DataPath]:
    """Folders of one split's images and labels, where the usual tools put them; may be missing."""
    images, labels = data_dir / "images", data_dir / "labels"
    if (images / split).is_dir():
        return images / split, labels / split
    if (data_dir / split / "images").is_dir():
        return data_dir / split / "images", data_dir / split / "labels"
    return (images, labels) if split == WHOLE else (images / split, labels / split)


def yolo_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of boxes of each class that has any in one split, by the folder's class names.

    Raises:
        DataError: If a file is missing or malformed.
    """
    names = read_class_names(data_dir)
    images, labels = yolo_folders(data_dir, split)
    if not (images.is_dir() and labels.is_dir()):
        return {}
    counts = Counter(
        class_id
        for path in _pictures(images)
        for _, class_id, _ in _cells(labels / f"{path.stem}.txt", data_dir, len(names))
    )
    return {name: counts[n] for n, name in enumerate(names) if counts[n]}


#: File and line, class, and fractions of one cell in a label file.
_LabelRow: TypeAlias = tuple[str, int, list[float]]


def _pictures(folder: DataPath) -> list[DataPath]:
    found = [path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES)]
    return sorted(found, key=lambda path: path.name)


def _cells(path: DataPath, data_dir: DataPath, classes: int) -> Iterator[_LabelRow]:
    for where, values in _lines(path, data_dir):
        if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
            raise _malformed(where, "class cx cy w h, or class and a polygon")
        if values[0] not in range(classes):
            raise _malformed(where, f"a class from 0 to {classes - 1}")
        yield where, int(values[0]), values[1:]


def _read_image(
    path: DataPath,
    data_dir: DataPath,
    split: str,
    cells: Sequence[_LabelRow],
    targets: Mapping[int, str | None],
) -> LabelledImage:
    width_px, height_px = size_px(_file(path), name=path.name)
    boxes: dict[str, list[list[float]]] = {name: [] for name in (*CLASSES, IGNORED)}
    for where, class_id, values in cells:
        target = targets[class_id]
        if target is not None:
            boxes[target].append(_corners(values, where))
    for where, values in _lines(data_dir / "ignore" / split / f"{path.stem}.txt", data_dir):
        if len(values) != 4:
            raise _malformed(where, "cx cy w h")
        boxes[IGNORED].append(_corners(values, where))
    points = None
    centroid_path = data_dir / "xyc" / f"{path.stem}.xyc"
    if centroid_path.is_file():
        rows = list(_lines(centroid_path, data_dir))
        for where, values in rows:
            if len(values) != 2 or not (0 <= values[0] <= width_px and 0 <= values[1] <= height_px):
                raise _malformed(where, f"x y within the {width_px} x {height_px} image")
        points = np.array([values for _, values in rows], np.float32).reshape(-1, 2)

    size = np.array([width_px, height_px, width_px, height_px])
    return labelled(
        path,
        [(name, (np.array(box) * size).tolist()) for name, rows in boxes.items() for box in rows],
        points,
    )


def labelled(
    path: DataPath,
    boxes: Sequence[tuple[str, Sequence[float]]],
    centroids: FloatArray | None = None,
) -> LabelledImage:
    """A `LabelledImage` from its boxes.

    Args:
        path: The image file.
        boxes: For each, one of `CLASSES` or `IGNORED`, and x1, y1, x2, y2 in pixels.
        centroids: See `LabelledImage`.

    Raises:
        DataError: If a box lies beyond any picture.
    """
    if boxes and not (np.abs([box for _, box in boxes]) <= _FARTHEST_PX).all():
        raise DataError(
            f"{path.name} has a labelled box beyond any picture.",
            "Correct its labels and try again.",
        )
    known = [(c, box) for c, name in enumerate(CLASSES) for kind, box in boxes if kind == name]
    ignored = [box for kind, box in boxes if kind == IGNORED]
    return LabelledImage(
        path,
        Detections.truth(np.array([box for _, box in known]).reshape(-1, 4), [c for c, _ in known]),
        np.array(ignored, np.float64).reshape(-1, 4).astype(np.float32),
        centroids,
    )


def _lines(path: DataPath, data_dir: DataPath) -> list[tuple[str, list[float]]]:
    """File and line, for messages, and numbers of each line that is not blank; [] if no file."""
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except ValueError as error:
        raise _malformed(shown(path, data_dir), "plain text") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{shown(path, data_dir)}, line {number}"
        try:
            values = [float(word) for word in line.split()]
        except ValueError as error:
            raise _malformed(where, "numbers") from error
        if values:
            rows.append((where, values))
    return rows


def _corners(values: Sequence[float], where: str) -> list[float]:
    """x1 y1 x2 y2 of cx cy w h, or of a polygon, all in fractions of the image."""
    numbers: npt.NDArray[np.float64] = np.array(values)
    # Label files are rounded to six digits: a box at the border may exceed it by as much.
    if not ((numbers >= -1e-4) & (numbers <= 1 + 1e-4)).all():
        raise _malformed(where, "fractions of the image, 0 to 1")
    if len(numbers) == 4:
        low, high = numbers[:2] - numbers[2:] / 2, numbers[:2] + numbers[2:] / 2
    else:
        points = numbers.reshape(-1, 2)
        low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).all():
        raise _malformed(where, "a box with an area")
    return [*np.clip(low, 0, 1).tolist(), *np.clip(high, 0, 1).tolist()]


def _malformed(where: str, expected: str) -> DataError:
    return DataError(f"{where}: expected {expected}.", "Correct the file and try again.")
