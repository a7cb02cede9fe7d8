"""Folders of labelled sets: what is in one, by which name, and where one may be written."""

from __future__ import annotations

import codecs
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from allcell.data.zipped import MAX_DEPTH, DataPath, ZipPath, shown
from allcell.errors import DataError

#: What Windows' editors write before UTF-16; UTF-8's own mark is part of "utf-8-sig".
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Folder of our own exports with pictures on which boxes are drawn: no model may be scored on them.
ANNOTATED = "annotated"


def inside(folder: DataPath) -> list[DataPath]:
    """Contents of a folder, without hidden files and what macOS adds to a ZIP; [] if it is missing.

    Args:
        folder: On this computer or in a ZIP.
    """
    if not folder.is_dir():
        return []
    found: list[DataPath] = [*folder.iterdir()]
    return [path for path in found if not path.name.startswith((".", "__MACOSX"))]


def child(folder: DataPath, name: str) -> DataPath:
    """A file or folder in a folder, whatever the case of its letters; it may be missing.

    Args:
        folder: On this computer or in a ZIP.
        name: Its usual name.
    """
    usual = folder / name
    if usual.is_file() or usual.is_dir():
        return usual
    others = [path for path in inside(folder) if _key(path.name) == _key(name)]
    return others[0] if len(others) == 1 else usual


def read_words(path: DataPath, data_dir: DataPath) -> str:
    """The text of a file in UTF-8 or, as Windows marks it, UTF-16; without that mark.

    Args:
        path: The file.
        data_dir: Folder of its set.

    Raises:
        DataError: If it is anything else, or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{shown(path, data_dir)} cannot be read ({error.strerror or type(error).__name__}).",
            "Check that it is there, and that you may read it.",
        ) from error
    try:
        return content.decode("utf-16" if content.startswith(_WIDE) else "utf-8-sig")
    except ValueError as error:
        raise DataError(
            f"{shown(path, data_dir)}: expected plain text.", "Save it as UTF-8 and try again."
        ) from error


class Tree:
    """All files in a folder and the folders in it, found by their path, or nearly.

    Args:
        folder: On this computer or in a ZIP; it may be missing.
    """

    def __init__(self, folder: DataPath) -> None:
        self._folder = folder
        #: Each file by its path in the folder, parts joined by a slash.
        self.files: dict[str, DataPath] = dict(_walk(folder, "", frozenset()))

    def find(self, name: str) -> DataPath | None:
        """A file by its path, where the case of letters and the way to write an accent may differ.

        Args:
            name: Path in the folder; backslashes separate as well as slashes do.

        Raises:
            DataError: If it is not there as it stands, and several files are nearly called so.
        """
        if name in self.files:
            return self.files[name]
        for spelled in _spellings(name, self._folder):
            if found := self._by_key.get(_key(spelled)):
                return self._only(found, name)
        return None

    def find_anywhere(self, name: str) -> DataPath | None:
        """A file of this name in any of the folders, except among our own annotated pictures.

        Args:
            name: File name; folders before it are left out.

        Raises:
            DataError: If there are several.
        """
        for spelled in _spellings(name, self._folder):
            if found := self._by_last.get(_key(spelled).rpartition("/")[2]):
                return self._only(found, name)
        return None

    def find_end(self, name: str) -> DataPath | None:
        """A file by a path that may begin outside the folder: by as much of its end as is there.

        Args:
            name: Path, also of another computer.

        Raises:
            DataError: If several files fit equally.
        """
        parts = name.replace("\\", "/").split("/")
        for first in range(len(parts)):
            if found := self.find("/".join(parts[first:])):
                return found
        return self.find_anywhere(name)

    def _only(self, found: list[str], name: str) -> DataPath:
        if len(found) > 1:
            raise DataError(
                f"{name} could be {found[0]} or {found[1]} in {self._folder.name}.",
                "Give them names that differ in more than the case of letters, and name one.",
            )
        return self.files[found[0]]

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            names[_key(name)].append(name)
        return names

    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            if ANNOTATED not in name.split("/")[:-1]:
                names[_key(name).rpartition("/")[2]].append(name)
        return names


def _walk(folder: DataPath, before: str, above: frozenset[Path]) -> Iterator[tuple[str, DataPath]]:
    if isinstance(folder, Path):
        # A link may lead back to where it is.
        place = folder.resolve()
        if place in above or len(above) > MAX_DEPTH:
            return
        above |= {place}
    for path in sorted(inside(folder), key=lambda path: path.name):
        name = f"{before}{path.name}"
        if path.is_dir():
            yield from _walk(path, f"{name}/", above)
        else:
            yield name, path


def _key(name: str) -> str:
    """The same for names that differ in case or, as macOS and Windows do, in how accents are coded.

    Folders that are no folders (`./`, `//`) are dropped.
    """
    parts = name.replace("\\", "/").split("/")
    plain = "/".join(part for part in parts if part not in ("", "."))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())


def _spellings(name: str, folder: DataPath) -> Iterator[str]:
    """A name, also as a web address has it, or a ZIP that does not say how its names are coded."""
    yield name
    if "%" in name:
        yield unquote(name)
    if isinstance(folder, ZipPath):
        yield from folder.archive.misread(name)


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
