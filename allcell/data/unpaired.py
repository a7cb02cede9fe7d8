"""Pictures without labels, labels without a picture: what becomes of them, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from allcell.data.folders import ANNOTATED, Tree
from allcell.data.zipped import DataPath
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES

#: Longest name of a file in a note.
_NAME_CHARS = 80


class PictureMissingError(DataError):
    """The picture of some labels is not in its set."""


def counted_as_empty(bare: Sequence[str], pictures: int) -> list[str]:
    """The note on pictures without labels that count as without cells; none if all have some.

    Args:
        bare: Their names.
        pictures: How many there are in the part.
    """
    if not bare:
        return []
    return [f"{_of(bare, pictures, 'pictures', 'no label file')}: counted as without cells"]


def left_out_pictures(bare: Sequence[str], pictures: int) -> list[str]:
    """The note on pictures without labels that no model sees; arguments as above."""
    return [f"{_of(bare, pictures, 'pictures', 'no labels')}: left out"] if bare else []


def left_out_labels(lonely: Sequence[str], labels: int) -> list[str]:
    """The note on labels without a picture.

    Args:
        lonely: Names of their files, or of the pictures that are missing.
        labels: How many pictures or files have labels in the part.
    """
    return [f"{_of(lonely, labels, 'labelled pictures', 'no picture')}: left out"] if lonely else []


def pictures_in(folders: Iterable[DataPath]) -> dict[DataPath, str]:
    """The pictures in some folders and the folders in these, by path; with the file's name.

    Those of our own exports on which boxes are drawn are none.
    """
    return {
        path: path.name
        for folder in dict.fromkeys(folders)
        for name, path in Tree(folder).files.items()
        if name.lower().endswith(SUFFIXES) and ANNOTATED not in PurePosixPath(name).parts[:-1]
    }


def _of(some: Sequence[str], of: int, what: str, lack: str) -> str:
    verb, example = ("has", "") if len(some) == 1 else ("have", "such as ")
    name = "".join(c if c.isprintable() else "?" for c in some[0][-_NAME_CHARS:])
    return f"{len(some)} of {of} {what} {verb} {lack} ({example}{name})"
