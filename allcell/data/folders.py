"""The contents of a folder of a labelled set."""

from __future__ import annotations

from allcell.data.zipped import DataPath


def inside(folder: DataPath) -> list[DataPath]:
    """Contents of a folder, without hidden files and what macOS adds to a ZIP; [] if it is missing.

    Args:
        folder: On this computer or in a ZIP.
    """
    if not folder.is_dir():
        return []
    found: list[DataPath] = [*folder.iterdir()]
    return [path for path in found if not path.name.startswith((".", "__MACOSX"))]
