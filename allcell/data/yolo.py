"""YOLO datasets: label files, one line per box, and `data.yaml`, which names the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from allcell.data.folders import child, inside, read_words
from allcell.data.zipped import DataPath, shown, size_bytes
from allcell.errors import DataError
from allcell.models.registry import CLASSES

#: Class number, then centre x, centre y, width and height as fractions of the image (0 to 1).
Labels = list[tuple[int, float, float, float, float]]

#: The same without a class number, for cells that count neither way.
Places = list[tuple[float, float, float, float]]

#: Larger files of class names are refused: a usual one has a few hundred bytes.
MAX_YAML_BYTES = 2**20
MAX_NAME_CHARS = 100

#: What the YAML reader may raise on other files, for example because of a tag or deep nesting.
_NOT_YAML = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    yaml.YAMLError,
)


def write_labels(path: Path, rows: Labels) -> None:
    """Write one label file; an empty file says that the image has no cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{c} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n" for c, cx, cy, w, h in rows)
    path.write_text("".join(lines), encoding="ascii")


def write_ignored(path: Path, places: Places) -> None:
    """Write the cells of one image that count neither way (`ignore/<split>/<stem>.txt`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n" for cx, cy, w, h in places)
    path.write_text("".join(lines), encoding="ascii")


def write_dataset_yaml(destination: Path, splits: Sequence[str]) -> Path:
    """Write `data.yaml`, which ultralytics and `allcell evaluate` read; returns its path."""
    lines = [f"{split}: images/{split}\n" for split in splits]
    names = [f"  {n}: {name}\n" for n, name in enumerate(CLASSES)]
    path = destination / "data.yaml"
    path.write_text("".join([*lines, "names:\n", *names]), encoding="utf-8")
    return path


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds aliases")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep)
        if len(made) < len(node.value):
            raise yaml.YAMLError("it says something twice")
        return made


def find_names(data_dir: DataPath) -> DataPath | None:
    """The file that names a YOLO set's classes.

    `data.yaml`, or the only one of such a suffix; without one, the list that labelling programs
    write, one name a line: `classes.txt` or `obj.names`, maybe in `labels` or beside the labels of
    a part, where labelImg puts it, `labels.txt`, or `_darknet.labels`, maybe in the folder of a
    part.

    Args:
        data_dir: Folder of the set.

    Returns:
        None if there is none.
    """
    for name in ("data.yaml", "data.yml"):
        if (usual := child(data_dir, name)).is_file():
            return usual
    others = [p for p in inside(data_dir) if p.name.lower().endswith((".yaml", ".yml"))]
    if others:
        return others[0] if len(others) == 1 and others[0].is_file() else None
    return next(iter(_name_lists(data_dir)), None)


def _name_lists(data_dir: DataPath) -> list[DataPath]:
    parts = [data_dir, *_folders_in(data_dir)]
    # Of a part: labels/val, or val/labels.
    beside = [child(part, "labels") for part in parts]
    folders = [data_dir, *beside, *_folders_in(child(data_dir, "labels"))]
    lists = [child(folder, name) for folder in folders for name in ("classes.txt", "obj.names")]
    # make-sense's, which could also be labels, and Roboflow's, one in each part.
    lists += [path for path in [child(data_dir, "labels.txt")] if not holds_labels(path, data_dir)]
    lists += [child(folder, "_darknet.labels") for folder in parts]
    return [path for path in lists if path.is_file()]


def _folders_in(folder: DataPath) -> list[DataPath]:
    return [path for path in inside(folder) if path.is_dir()]


def read_entries(data_dir: DataPath) -> dict[str, Any]:
    """What the file that `find_names` finds says, by its own keys; empty if it says nothing.

    Args:
        data_dir: Folder of the set.

    Raises:
        DataError: As in `read_class_names`.
    """
    content = _content(find_names(data_dir) or data_dir / "data.yaml", data_dir)
    said = content if isinstance(content, dict) else {}
    return {key: value for key, value in said.items() if isinstance(key, str)}


def has_key_points(data_dir: DataPath) -> bool:
    """Whether lines of a set go on with key points after the box, as its `data.yaml` says.

    Raises:
        DataError: As in `read_class_names`.
    """
    return "kpt_shape" in read_entries(data_dir)


def read_class_names(data_dir: DataPath) -> list[str]:
    """The class names of a YOLO data set, in the order of their numbers.

    Args:
        data_dir: Its folder, with a file that `find_names` finds.

    Raises:
        DataError: If that file is missing, too large, or does not name the classes.
    """
    path = find_names(data_dir) or data_dir / "data.yaml"
    where = shown(path, data_dir)
    content = _content(path, data_dir)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        _refuse_other_start(names, where)
        names = _in_order(names)
    if not isinstance(names, list) or not names:
        raise DataError(
            f"{where} has no list of classes.",
            f"Add a line such as: names: [{', '.join(CLASSES)}]",
        )
    if not all(map(_is_name, names)):
        raise DataError(
            f"{where} has a class whose name is not text of at most {MAX_NAME_CHARS} characters.",
            "Shorten it, or put it in quotes.",
        )
    named = [str(name).strip() for name in names]
    for other in _name_lists(data_dir):
        # A labelling program numbers classes by its own list, whatever somebody wrote later.
        listed = [name.strip() for name in read_words(other, data_dir).split("\n") if name.strip()]
        if listed != named:
            raise DataError(
                f"{where} names the classes {', '.join(named)}, but "
                f"{shown(other, data_dir)} {', '.join(listed)}."[:600],
                "Their order says which number is which class: correct one of the two.",
            )
    return named


def _content(path: DataPath, data_dir: DataPath) -> Any:
    """What a file says; a list of names as YAML would."""
    where = shown(path, data_dir)
    try:
        if size_bytes(path) > MAX_YAML_BYTES:
            raise ValueError(f"larger than {MAX_YAML_BYTES // 2**20} MB")
        text = read_words(path, data_dir)
        if not path.name.lower().endswith((".yaml", ".yml")):
            return {"names": text.strip().splitlines()}
        return yaml.load(text, _Loader)
    except _NOT_YAML as error:
        # The message of an OSError contains the whole path.
        reason = str(error) if isinstance(error, ValueError | yaml.YAMLError) else ""
        raise DataError(
            f"{where} cannot be read: {reason[:300] or type(error).__name__}.",
            "A YOLO data set names its classes there.",
        ) from error


def _refuse_other_start(names: Mapping[object, object], where: str) -> None:
    numbers = sorted(int(str(key)) for key in names if str(key).isdecimal() and len(str(key)) < 10)
    if numbers and len(numbers) == len(names) and numbers == [n + 1 for n in range(len(names))]:
        raise DataError(
            f"{where} numbers its classes from 1 to {len(names)}; YOLO numbers them from 0.",
            "Number them from 0, and see that the labels do too: the first number of each line.",
        )


def _in_order(names: Mapping[object, object]) -> list[object] | None:
    """The names of a table whose keys are the numbers 0, 1, ..., maybe in quotes; else None."""
    numbered: dict[object, object] = {
        int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 10 else key: name
        for key, name in names.items()
    }
    if len(numbered) < len(names) or set(numbered) != set(range(len(names))):
        return None
    return [numbered[i] for i in range(len(names))]


def _is_name(name: object) -> bool:
    if isinstance(name, int):
        # YAML makes a bool of an unquoted `no`.
        return not isinstance(name, bool) and abs(name) < 10**MAX_NAME_CHARS
    return isinstance(name, str) and len(name) <= MAX_NAME_CHARS


def holds_labels(path: DataPath, data_dir: DataPath) -> bool:
    """Whether a text holds labels; beside them may lie lists of classes or of files.

    Args:
        path: A file, which may be missing.
        data_dir: Folder of its set.
    """
    if not path.name.lower().endswith(".txt") or not path.is_file():
        return False
    try:
        return any(len(values) >= 5 for _, values in label_lines(path, data_dir))
    except DataError:
        return False


def label_lines(path: DataPath | None, data_dir: DataPath) -> Iterator[tuple[str, list[float]]]:
    """File and line, for messages, and numbers of each line that is not blank.

    Args:
        path: The file; None if there is none, and so no line.
        data_dir: Folder of its set.

    Raises:
        DataError: If a line holds anything but numbers.
    """
    if path is None:
        return
    for number, line in enumerate(read_words(path, data_dir).splitlines(), start=1):
        where = f"{shown(path, data_dir)}, line {number}"
        try:
            values = [float(word) for word in line.split()]
        except ValueError as error:
            raise malformed(where, "numbers") from error
        if values:
            yield where, values


def malformed(where: str, expected: str) -> DataError:
    """The error for a line that is not as expected; arguments: file and line, what it should be."""
    return DataError(f"{where}: expected {expected}.", "Correct the file and try again.")
