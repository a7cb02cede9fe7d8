"""A labelled image, whatever the format that its labels came in."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from allcell.boxes import nms
from allcell.data.class_names import IGNORED
from allcell.data.zipped import DataPath
from allcell.detections import Detections, FloatArray, IntArray
from allcell.errors import DataError, ImageError
from allcell.imaging.images import Limits, RGBImage, decode, pixel_count, size_px
from allcell.models.registry import BLAST, CLASSES

#: The only split of a set that is not divided.
WHOLE = "all"
#: Farthest that a corner may lie from the origin: up to there float32 holds whole pixels.
_FARTHEST_PX = 2.0**24
#: Farthest that a label may exceed its picture, as a share of the picture's side: a rounding, or a
#: hand that slipped, is cut off. Beyond that, it is in other units or of another picture.
OVERSHOOT = 0.1

#: Labels of one class that overlap more than this are of one cell, drawn twice. Annotators agree to
#: 0.7 and more; of neighbouring cells the closest pairs in the published sets have 0.52.
SAME_CELL = 0.6

#: Python does not promise that threads may read files of one ZIP at the same time.
UNPACKING = threading.Lock()

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
        name: What results call it, without suffix; the file's name if empty.
        merged: Labels that are not in `truth` since they nearly coincide with one of their class.
    """

    path: DataPath
    truth: Detections
    ignore: FloatArray
    centroids: FloatArray | None = None
    name: str = ""
    merged: int = 0

    def pixels(self) -> RGBImage:
        """The picture, RGB uint8 (H, W, 3).

        Decoded on each call, since only the files of a whole set fit into memory.

        Raises:
            ImageError: If it cannot be read.
        """
        return decode(file_of(self.path), name=self.path.name)

    def pixel_count(self) -> int:
        """How many pixels the picture has, from its header; 0 if it cannot be read."""
        try:
            return pixel_count(file_of(self.path))
        except (ImageError, DataError, OSError):
            return 0

    @property
    def called(self) -> str:
        """What results call it, without suffix: with its folder, if it is in one of its own."""
        return self.name or self.path.stem

    @property
    def has_blast(self) -> bool:
        """Whether a box or an expert's centroid marks a blast.

        In ALL-IDB1 these are exactly the fields named `ImXXX_1`.
        """
        experts = 0 if self.centroids is None else len(self.centroids)
        return bool(experts or np.any(self.truth.class_id == BLAST))


def picture_size_px(path: DataPath) -> tuple[int, int]:
    """Width and height of a picture of a set, upright, from its header where possible.

    Args:
        path: The image file.

    Raises:
        ImageError: If it cannot be read.
    """
    return size_px(file_of(path), name=path.name)


def file_of(path: DataPath) -> Path | bytes:
    """A picture as `images` takes it; the size of one in a ZIP is checked before it is unpacked.

    Args:
        path: The image file.

    Raises:
        ImageError: If it is larger than the limits.
        DataError: If it cannot be unpacked.
    """
    if isinstance(path, Path):
        return path
    Limits.from_settings().check_bytes(path.size_bytes, repr(path.name))
    with UNPACKING:
        return path.read_bytes()


def cut_to_picture(
    box: Sequence[float], size: tuple[int, int], where: str, remedy: str
) -> list[float]:
    """The part of a labelled box that is in its picture.

    Args:
        box: x1, y1, x2, y2 in pixels.
        size: Width and height of the picture in pixels.
        where: File and label, for messages.
        remedy: What to do if it is none.

    Raises:
        DataError: If it lies outside, or exceeds the picture by more than `OVERSHOOT`.
    """
    sides = np.array([*size, *size], np.float64)
    corners = np.array(box, np.float64)
    inside = np.clip(corners, 0, sides)
    far = np.abs(corners - inside) > OVERSHOOT * sides
    if far.any() or not (inside[2:] > inside[:2]).all():
        shown = ", ".join(f"{value:.6g}" for value in box)
        raise DataError(
            f"{where}: the box {shown} is not in its picture of {size[0]} x {size[1]} pixels.",
            remedy,
        )
    return [float(value) for value in inside]


def is_turned(degrees: object) -> bool:
    """Whether a labelling program turned a box, so that its sides are not the picture's.

    Args:
        degrees: What it says, a number or text; anything else is no turn.
    """
    try:
        angle = float(str(degrees)) % 180
    except ValueError:
        return False
    return min(angle, 180 - angle) > 1


def said_size(width: object, height: object) -> tuple[int, int] | None:
    """Width and height of a picture as its labels say them: 640, 640.0 or "640".

    Args:
        width: As it stands there; some programs write 0 or nothing for what they do not know.
        height: Likewise.

    Returns:
        In whole pixels; None if they are not said.
    """
    sides = [0.0]
    with suppress(ValueError):
        sides = [float(str(side).strip()) for side in (width, height)]
    # False for NaN.
    said = all(1 <= side <= _FARTHEST_PX for side in sides)
    return (round(sides[0]), round(sides[1])) if said else None


def check_said_size(said: tuple[int, int] | None, size: tuple[int, int], where: str) -> None:
    """Refuse labels that were made on a picture of another size: none of their boxes would fit.

    Args:
        said: Width and height of the picture by its labels; None if they do not say.
        size: Width and height of the picture.
        where: What messages call it.

    Raises:
        DataError: If they differ.
    """
    # Some programs round sizes; a pixel moves no box.
    if said is None or max(abs(said[0] - size[0]), abs(said[1] - size[1])) <= 1:
        return
    turned = " (turned upright, as its camera says, or the labels exchange the two)"
    turned = turned if said == size[::-1] else ""
    raise DataError(
        f"{where} has {size[0]} x {size[1]} pixels{turned}, but its labels are for a picture of "
        f"{said[0]} x {said[1]}.",
        "Use the picture that was labelled, or scale the labels with it.",
    )


def labelled(
    path: DataPath,
    boxes: Sequence[tuple[str, Sequence[float]]],
    centroids: FloatArray | None = None,
    *,
    name: str = "",
) -> LabelledImage:
    """A `LabelledImage` from its boxes; what is there twice, class and all, is one cell.

    Of boxes of one class that nearly coincide (see `SAME_CELL`), the first counts.

    Args:
        path: The image file.
        boxes: For each, one of `CLASSES` or `IGNORED`, and x1, y1, x2, y2 in pixels.
        centroids: See `LabelledImage`.
        name: See `LabelledImage`.

    Raises:
        DataError: If a box lies beyond any picture.
    """
    if boxes and not (np.abs([box for _, box in boxes]) <= _FARTHEST_PX).all():
        raise DataError(
            f"{path.name} has a labelled box beyond any picture.",
            "Correct its labels and try again.",
        )
    once = dict.fromkeys((kind, *map(float, box)) for kind, box in boxes)
    known = [(c, box) for c, kind in enumerate(CLASSES) for k, *box in once if k == kind]
    ignored = [box for kind, *box in once if kind == IGNORED]
    boxes_known = np.array([box for _, box in known], np.float32).reshape(-1, 4)
    kinds = np.array([c for c, _ in known], np.int64)
    kept = _one_each(boxes_known, kinds)
    return LabelledImage(
        path,
        Detections.truth(boxes_known[kept], kinds[kept]),
        np.array(ignored, np.float64).reshape(-1, 4).astype(np.float32),
        centroids,
        name,
        len(known) - len(kept),
    )


def _one_each(boxes: FloatArray, kinds: IntArray) -> IntArray:
    """Which boxes (N, 4) to keep so that no two of a class are of one cell, in their order."""
    kept: list[int] = []
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        # The earlier one counts as the surer one.
        order = np.linspace(1, 0.5, len(rows), dtype=np.float32)
        kept.extend(rows[nms(boxes[rows], order, SAME_CELL)].tolist())
    return np.array(sorted(kept), np.int64)


def data_sha256(
    images: Sequence[LabelledImage], on_image: Callable[[int, int], None] | None = None
) -> str:
    """SHA-256 over the images' names, bytes and labels, in the given order.

    Args:
        images: The images.
        on_image: Called with the number of images done and the total; may raise to stop.
    """
    digest = hashlib.sha256()
    for done, item in enumerate(images, 1):
        digest.update(item.path.name.encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(item.path.read_bytes()).digest())
        # Boxes to a tenth of a pixel: the last bits of a division are not data.
        for values in (item.truth.xyxy, item.ignore, item.centroids):
            rounded = None if values is None else np.round(values, 1).tolist()
            digest.update(json.dumps(rounded).encode())
        digest.update(json.dumps(item.truth.class_id.tolist()).encode())
        if on_image:
            on_image(done, len(images))
    return digest.hexdigest()
