"""A YOLO dataset of rendered smears: blasts in stains that the real data sets lack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from allcell.data.yolo import Labels, write_dataset_yaml, write_labels
from allcell.imaging.images import encode_jpeg
from allcell.synth import random_spec, render


def make_synthetic(
    destination: Path,
    count: int,
    *,
    red_cell_px: float = 32.0,
    side_px: int = 640,
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
) -> None:
    """Render fields into `images/train` and `labels/train`.

    Args:
        destination: Folder to write.
        count: Number of fields.
        red_cell_px: Red-cell diameter in all of them, in pixels.
        side_px: Width and height of each.
        seed: Seed and number of the first field; each further one adds 1.
        on_image: Called with the number of fields done and their total.
    """
    folder = destination / "images" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        field = render(random_spec(seed + n, side_px, side_px, red_cell_px))
        stem = f"synthetic-{seed + n:05d}"
        (folder / f"{stem}.jpg").write_bytes(encode_jpeg(field.image, 92))
        size = np.array([side_px] * 4, np.float32)
        rows: Labels = []
        for (x1, y1, x2, y2), kind in zip(
            (field.truth.xyxy / size).tolist(), field.truth.class_id.tolist(), strict=True
        ):
            rows.append((kind, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
        write_labels(destination / "labels" / "train" / f"{stem}.txt", rows)
        if on_image:
            on_image(n + 1, count)
    write_dataset_yaml(destination, splits=("train",))
