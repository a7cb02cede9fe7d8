"""Reading a data set in Pascal VOC's format for evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

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
from allcell.data.unpaired import (
    PictureMissingError,
    left_out_labels,
    left_out_pictures,
    pictures_in,
)
from allcell.data.voc_file import VocAnnotation, read_voc_file
from allcell.data.voc_pictures import VocPictures
from allcell.data.zipped import DataPath, shown
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES

#: Folders in which the annotations of a set that is not divided lie, as FiftyOne and others do.
_WHOLE_FOLDERS = ("labels", "images", "jpegimages", "data")


def find_voc(data_dir: DataPath, split: str) -> list[DataPath]:
    """The annotation files of one split, where the usual tools put them; empty if there are none.

    `Annotations/**/*.xml`, or only those that `ImageSets/Main/<split>.txt` lists, where it exists;
    else `<split>/*.xml`. Those of a set that is not divided may lie in `labels`, with the pictures
    or, as labelImg has it, with the pictures in the folder itself.

    Raises:
        DataError: If that list is not text, or names an image without annotations.
    """
    folder = child(data_dir, "Annotations")
    if not folder.is_dir():
        if split != WHOLE or (data_dir / split).is_dir():
            return _xml_in(data_dir / split)
        places = (_xml_in(child(data_dir, name)) for name in _WHOLE_FOLDERS)
        return next(filter(None, places), _beside_pictures(data_dir))
    every = Tree(folder)
    chosen = _list_of(data_dir, split)
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


def _list_of(data_dir: DataPath, split: str) -> DataPath:
    return data_dir / "ImageSets" / "Main" / f"{split}.txt"


def _xml_in(folder: DataPath) -> list[DataPath]:
    return [path for path in inside(folder) if _is_xml(path.name)]


def _beside_pictures(folder: DataPath) -> list[DataPath]:
    """The annotations in a folder where at least one has a picture of its name beside it."""
    stems = {path.stem.lower() for path in inside(folder) if path.name.lower().endswith(SUFFIXES)}
    found = _xml_in(folder)
    if not any(path.stem.lower() in stems for path in found):
        return []
    return [p for p in found if p.stem.lower() in stems or b"<annotation" in p.read_bytes()]


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
        names = {path.name for path in folders if path.name.lower() not in _WHOLE_FOLDERS}
        found = {name for name in names if find_voc(data_dir, name)}
        if not found and find_voc(data_dir, WHOLE):
            found = {WHOLE}
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
    said = _paired(data_dir, split).said
    return dict(Counter(item.name for one in said.values() for item in one.objects))


def voc_notes(data_dir: DataPath, split: str) -> list[str]:
    """What is to be known of a split's pictures without labels, and labels without a picture.

    Raises:
        DataError: As in `read_voc`.
    """
    paired = _paired(data_dir, split)
    known = set(paired.images.values())
    there: dict[DataPath, str] = {}
    # Pictures of which a list says nothing belong to other parts.
    if not _list_of(data_dir, split).is_file():
        there = pictures_in({image.parent for image in known})
    bare = [name for path, name in there.items() if path not in known]
    objects = [item for said in paired.said.values() for item in said.objects]
    difficult = sum(item.difficult for item in objects)
    every = f"all {difficult}" if difficult == len(objects) else f"{difficult} of {len(objects)}"
    return [
        *[f"{every} objects are marked difficult: they count neither way"] * (difficult > 0),
        *left_out_pictures(bare, len(there)),
        *left_out_labels(paired.missing, len(known) + len(paired.missing)),
    ]


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
    lies in `JPEGImages`, `images/<split>`, `images`, `data` or the annotation's folder. Pictures
    without annotation and annotations without picture are left out, as `voc_notes` says.

    Args:
        data_dir: Folder of the data set; its annotation files are where `find_voc` looks.
        split: Name of the split.
        mapping: See `yolo_sets.read_yolo`; from the names of the objects.
        on_image: See `yolo_sets.read_yolo`.

    Returns:
        The images in order of their names.

    Raises:
        DataError: If a file is malformed, all images are missing or a name is not mapped.
    """
    paired = _paired(data_dir, split, on_image)
    names = list(dict.fromkeys(item.name for one in paired.said.values() for item in one.objects))
    targets = dict(zip(names, class_targets(names, mapping), strict=True))
    images = []
    owners: dict[DataPath, DataPath] = {}
    for path, said in paired.said.items():
        image = paired.images[path]
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
        images.append(labelled(image, boxes, name=paired.called[path]))
    return sorted(images, key=lambda item: item.path.name)


@dataclass(frozen=True)
class _PairedFiles:
    """Annotations whose picture is there, these and their names in results; the others' names."""

    said: dict[DataPath, VocAnnotation]
    images: dict[DataPath, DataPath]
    called: dict[DataPath, str]
    missing: list[str]


def _paired(data_dir: DataPath, split: str, on_image: OnImage | None = None) -> _PairedFiles:
    pictures = VocPictures(data_dir, split)
    paired = _PairedFiles({}, {}, {}, [])
    missing: list[PictureMissingError] = []
    paths = find_voc(data_dir, split)
    for done, path in enumerate(paths, 1):
        said = read_voc_file(path)
        try:
            paired.images[path] = pictures.find(path, said.filename)
        except PictureMissingError as error:
            missing.append(error)
            paired.missing.append(path.name)
        else:
            paired.said[path] = said
            paired.called[path] = pictures.called(path)
        if on_image:
            on_image(done, len(paths))
    if missing and not paired.said:
        raise missing[0]
    return paired
