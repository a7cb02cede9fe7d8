"""Writing YOLO datasets: a line a box, `class cx cy w h` as fractions of the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from allcell.models.registry import CLASSES

#: Class number, then centre x, centre y, width and height as fractions of the image (0 to 1).
Labels = list[tuple[int, float, float, float, float]]


def write_labels(path: Path, rows: Labels) -> None:
    """Write one label file; an empty file says that the image holds nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{c} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n" for c, cx, cy, w, h in rows)
    path.write_text("".join(lines), encoding="ascii")


def write_dataset_yaml(destination: Path, splits: Sequence[str]) -> Path:
    """Write `data.yaml`, which ultralytics and `allcell evaluate` read; returns its path."""
    lines = [f"{split}: images/{split}\n" for split in splits]
    names = [f"  {n}: {name}\n" for n, name in enumerate(CLASSES)]
    path = destination / "data.yaml"
    path.write_text("".join([*lines, "names:\n", *names]), encoding="utf-8")
    return path
