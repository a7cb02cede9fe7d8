"""What a folder of a labelled set holds."""

from __future__ import annotations

from allcell.data.zipped import DataPath


def inside(folder: DataPath) -> list[DataPath]:
    """What lies in a folder; nothing hidden, nor what a Mac adds to a ZIP. [] if it is not there.

    Args:
        folder: Of this computer or of a ZIP.
    """
    if not folder.is_dir():
        return []
    found: list[DataPath] = [*folder.iterdir()]
    return [path for path in found if not path.name.startswith((".", "__MACOSX"))]
