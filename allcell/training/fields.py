"""Labelled fields in memory, ready to be cut into tiles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from allcell.data.dataset import LabelledImage
from allcell.data.yolo_sets import read_yolo
from allcell.detections import Detections
from allcell.imaging.stain import measure_stain, normalise
from allcell.training.packed import MeasuredField, cleaned, sizes_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingField:
    """One labelled field at a common magnification.

    Attributes:
        name: For messages.
        image: RGB uint8, (H, W, 3).
        truth: Boxes in pixels of `image`.
    """

    name: str
    image: npt.NDArray[np.uint8]
    truth: Detections


@dataclass(frozen=True, eq=False)
class Domain:
    """The fields of one laboratory.

    Attributes:
        name: For messages.
        fields: Its fields, all with red cells of `red_cell_px`.
        red_cell_px: Diameter of a red cell in these images.
    """

    name: str
    fields: tuple[TrainingField, ...]
    red_cell_px: float


def load_domain(
    name: str,
    data_dir: Path,
    split: str,
    red_cell_px: float,
    *,
    known_red_cell_px: float | None = None,
    clean: bool = True,
    normalise_stain: bool = False,
) -> Domain:
    """Read one split of a YOLO dataset and bring every field to one magnification.

    Args:
        name: Its name in messages.
        data_dir: A dataset folder (see `allcell.data.yolo_sets.read_yolo`), or a packed one (see
            `allcell.training.packed`).
        split: train, val, ...
        red_cell_px: Red-cell diameter in pixels to bring the fields to.
        known_red_cell_px: The diameter in the source images where one microscope took them all;
            None measures each field.
        clean: Paint over drawn arrows and over cells that have no label (cut by the edge); a packed
            dataset is clean.
        normalise_stain: Bring every field to one stain by its red cells, where they can be measured
            (see `allcell.imaging.stain`), as the detector does.

    Raises:
        DataError: If the dataset cannot be read.
    """
    labelled = read_yolo(data_dir, split)
    sizes, packed = sizes_of(data_dir, split, labelled, known_red_cell_px, red_cell_px)
    return domain_of(
        name,
        labelled,
        sizes,
        red_cell_px,
        clean=clean,
        normalise_stain=normalise_stain,
        measured=packed,
    )


def domain_of(
    name: str,
    labelled: Sequence[LabelledImage],
    sizes_px: Sequence[float],
    red_cell_px: float,
    *,
    clean: bool = True,
    normalise_stain: bool = False,
    arrows: bool = True,
    measured: Mapping[str, MeasuredField] | None = None,
) -> Domain:
    """Bring labelled fields to one magnification.

    Args:
        name: See `load_domain`, as the rest.
        labelled: The fields.
        sizes_px: Red-cell diameter in each of them, in px.
        red_cell_px: See `load_domain`.
        clean: See `load_domain`.
        normalise_stain: See `load_domain`.
        arrows: Whether drawn arrows are cleaned away, too; red cells may have their colour.
        measured: What was measured of each, by the stem of its file, if they are of a packed
            dataset.
    """

    def load(item: LabelledImage, size: float) -> TrainingField:
        factor = red_cell_px / size
        image = item.pixels()
        ruler = None
        if normalise_stain:
            ruler = measured[item.path.stem].ruler if measured else measure_stain(image, size)
        scaled = cleaned(item, image, factor, clean and measured is None, arrows=arrows)
        if ruler is not None:
            scaled = normalise(scaled, ruler)
        truth = Detections.truth(item.truth.xyxy * np.float32(factor), item.truth.class_id)
        return TrainingField(item.path.stem, scaled, truth)

    with ThreadPoolExecutor() as pool:
        fields = list(pool.map(load, labelled, sizes_px))
    log.info("%s: %d fields, %d cells", name, len(fields), sum(len(f.truth) for f in fields))
    return Domain(name, tuple(fields), red_cell_px)


def canvas(
    domain: Domain, first: TrainingField, side_px: int, rng: np.random.Generator
) -> TrainingField:
    """A picture of at least `side_px` on each side: the field itself, or several laid side by side.

    Small fields (one cell each) would otherwise teach a detector to look at the centre.
    """
    height, width = first.image.shape[:2]
    if min(height, width) >= side_px:
        return first
    columns, rows = -(-side_px // width), -(-side_px // height)
    picture = np.empty((rows * height, columns * width, 3), np.uint8)
    picture[:] = 200
    parts: list[Detections] = []
    place = int(rng.integers(rows * columns))
    for k in range(rows * columns):
        field = first if k == place else domain.fields[int(rng.integers(len(domain.fields)))]
        tile = field.image[:height, :width]
        x, y = (k % columns) * width, (k // columns) * height
        picture[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        offset = np.array([x, y, x, y], np.float32)
        limit = np.array([x + width, y + height] * 2, np.float32)
        parts.append(
            Detections.truth(np.minimum(field.truth.xyxy + offset, limit), field.truth.class_id)
        )
    return TrainingField(first.name, picture, Detections.concatenate(parts))


def class_counts(domains: Sequence[Domain], classes: int) -> npt.NDArray[np.int64]:
    """How many boxes each class has (classes,)."""
    ids = [field.truth.class_id for domain in domains for field in domain.fields]
    return np.bincount(np.concatenate(ids) if ids else np.zeros(0, int), minlength=classes)
