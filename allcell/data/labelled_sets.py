"""Any labelled set: its format is told by its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from allcell.data.coco import find_coco, read_coco
from allcell.data.dataset import LabelledImage, read_yolo
from allcell.data.voc import find_voc, read_voc
from allcell.errors import DataError


def read_labelled(
    data_dir: Path, split: str, *, mapping: Mapping[str, str | None] | None = None
) -> list[LabelledImage]:
    """Read one split of a folder in YOLO's, COCO's or Pascal VOC's layout.

    Args:
        data_dir: The folder.
        split: `test`, for example.
        mapping: From the folder's class names to `blast`, `healthy`, `smudge`, `ignore`, or None
            for what shall be left out; names that are ours already need none.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If no format fits, or a file is missing, malformed, or has a class that is not
            mapped.
        ImageError: If an image cannot be read.
    """
    if not data_dir.is_dir():
        raise DataError(f"There is no folder {data_dir}.", "Check --data.")
    if (data_dir / "data.yaml").is_file():
        return read_yolo(data_dir, split, mapping=mapping)
    if (path := find_coco(data_dir, split)) is not None:
        return read_coco(path, data_dir, split, mapping=mapping)
    if paths := find_voc(data_dir, split):
        return read_voc(paths, data_dir, split, mapping=mapping)
    raise DataError(
        f"{data_dir} holds no labelled set with a part {split!r}.",
        "allcell reads YOLO (data.yaml, images/<split>, labels/<split>), COCO "
        "(annotations/instances_<split>.json, images/) and Pascal VOC (Annotations/*.xml, "
        "JPEGImages/).",
    )
