"""Reading a data set in Pascal VOC's format for evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import defusedxml.ElementTree as ElementTree  # refuses entities, which may expand to gigabytes
from defusedxml.common import DefusedXmlException

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.dataset import (
    WHOLE,
    LabelledImage,
    OnImage,
    check_said_size,
    cut_to_picture,
    labelled,
    picture_size_px,
)
from allcell.data.folders import Tree, child, inside, read_words
from allcell.data.zipped import DataPath, shown, size_bytes
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES

#: Larger annotation files are refused: a usual one has a few kilobytes.
MAX_BYTES = 16 * 2**20

#: What reading may raise on a file that is not an annotation.
_MALFORMED = (OSError, ValueError, LookupError, ElementTree.ParseError, DefusedXmlException)


def find_voc(data_dir: DataPath, split: str) -> list[DataPath]:
    """The annotation files of one split, where the usual tools put them; empty if there are none.

    `Annotations/**/*.xml`, or only those that `ImageSets/Main/<split>.txt` lists, where it exists;
    else `<split>/*.xml`.

    Raises:
        DataError: If that list is not text, or names an image without annotations.
    """
    folder = child(data_dir, "Annotations")
    if not folder.is_dir():
        return [path for path in inside(data_dir / split) if _is_xml(path.name)]
    every = Tree(folder)
    chosen = data_dir / "ImageSets" / "Main" / f"{split}.txt"
    if not chosen.is_file():
        return [path for name, path in every.files.items() if _is_xml(name)]
    found: dict[DataPath, None] = {}
    for number, line in enumerate(read_words(chosen, data_dir).splitlines(), 1):
        if not line.strip():
            continue
        # `a 1` says that there is one of a class in a; some lists name the picture with its suffix.
        name = line.split()[0]
        stem = name[: name.rindex(".")] if name.lower().endswith(SUFFIXES) else name
        path = every.find(f"{stem}.xml") or every.find_anywhere(f"{stem}.xml")
        if path is None:
            raise DataError(
                f"{shown(chosen, data_dir)}, line {number} names {name}, which has no annotation.",
                f"Put {stem}.xml into {folder.name}/, or take the line out.",
            )
        found[path] = None
    return list(found)


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")


def is_voc(data_dir: DataPath, split: str) -> bool:
    """Whether one split of a folder has annotation files (see `find_voc`)."""
    return bool(find_voc(data_dir, split))


def voc_splits(data_dir: DataPath) -> set[str] | None:
    """The splits of a Pascal VOC data set; `WHOLE` if it is not divided.

    Returns:
        None if the folder is not a Pascal VOC data set.
    """
    if child(data_dir, "Annotations").is_dir():
        lists = {
            path.stem
            for path in inside(data_dir / "ImageSets" / "Main")
            if path.name.endswith(".txt")
        }
        # `dog_train.txt` says for each image in `train.txt` whether there is a dog.
        chosen = {name for name in lists if name.rpartition("_")[2] not in lists - {name}}
        found = {split for split in chosen or {WHOLE} if _holds_any(data_dir, split)}
    else:
        folders = (path for path in inside(data_dir) if path.is_dir())
        found = {folder.name for folder in folders if find_voc(data_dir, folder.name)}
    return found or None


def _holds_any(data_dir: DataPath, split: str) -> bool:
    try:
        return bool(find_voc(data_dir, split))
    except DataError:
        return True  # a faulty list is told to whoever reads it


def voc_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of objects of each name.

    Args:
        data_dir: Folder of the data set.
        split: Name of the split.

    Raises:
        DataError: If a file is malformed.
    """
    paths = find_voc(data_dir, split)
    return dict(Counter(item.name for path in paths for item in _read(path).objects))


def read_voc(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a Pascal VOC data set.

    Pixels are counted from 1, as in VOC; an object marked difficult counts neither for nor against
    a model. The image has the stem of its annotation, or the name that the annotation gives, and
    lies in `JPEGImages`, `images/<split>`, `images` or the annotation's folder.

    Args:
        data_dir: Folder of the data set; its annotation files are where `find_voc` looks.
        split: Name of the split.
        mapping: See `yolo_sets.read_yolo`; from the names of the objects.
        on_image: See `yolo_sets.read_yolo`.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If a file is malformed, an image is missing or a name is not mapped.
    """
    found = {}
    paths = find_voc(data_dir, split)
    for done, path in enumerate(paths, 1):
        found[path] = _read(path)
        if on_image:
            on_image(done, len(paths))
    names = list(dict.fromkeys(item.name for said in found.values() for item in said.objects))
    targets = dict(zip(names, class_targets(names, mapping), strict=True))
    pictures = _VocPictures(data_dir, split)
    images = []
    owners: dict[DataPath, DataPath] = {}
    for path, said in found.items():
        image = pictures.find(path, said.filename)
        if (other := owners.setdefault(image, path)) != path:
            raise DataError(
                f"{shown(other, data_dir)} and {shown(path, data_dir)} are both of "
                f"{shown(image, data_dir)}.",
                "Keep one of the two.",
            )
        size = picture_size_px(image)
        check_said_size(said.size_px, size, shown(image, data_dir))
        boxes = []
        for number, item in enumerate(said.objects, 1):
            where = f"{shown(path, data_dir)}, object {number} ({item.name})"
            inner = cut_to_picture(item.corners, size, where, "Correct the file and try again.")
            if target := targets[item.name]:
                boxes.append((IGNORED if item.difficult else target, inner))
        images.append(labelled(image, boxes, name=pictures.called(path)))
    return sorted(images, key=lambda item: item.path.name)


@dataclass(frozen=True)
class _Object:
    """One object of an annotation: its class, whether it is difficult, and x1, y1, x2, y2."""

    name: str
    difficult: bool
    corners: list[float]


@dataclass(frozen=True)
class _Annotation:
    """What one file says: its picture's name and size, if it does, and the objects."""

    filename: str
    size_px: tuple[int, int] | None
    objects: list[_Object]


def _read(path: DataPath) -> _Annotation:
    try:
        if size_bytes(path) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // 2**20} MB")
        root = ElementTree.fromstring(path.read_bytes())
        for element in root.iter():
            # Some programs put their own web address before each name.
            element.tag = str(element.tag).rpartition("}")[2]
        if root.tag != "annotation":
            raise ValueError(f"it holds <{root.tag}>, not <annotation>")
        objects = [_object(item, number) for number, item in enumerate(root.iter("object"), 1)]
        return _Annotation(root.findtext("filename", "").strip(), _size(root), objects)
    # LookupError: an unknown encoding. The message of an OSError contains the whole path.
    except _MALFORMED as error:
        reason = type(error).__name__ if isinstance(error, OSError) else str(error)[:300]
        raise DataError(
            f"{path.name} is not a Pascal VOC annotation ({reason}).",
            "It needs objects with a name and a bndbox.",
        ) from error


def _size(root: Any) -> tuple[int, int] | None:
    """Width and height; None if they are not said, or as 0 by a program that did not know them."""
    said = [root.findtext(f"size/{side}", "").strip() for side in ("width", "height")]
    width, height = (int(side) if side.isdecimal() and len(side) < 10 else 0 for side in said)
    return (width, height) if width and height else None


def _object(item: Any, number: int) -> _Object:
    where = f"object {number}"
    name = _text(item, "name", where)
    difficult = item.findtext("difficult", "0").strip().lower() in ("1", "true")
    box = item.find("bndbox")
    if box is None:
        raise ValueError(f"{where} ({name}) has no bndbox")
    said = [_text(box, side, f"{where} ({name})") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = map(float, said)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    corners = [x1 - 1, y1 - 1, x2, y2]
    if not all(map(math.isfinite, corners)) or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"{where} ({name}) is a box without an area: {', '.join(said)}")
    return _Object(name, difficult, corners)


def _text(item: Any, name: str, where: str) -> str:
    text = item.findtext(name)
    if text is None or not text.strip():
        raise ValueError(f"{where} has no {name}")
    return str(text).strip()


class _VocPictures:
    """Finds the picture of an annotation."""

    def __init__(self, data_dir: DataPath, split: str) -> None:
        images = child(data_dir, "images")
        self._data_dir = data_dir
        # Annotations in folders of their own have their pictures in the same ones.
        self._stems = {
            path: str(PurePosixPath(name).with_suffix(""))
            for name, path in Tree(child(data_dir, "Annotations")).files.items()
        }
        folders = (child(data_dir, "JPEGImages"), images / split, images)
        self._places = [Tree(folder) for folder in folders]
        self._beside: dict[DataPath, Tree] = {}

    def called(self, path: DataPath) -> str:
        """What results call the picture of an annotation."""
        return self._stems.get(path, path.stem)

    def find(self, path: DataPath, filename: str) -> DataPath:
        """The picture of an annotation.

        Args:
            path: The annotation.
            filename: The picture's name as it gives it; may be empty.

        Raises:
            DataError: If it is not there, or it is not clear which one it is.
        """
        if path.parent not in self._beside:
            self._beside[path.parent] = Tree(path.parent)
        said = filename.replace("\\", "/").rpartition("/")[2]
        where = shown(path, self._data_dir)
        for stem in dict.fromkeys((self.called(path), path.stem, PurePosixPath(said).stem)):
            for place in (*self._places, self._beside[path.parent]):
                looks = (place.find(f"{stem}{suffix}") for suffix in SUFFIXES)
                found = list(dict.fromkeys(look for look in looks if look is not None))
                named = [image for image in found if image.name.lower() == said.lower()]
                if len(found) > 1 and len(named) != 1:
                    raise DataError(
                        f"{where} may be of {found[0].name} or {found[1].name}.",
                        "Keep one of them, or name it in the file: <filename>.",
                    )
                if found:
                    return (named or found)[0]
        raise DataError(
            f"The image of {where} is not in {self._data_dir.name}.", "Put it in JPEGImages/."
        )
