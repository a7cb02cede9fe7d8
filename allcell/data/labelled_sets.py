"""Any labelled set: its format is told by its files, and so are its parts and classes."""

from __future__ import annotations

from collections.abc import Mapping

from allcell.data.coco import coco_counts, find_coco, read_coco
from allcell.data.dataset import WHOLE, LabelledImage, OnImage, read_yolo, yolo_counts, yolo_folders
from allcell.data.voc import find_voc, read_voc, voc_counts
from allcell.data.zipped import DataPath, shown
from allcell.errors import DataError

_FORMATS = (
    "allcell reads YOLO (data.yaml, images/<split>, labels/<split>), COCO "
    "(annotations/instances_<split>.json, images/) and Pascal VOC (Annotations/*.xml, "
    "JPEGImages/)."
)


def read_labelled(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a folder in YOLO's, COCO's or Pascal VOC's layout.

    Args:
        data_dir: The folder, of this computer or of a ZIP.
        split: `test`, for example.
        mapping: From the folder's class names to `blast`, `healthy`, `smudge`, `ignore`, or None
            for what shall be left out; names that are ours already need none, nor do classes
            without a cell in the split.
        on_image: Called with the number of images read, and of all; may raise to stop.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If no format fits, or a file is missing, malformed, or has a class that is not
            mapped.
        ImageError: If an image cannot be read.
    """
    if not data_dir.is_dir():
        raise DataError(f"There is no folder {shown(data_dir, data_dir)}.", "Check --data.")
    if (data_dir / "data.yaml").is_file():
        return read_yolo(data_dir, split, mapping=mapping, on_image=on_image)
    if (path := find_coco(data_dir, split)) is not None:
        return read_coco(path, data_dir, split, mapping=mapping, on_image=on_image)
    if paths := find_voc(data_dir, split):
        return read_voc(paths, data_dir, split, mapping=mapping, on_image=on_image)
    raise DataError(
        f"{shown(data_dir, data_dir)} holds no labelled set with a part {split!r}.", _FORMATS
    )


def find_set(folder: DataPath) -> DataPath:
    """Where a set lies: here, or in the one folder that holds everything, as ZIPs are packed.

    Raises:
        DataError: If no format fits.
    """
    try:
        find_splits(folder)
    except DataError:
        inside = _inside(folder)
        if len(inside) != 1 or not inside[0].is_dir():
            raise
        return find_set(inside[0])
    return folder


def find_splits(data_dir: DataPath) -> list[str]:
    """The parts of a set that have labels, in order of their names; `WHOLE` if it has no parts.

    Raises:
        DataError: If no format fits.
    """
    if not data_dir.is_dir():
        raise DataError(
            f"There is no folder {shown(data_dir, data_dir)}.", "Check that it still exists."
        )
    if (data_dir / "data.yaml").is_file():
        inside = [*_inside(data_dir), *_inside(data_dir / "images")]
        names = {path.name for path in inside if path.is_dir()}
        found = {n for n in names if all(f.is_dir() for f in yolo_folders(data_dir, n))}
        if not found and _inside(data_dir / "labels"):
            found = {WHOLE}
    else:
        found = _coco_splits(data_dir) or _voc_splits(data_dir)
    if not found:
        raise DataError(f"{shown(data_dir, data_dir)} holds no labelled set.", _FORMATS)
    return sorted(found)


def _coco_splits(data_dir: DataPath) -> set[str]:
    files = [*_inside(data_dir / "annotations"), *_inside(data_dir)]
    names = [p.stem.removeprefix("instances_") for p in files if p.name.endswith(".json")]
    names += [path.name for path in _inside(data_dir) if path.is_dir()]
    whole = data_dir / "annotations.json"
    found = {name for name in names if find_coco(data_dir, name) not in (None, whole)}
    return found or ({WHOLE} if whole.is_file() else set())


def _voc_splits(data_dir: DataPath) -> set[str]:
    if (data_dir / "Annotations").is_dir():
        lists = {
            p.stem for p in _inside(data_dir / "ImageSets" / "Main") if p.name.endswith(".txt")
        }
        # `dog_train.txt` says of each image of `train.txt` whether there is a dog.
        chosen = {name for name in lists if name.rpartition("_")[2] not in lists - {name}}
        return {s for s in chosen or {WHOLE} if find_voc(data_dir, s)}
    folders = (path for path in _inside(data_dir) if path.is_dir())
    return {folder.name for folder in folders if find_voc(data_dir, folder.name)}


def _inside(folder: DataPath) -> list[DataPath]:
    found: list[DataPath] = []
    if folder.is_dir():
        found += folder.iterdir()
    return [path for path in found if not path.name.startswith((".", "__MACOSX"))]


def class_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Labelled cells of each class in one split, by the names of the set; without those of none.

    Raises:
        DataError: If no format fits, or a file is malformed.
    """
    if (data_dir / "data.yaml").is_file():
        return yolo_counts(data_dir, split)
    if (path := find_coco(data_dir, split)) is not None:
        return coco_counts(path)
    if paths := find_voc(data_dir, split):
        return voc_counts(paths)
    raise DataError(
        f"{shown(data_dir, data_dir)} holds no labelled set with a part {split!r}.", _FORMATS
    )
