"""Folders of labelled sets: what is in one, and where one may be written."""

from __future__ import annotations

from pathlib import Path

from allcell.data.zipped import DataPath
from allcell.errors import DataError


def inside(folder: DataPath) -> list[DataPath]:
    """Contents of a folder, without hidden files and what macOS adds to a ZIP; [] if it is missing.

    Args:
        folder: On this computer or in a ZIP.
    """
    if not folder.is_dir():
        return []
    found: list[DataPath] = [*folder.iterdir()]
    return [path for path in found if not path.name.startswith((".", "__MACOSX"))]


def refuse_to_overwrite(source: Path, destination: Path) -> None:
    """Check that a data set is not written over the folder that it is made from.

    Args:
        source: Folder that an importer reads.
        destination: Folder that it is to write.

    Raises:
        DataError: If the destination is the source or a folder that holds it.
    """
    if destination.resolve() in (source.resolve(), *source.resolve().parents):
        raise DataError(
            f"The dataset cannot be written over its source, {source}.", "Choose another folder."
        )
