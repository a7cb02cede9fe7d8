"""Reading a data set in COCO's format for evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from allcell.data.class_names import IGNORED, class_targets
from allcell.data.coco_file import (
    MAX_BYTES,
    Annotations,
    LabelledBox,
    malformed_coco,
    read_annotations,
)
from allcell.data.dataset import (
    WHOLE,
    LabelledImage,
    OnImage,
    check_said_size,
    cut_to_picture,
    labelled,
    picture_size_px,
)
from allcell.data.folders import ANNOTATED, Tree, inside, read_words
from allcell.data.unpaired import (
    PictureMissingError,
    left_out_labels,
    left_out_pictures,
    pictures_in,
)
from allcell.data.zipped import DataPath, shown, size_bytes
from allcell.errors import DataError

#: Annotation files of a set that is not divided, as the usual tools and allcell name them.
_WHOLE_FILES = ("annotations.json", "coco.json", "_annotations.coco.json")
_SPLIT_FILES = ("train.json", "val.json", "valid.json", "validation.json", "test.json")


def find_coco(data_dir: DataPath, split: str) -> DataPath | None:
    """The annotation file of one split, where the usual tools put it; None if there is none."""
    places = [
        data_dir / "annotations" / f"instances_{split}.json",
        data_dir / "annotations" / f"{split}.json",
        data_dir / split / "_annotations.coco.json",
        *(data_dir / name for name in _SPLIT_FILES if name == f"{split}.json"),
        *(data_dir / name for name in _WHOLE_FILES),
    ]
    if usual := next((path for path in places if path.is_file()), None):
        return usual
    files = [path for path in inside(data_dir) if path.name.endswith(".json") and path.is_file()]
    if any(path.name in _SPLIT_FILES for path in files):
        return None
    # Beside the pictures it may have any name, such as `slide-7-coco.json`.
    found = [path for path in files if _seems_coco(path, data_dir)]
    return next((p for p in found if p.name == f"{split}.json" or len(found) == 1), None)


def _seems_coco(path: DataPath, data_dir: DataPath) -> bool:
    try:
        text = read_words(path, data_dir) if size_bytes(path) <= MAX_BYTES else ""
    except (DataError, OSError):
        return False
    return all(f'"{key}"' in text for key in ("images", "annotations", "categories"))


def is_coco(data_dir: DataPath, split: str) -> bool:
    """Whether one split of a folder has an annotation file (see `find_coco`)."""
    return find_coco(data_dir, split) is not None


def coco_splits(data_dir: DataPath) -> set[str] | None:
    """The splits of a COCO data set; `WHOLE` if it is not divided.

    Returns:
        None if the folder is not a COCO data set.
    """
    files = [*inside(data_dir / "annotations"), *inside(data_dir)]
    whole = {find_coco(data_dir, WHOLE)}
    names = [p.name[:-5].removeprefix("instances_") for p in files if p.name.endswith(".json")]
    names += [path.name for path in inside(data_dir) if path.is_dir()]
    found = {name for name in names if find_coco(data_dir, name) not in {None, *whole}}
    return found or (None if whole == {None} else {WHOLE})


def coco_counts(data_dir: DataPath, split: str) -> dict[str, int]:
    """Number of boxes of each category that has any.

    Args:
        data_dir: Folder of the data set.
        split: Name of the split.

    Raises:
        DataError: If the annotation file is missing or malformed.
    """
    return _paired(data_dir, split).content.counts()


def coco_notes(data_dir: DataPath, split: str) -> list[str]:
    """What is to be known of a split's pictures without labels, and labels without a picture.

    Raises:
        DataError: As in `read_coco`.
    """
    paired = _paired(data_dir, split)
    known = {image for image, _ in paired.pictures.values()}
    # Pictures of a set's parts may share one folder.
    whole = paired.path == find_coco(data_dir, WHOLE)
    folders = [data_dir] if whole else [data_dir / "images" / split, data_dir / split]
    there = pictures_in(folders)
    bare = [name for path, name in there.items() if path not in known]
    return [
        *left_out_pictures(bare, len(there)),
        *left_out_labels(paired.missing, len(known) + len(paired.missing)),
    ]


def read_coco(
    data_dir: DataPath,
    split: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    on_image: OnImage | None = None,
) -> list[LabelledImage]:
    """Read one split of a COCO data set.

    Image files are looked for next to the annotation file and in `images/<split>`, `<split>`,
    `images` and the folder itself, at last by their name alone in all of it. A crowd (`iscrowd`)
    counts neither for nor against a model. What is said of a picture that is not there is left out,
    as `coco_notes` says.

    Args:
        data_dir: Folder of the data set; its annotation file is where `find_coco` looks.
        split: Name of the split.
        mapping: See `yolo_sets.read_yolo`; from the names of the categories.
        on_image: See `yolo_sets.read_yolo`.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If the annotation file is missing or malformed, all images are missing or a
            category is not mapped.
    """
    paired = _paired(data_dir, split)
    path, content = paired.path, paired.content
    names = list(content.counts())
    targets = dict(zip(names, class_targets(names, mapping), strict=True))
    boxes: dict[str, list[LabelledBox]] = {number: [] for number in paired.pictures}
    for box in content.boxes:
        boxes[box.image].append(box)
    images = []
    owners: dict[DataPath, str] = {}
    for done, (number, rows) in enumerate(boxes.items(), 1):
        image, called = paired.pictures[number]
        if (other := owners.setdefault(image, number)) != number:
            raise malformed_coco(
                path,
                f"images {other} and {number} are one file, {shown(image, data_dir)}",
                "List each file once, with all of its annotations.",
            )
        size = picture_size_px(image)
        check_said_size(content.images[number].size_px, size, shown(image, data_dir))
        cells = []
        for box in rows:
            where = f"{path.name}, {box.where}, {shown(image, data_dir)}"
            inner = cut_to_picture(box.corners, size, where, f"Correct {path.name} and try again.")
            if target := targets[content.categories[box.category]]:
                cells.append((IGNORED if box.crowd else target, inner))
        images.append(labelled(image, cells, name=called))
        if on_image:
            on_image(done, len(boxes))
    if not images:
        raise DataError(f"{path.name} names no image.", "Check --data and --split.")
    return sorted(images, key=lambda item: item.path.name)


@dataclass(frozen=True)
class _Paired:
    """An annotation file without what it says of pictures that are not there; those, by name."""

    path: DataPath
    content: Annotations
    pictures: dict[str, tuple[DataPath, str]]
    missing: list[str]


def _paired(data_dir: DataPath, split: str) -> _Paired:
    path = _annotation_file(data_dir, split)
    content = read_annotations(path, data_dir)
    places = _NamedPictures(path, split, data_dir)
    pictures: dict[str, tuple[DataPath, str]] = {}
    missing: dict[str, PictureMissingError] = {}
    for number, listed in content.images.items():
        try:
            pictures[number] = places.find(listed.name)
        except PictureMissingError as error:
            missing[listed.name] = error
    if missing and not pictures:
        raise next(iter(missing.values()))
    boxes = [box for box in content.boxes if box.image in pictures]
    return _Paired(path, replace(content, boxes=boxes), pictures, list(missing))


def _annotation_file(data_dir: DataPath, split: str) -> DataPath:
    path = find_coco(data_dir, split)
    if path is None:
        raise DataError(
            f"{shown(data_dir, data_dir)} has no COCO annotation file for a split {split!r}.",
            "It belongs in annotations/instances_<split>.json.",
        )
    return path


class _NamedPictures:
    """Finds the pictures of a set by the names that its annotation file gives them."""

    def __init__(self, path: DataPath, split: str, data_dir: DataPath) -> None:
        places = (path.parent, data_dir / "images" / split, data_dir / split, data_dir / "images")
        self._folders = (*places, data_dir)
        self._data_dir = data_dir
        #: Read only if a picture is not where it should be.
        self._trees: dict[DataPath, Tree] = {}

    def find(self, name: str) -> tuple[DataPath, str]:
        """A picture, and what results call it.

        Raises:
            DataError: If it is not there, or it is not clear which one it is.
        """
        plain = name.replace("\\", "/")
        for folder in self._folders:
            for spelled in (name, plain):
                # A name may include a folder, but not lead out of the set; a ZIP has no outside.
                found = folder / spelled
                if self._is_there(found):
                    # A path that begins elsewhere would say where the set lies.
                    own = not spelled.startswith(("/", ".."))
                    stem = PurePosixPath(spelled).with_suffix("")
                    return found, str(stem) if own else found.stem
        looks = [self._tree(folder).find(plain) for folder in self._folders]
        for near in (*looks, self._tree(self._data_dir).find_anywhere(plain)):
            if near is not None and self._is_there(near):
                return near, near.stem
        last = "".join(c if c.isprintable() else "?" for c in plain.rpartition("/")[2][-80:])
        drawn_on = (self._data_dir / ANNOTATED).is_dir()
        raise PictureMissingError(
            f"The image {last} is not in {self._data_dir.name}.",
            "Put it in images/ or next to the labels."
            + f" Those in {ANNOTATED}/ do not count: boxes are drawn on them." * drawn_on,
        )

    def _tree(self, folder: DataPath) -> Tree:
        return self._trees.setdefault(folder, Tree(folder))

    def _is_there(self, found: DataPath) -> bool:
        """Whether it is a file, and within the set."""
        try:
            if isinstance(found, Path) and isinstance(self._data_dir, Path):
                within = found.resolve().is_relative_to(self._data_dir.resolve())
                return within and found.is_file()
            return found.is_file()
        except (OSError, ValueError):  # a name that is too long, or none that a file could have
            return False
