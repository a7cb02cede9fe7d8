"""C-NMC: single cells cut out on black, as a YOLO dataset of small fields to train with.

A. Gupta, R. Gupta: C-NMC 2019, The Cancer Imaging Archive, DOI 10.7937/tcia.2019.dc64i46r (CC BY):
lymphoblasts and normal lymphoid cells of bone marrow. The pictures are their authors' and are not
part of allcell. They have neither red cells nor an empty slide, so nothing is scored on them: they
are material, whose colour is brought to that of `allcell.imaging.stain`'s reference.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from allcell.data.dataset import OnImage
from allcell.data.folders import refuse_to_overwrite
from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.errors import DataError
from allcell.imaging.images import RGBImage, decode, encode_png
from allcell.imaging.stain import REFERENCE_LIGHT
from allcell.models.registry import BLAST, HEALTHY

#: Folders of a copy, and what their cells are.
_FOLDERS = {"leukemia": BLAST, "healthy": HEALTHY}
#: Cells taken of each class; more of them did not fit the memory of a small computer in training.
EACH = 700
#: Colour of its empty slide and of its nuclei, RGB. The slide's is a guess, for it was painted
#: black; of the nuclei the median over 200 cells is (63, 24, 74).
_LIGHT = np.array((200.0, 190.0, 190.0))
_NUCLEI = np.array((66.0, 25.0, 75.0))
#: Optical density of nuclei in ALL-IDB1's training fields, by channel.
_DENSITY = np.array((0.55, 1.25, 0.22))
_BLACK = 8
_MARGIN_PX = 24


@dataclass(frozen=True)
class SingleCells:
    """What was written.

    Attributes:
        blasts: Number of lymphoblasts.
        healthy: Number of normal cells.
    """

    blasts: int
    healthy: int


def import_single_cells(
    source: Path,
    destination: Path,
    *,
    each: int = EACH,
    seed: int = 1,
    on_image: OnImage | None = None,
) -> SingleCells:
    """Write cells of C-NMC, each on a slide of one colour, as `images/train` and `labels/train`.

    Args:
        source: Folder with `leukemia/` and `healthy/`, one cell a picture, on black.
        destination: Folder to write; files of an earlier import are replaced.
        each: Cells of each class, drawn at random.
        seed: Which ones.
        on_image: Called with the number of cells written and of all; may raise to stop.

    Raises:
        DataError: If a folder has too few pictures, or a picture shows no cell on black.
        ImageError: If a picture cannot be read.
    """
    refuse_to_overwrite(source, destination)
    draw = random.Random(seed)
    chosen: list[tuple[Path, int]] = []
    for folder, class_id in _FOLDERS.items():
        pictures = sorted(path for path in (source / folder).glob("*") if path.is_file())
        if len(pictures) < each:
            raise DataError(
                f"{source / folder} has {len(pictures)} pictures, expected at least {each}.",
                "Give the folder that holds leukemia/ and healthy/ of a copy of C-NMC.",
            )
        chosen += [(path, class_id) for path in draw.sample(pictures, each)]
    for n, (path, class_id) in enumerate(chosen, 1):
        picture, box = _on_a_slide(decode(path), path.name)
        target = destination / "images" / "train" / f"{path.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_png(picture))
        height, width = picture.shape[:2]
        x1, y1, x2, y2 = box
        labels: Labels = [
            (
                class_id,
                (x1 + x2) / 2 / width,
                (y1 + y2) / 2 / height,
                (x2 - x1) / width,
                (y2 - y1) / height,
            )
        ]
        write_labels(destination / "labels" / "train" / f"{path.stem}.txt", labels)
        if on_image:
            on_image(n, len(chosen))
    write_dataset_yaml(destination, ["train"])
    return SingleCells(each, each)


def _on_a_slide(image: RGBImage, name: str) -> tuple[RGBImage, Sequence[int]]:
    """A cell on a slide of the reference colour, with a margin, and its box x1 y1 x2 y2."""
    cell = _largest(image.max(axis=2) > _BLACK)
    if cell is None or cell.all():
        raise DataError(
            f"{name} does not show a cell on black.",
            "Use the pictures as their authors published them: every cell cut out.",
        )
    rows, columns = np.flatnonzero(cell.any(axis=1)), np.flatnonzero(cell.any(axis=0))
    y1, y2, x1, x2 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    scale = _DENSITY / np.log((_LIGHT + 1) / (_NUCLEI + 1))
    density = np.log((_LIGHT + 1) / (image.astype(np.float64) + 1)) * scale
    slide = np.array(REFERENCE_LIGHT)
    stained = (slide + 1) * np.exp(-np.maximum(density, 0)) - 1
    edge = cv2.GaussianBlur(cell.astype(np.float32), (0, 0), 2)[..., None]
    laid = np.clip(edge * stained + (1 - edge) * slide, 0, 255).astype(np.uint8)
    top, left = max(0, y1 - _MARGIN_PX), max(0, x1 - _MARGIN_PX)
    cut = laid[top : y2 + _MARGIN_PX, left : x2 + _MARGIN_PX]
    return np.ascontiguousarray(cut), (x1 - left, y1 - top, x2 - left, y2 - top)


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """The largest connected part of a mask, without its outermost pixel; None if it has none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    part = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    eroded = cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return eroded if eroded.any() else None
