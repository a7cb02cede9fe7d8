"""Where the parts of a YOLO set lie: as `data.yaml` says, else where the usual tools put them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from allcell.data.dataset import WHOLE
from allcell.data.folders import Tree, child, inside, read_words
from allcell.data.yolo import find_names, holds_labels, read_entries
from allcell.data.zipped import DataPath, shown
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES

#: Names of the same part of a set.
PART_NAMES = (
    ("train", "training"),
    ("val", "valid", "validation"),
    ("test", "testing"),
)
_USUAL = {name for same in PART_NAMES for name in same}
#: Keys of `data.yaml` that hold text or lists, but no place of a part.
_OTHER_KEYS = {"path", "names", "download", "yaml_file", "channels"}


@dataclass(frozen=True)
class Place:
    """A folder of pictures and that of their labels; both may be missing.

    Attributes:
        images: Pictures, maybe in further folders.
        labels: A text for each, in the same folders.
        before: What results put before a picture's name, to tell several places apart.
    """

    images: DataPath
    labels: DataPath
    before: str = ""


def yolo_splits(data_dir: DataPath) -> set[str] | None:
    """The splits that have labels, `WHOLE` if the set is not divided; None if it is not YOLO."""
    if find_names(data_dir) is None:
        return None
    folders = (*inside(data_dir), *inside(child(data_dir, "images")))
    names = {path.name for path in folders if path.is_dir()}
    found = {name for name in names if _is_there(_usual_place(data_dir, name))}
    whole = _usual_place(data_dir, WHOLE)
    taken = {split: _usual_place(data_dir, split).images for split in found}
    for split, entries in _said(data_dir).items():
        places = [_place(entry, data_dir) for entry in entries]
        there = [place for place in places if place is not None and _is_there(place)]
        same = next((names for names in PART_NAMES if split in names), (split,))
        known = [whole.images, *(taken[name] for name in found if name in same)]
        # What lies where it usually does goes by the folder's name: `valid` of `val`.
        if len(there) == len(places) and not (len(there) == 1 and there[0].images in known):
            found.add(split)
    if _is_there(whole):
        found |= listed_splits(data_dir)
    if found or not _is_there(whole):
        return found
    texts = (name for name in Tree(whole.labels).files if name.lower().endswith(".txt"))
    return {WHOLE} if any(texts) else set()


def unnamed_labels(data_dir: DataPath) -> DataPath | None:
    """A label file of a folder that names no classes; None if there is none.

    Args:
        data_dir: A folder that is no set.
    """
    if find_names(data_dir) is not None:
        return None
    texts = Tree(data_dir).files.values()
    return next((path for path in texts if holds_labels(path, data_dir)), None)


def yolo_places(data_dir: DataPath, split: str) -> list[Place]:
    """Folders of one split's images and labels.

    Those that `data.yaml` names, relative to the set; paths of another computer, or such as
    Roboflow's `../test/images`, by as much of their end as is in the set. Else where the usual
    tools put them.

    Args:
        data_dir: Folder of the set.
        split: Name of the split.

    Raises:
        DataError: If `data.yaml` names a folder that is not in the set.
    """
    entries = _said(data_dir).get(split)
    usual = _usual_place(data_dir, split)
    if entries is None:
        return [usual]
    if split in listed_splits(data_dir):
        # A list says which pictures; any folder of the set may hold them.
        listed = [_plain(name).split("/") for _, name in listed_pictures(data_dir, split) or []]
        folders = {parts[-2].lower() for parts in listed if len(parts) > 1}
        images = child(data_dir, "images")
        if images.is_dir() and not folders <= {usual.images.name.lower()}:
            return [Place(images, child(data_dir, "labels"))]
        return [usual]
    places = []
    for entry in entries:
        place = _place(entry, data_dir)
        if place is None:
            same = next((names for names in PART_NAMES if split in names), (split,))
            if len(entries) == 1 and set(_parts(entry)) & set(same) and _is_there(usual):
                return [usual]
            source = shown(find_names(data_dir) or data_dir / "data.yaml", data_dir)
            raise DataError(
                f"{source}: {split} is {_plain(entry)}, which is no folder in "
                f"{shown(data_dir, data_dir)}.",
                "Correct the line, or put the folder there.",
            )
        places.append(place)
    if len(places) == 1:
        return [Place(places[0].images, places[0].labels)]
    return list(dict.fromkeys(places))


def said_otherwise(data_dir: DataPath, split: str, places: Sequence[Place]) -> list[str]:
    """A note if `data.yaml` puts a split elsewhere than in the folder that is called so.

    Args:
        data_dir: Folder of the set.
        split: Name of the split.
        places: From `yolo_places`.
    """
    usual = _usual_place(data_dir, split)
    if not _is_there(usual) or usual.images in [place.images for place in places]:
        return []
    source = (find_names(data_dir) or data_dir).name
    where = ", ".join(shown(place.images, data_dir) for place in places)
    return [f"{split} is {where}, as {source} says, not {shown(usual.images, data_dir)}"]


def listed_pictures(data_dir: DataPath, split: str) -> list[tuple[str, str]] | None:
    """The pictures of a split whose `data.yaml` names texts with one picture a line.

    Args:
        data_dir: Folder of the set.
        split: Name of the split.

    Returns:
        For each, file and line for messages, and the picture's path as it stands there; None if
        the split is no such list.

    Raises:
        DataError: As in `yolo.read_class_names`.
    """
    lists = _split_lists(data_dir).get(split)
    if lists is None:
        return None
    return [
        (f"{shown(path, data_dir)}, line {n}", line.strip())
        for path in lists
        for n, line in enumerate(read_words(path, data_dir).splitlines(), 1)
        if line.strip()
    ]


def listed_splits(data_dir: DataPath) -> set[str]:
    """The splits that `listed_pictures` can list; none if `data.yaml` cannot be read."""
    try:
        return set(_split_lists(data_dir))
    except DataError:
        return set()


def _split_lists(data_dir: DataPath) -> dict[str, list[DataPath]]:
    found = {}
    for split, value in read_entries(data_dir).items():
        texts = [text for text in _texts(value) if text.lower().endswith(".txt")]
        # Often with the place where the set once lay; the list is in the set's own folder.
        paths = [child(data_dir, _plain(text).rpartition("/")[2]) for text in texts]
        if paths and all(path.is_file() for path in paths):
            found[split] = paths
    return found


def _said(data_dir: DataPath) -> dict[str, list[str]]:
    """What `data.yaml` says of each part: folders of the set, or lists of pictures."""
    try:
        content = read_entries(data_dir)
    except DataError:
        return {}  # told by whoever reads the names of the classes
    lists = listed_splits(data_dir)
    base = next(iter(_texts(content.get("path"))), "")
    found = {}
    for split, value in content.items():
        entries = [entry for entry in _texts(value) if _parts(entry)]
        if split in _OTHER_KEYS or not entries:
            continue
        if split in lists:
            if not all(entry.lower().endswith(".txt") for entry in entries):
                raise DataError(
                    f"{shown(find_names(data_dir) or data_dir, data_dir)}: {split} names folders "
                    "and lists of pictures.",
                    "Name only folders, or only lists.",
                )
            found[split] = entries
            continue
        # A list that is not there says nothing of what is.
        folders = [entry for entry in entries if not entry.lower().endswith(".txt")]
        if base and not any(map(_begins_elsewhere, folders)):
            folders = [f"{base}/{entry}" for entry in folders]
        if folders and (split in _USUAL or all(_place(entry, data_dir) for entry in folders)):
            found[split] = folders
    return found


def _texts(value: object) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, str)]


def _plain(entry: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in entry.strip().replace("\\", "/"))


def _parts(entry: str) -> list[str]:
    return [part for part in _plain(entry).split("/") if part not in ("", ".", "..")]


def _begins_elsewhere(entry: str) -> bool:
    plain = _plain(entry)
    return plain.startswith(("/", "..")) or plain[1:2] == ":"


def _place(entry: str, data_dir: DataPath) -> Place | None:
    """The folders that an entry means; None if they are not in the set."""
    parts = _parts(entry)
    absolute = _begins_elsewhere(entry) and not _plain(entry).startswith("..")
    for first in range(len(parts)):
        own, before = parts[first:], parts[:first]
        # `images` alone, of `train/images` that is not there, would be pictures of every part.
        if before and own == ["images"] and (not absolute or _USUAL & set(before)):
            break
        folder = _descend(data_dir, own)
        if folder.is_dir():
            return _with_labels(folder, own, data_dir)
    return None


def _descend(folder: DataPath, parts: Sequence[str]) -> DataPath:
    for part in parts:
        folder = child(folder, part)
    return folder


def _with_labels(folder: DataPath, parts: Sequence[str], data_dir: DataPath) -> Place:
    """The labels of a folder of pictures: `labels` for the last `images`, or beside them."""
    before = "".join(f"{part}/" for part in parts if part.lower() != "images")
    images, labels = child(folder, "images"), child(folder, "labels")
    if images.is_dir() and labels.is_dir():
        return Place(images, labels, before)
    at = [n for n, part in enumerate(parts) if part.lower() == "images"]
    if at:
        labels = _descend(data_dir, [*parts[: at[-1]], "labels", *parts[at[-1] + 1 :]])
    else:
        labels = _descend(data_dir, ["labels", *parts])
    beside = not labels.is_dir() and _is_mixed(folder)
    return Place(folder, folder if beside else labels, before)


def _is_there(place: Place) -> bool:
    return place.images.is_dir() and place.labels.is_dir()


def _is_mixed(folder: DataPath) -> bool:
    """Whether pictures lie in a folder with their labels beside them, as darknet has it."""
    names = {path.name.lower() for path in inside(folder)}
    stems = {name.removesuffix(".txt") for name in names if name.endswith(".txt")}
    return any(name.endswith(SUFFIXES) and name.rpartition(".")[0] in stems for name in names)


def _usual_place(data_dir: DataPath, split: str) -> Place:
    """Folders of one split's images and labels, where the usual tools put them; may be missing."""
    images, labels = child(data_dir, "images"), child(data_dir, "labels")
    if (images / split).is_dir():
        return Place(images / split, labels / split)
    if child(data_dir / split, "images").is_dir():
        return Place(child(data_dir / split, "images"), child(data_dir / split, "labels"))
    mixed = data_dir if split == WHOLE else data_dir / split
    if not images.is_dir() and _is_mixed(mixed):
        return Place(mixed, mixed)
    if split == WHOLE or split in listed_splits(data_dir):
        return Place(images, labels)
    return Place(images / split, labels / split)
