"""YOLO datasets: writing labels, one line per box, and `data.yaml`, which names the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

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


def read_class_names(data_dir: DataPath) -> list[str]:
    """The class names of a YOLO data set, in the order of their numbers.

    Args:
        data_dir: Its folder, with `data.yaml`.

    Raises:
        DataError: If that file is missing, too large, or does not name the classes.
    """
    path = data_dir / "data.yaml"
    where = shown(path, data_dir)
    try:
        if size_bytes(path) > MAX_YAML_BYTES:
            raise ValueError(f"larger than {MAX_YAML_BYTES // 2**20} MB")
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except _NOT_YAML as error:
        # The message of an OSError contains the whole path.
        reason = str(error) if isinstance(error, ValueError | yaml.YAMLError) else ""
        raise DataError(
            f"{where} cannot be read: {reason[:300] or type(error).__name__}.",
            "A YOLO data set names its classes there.",
        ) from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[i] for i in range(len(names))]
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
    return [str(name) for name in names]


def _is_name(name: object) -> bool:
    if isinstance(name, int):
        # YAML makes a bool of an unquoted `no`.
        return not isinstance(name, bool) and abs(name) < 10**MAX_NAME_CHARS
    return isinstance(name, str) and len(name) <= MAX_NAME_CHARS
