"""YOLO datasets of rendered smears, for training and for trying out how a model is taught."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.imaging.images import encode_jpeg, encode_png
from allcell.synth import SyntheticField, random_spec, render
from allcell.synth.samples import TAUGHT, TESTED, UnknownLaboratory

#: Folders of a laboratory: pictures as they come from a microscope, and a labelled set.
UPLOAD, LABELLED = "upload", "labelled"


def make_synthetic(
    destination: Path,
    count: int,
    *,
    red_cell_px: float = 32.0,
    side_px: int = 640,
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
) -> None:
    """Blasts in stains that the real data sets lack, in `images/train` and `labels/train`.

    Args:
        destination: Folder to write.
        count: Number of fields.
        red_cell_px: Red-cell diameter in all of them, in pixels.
        side_px: Width and height of each.
        seed: Seed and number of the first field; each further one adds 1.
        on_image: Called with the number of fields done and their total.
    """
    encode = partial(encode_jpeg, quality=92)
    for n in range(count):
        field = render(random_spec(seed + n, side_px, side_px, red_cell_px))
        _write(destination, "train", f"synthetic-{seed + n:05d}.jpg", field, encode(field.image))
        if on_image:
            on_image(n + 1, count)
    write_dataset_yaml(destination, splits=("train",))


def write_laboratory(
    destination: Path,
    laboratory: UnknownLaboratory,
    on_image: Callable[[int, int], None] | None = None,
) -> None:
    """Render a laboratory: fields to review in `upload`, and a YOLO dataset in `labelled`.

    Its split `train` has the same fields as `upload`, with the labels that a perfect review would
    give them; `test` has others.

    Args:
        destination: Folder to write.
        laboratory: Whose fields.
        on_image: Called with the number of fields done and their total.
    """
    upload, labelled = destination / UPLOAD, destination / LABELLED
    upload.mkdir(parents=True, exist_ok=True)
    for number in range(1, TAUGHT + TESTED + 1):
        field = render(laboratory.field(number))
        name, png = f"{laboratory.name}-{number:02}.png", encode_png(field.image)
        taught = number <= TAUGHT
        if taught:
            (upload / name).write_bytes(png)
        _write(labelled, "train" if taught else "test", name, field, png)
        if on_image:
            on_image(number, TAUGHT + TESTED)
    write_dataset_yaml(labelled, splits=("train", "test"))


def _write(destination: Path, split: str, name: str, field: SyntheticField, file: bytes) -> None:
    """Write one field into a split."""
    path = destination / "images" / split / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file)
    height, width = field.image.shape[:2]
    rows: Labels = []
    for (x1, y1, x2, y2), kind in zip(
        (field.truth.xyxy / np.array([width, height] * 2, np.float32)).tolist(),
        field.truth.class_id.tolist(),
        strict=True,
    ):
        rows.append((kind, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    write_labels(destination / "labels" / split / f"{path.stem}.txt", rows)
