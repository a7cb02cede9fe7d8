"""Files and folders -> the pictures to read, and what was passed over."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from allcell.errors import ImageError
from allcell.formats.table import SUFFIXES, recognised_unnamed
from allcell.text.words import in_words

#: How the name of a picture ends that allcell has drawn boxes into.
ANNOTATED = "-annotated.png"
#: Files that operating systems leave in folders.
_LITTER = ("thumbs.db", "desktop.ini")
#: How the name of a file ends that macOS leaves in place of one that is only in iCloud.
_IN_CLOUD = ".icloud"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:(?=[/\\])")
_PATTERN = re.compile(r"[*?]")
#: Kinds of passed over files that are named one by one.
_MAX_KINDS = 5


@dataclass
class Pictures:
    """What was found at some paths.

    Attributes:
        files: The pictures, each once, in the order in which they were first met.
        failed: Paths that cannot be read, and why.
        skipped: Files in folders that are no pictures by name or content.
        annotated: Pictures in folders that allcell has annotated, by their name.
    """

    files: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, ImageError]] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    annotated: list[Path] = field(default_factory=list)

    def passed_over(self) -> list[str]:
        """What was left out of the folders, in sentences; empty if nothing was."""
        said = []
        if self.skipped:
            kinds = Counter(path.suffix.lower() or "without an ending" for path in self.skipped)
            named = [f"{n} {kind}" for kind, n in kinds.most_common(_MAX_KINDS)]
            others = len(self.skipped) - sum(n for _, n in kinds.most_common(_MAX_KINDS))
            listed = in_words([*named, *([f"{others} others"] if others else [])], "and")
            said.append(
                f"{_files(len(self.skipped))} in folders passed over, as allcell does not read "
                f"them: {listed}."
            )
        if self.annotated:
            said.append(
                f"{_files(len(self.annotated))} in folders passed over, as allcell made them: "
                f"their names end in {ANNOTATED}. Name one itself to have it analysed."
            )
        return said


def find_pictures(paths: Iterable[Path]) -> Pictures:
    """Files as given, and the pictures in folders.

    Args:
        paths: Files (taken whatever their name) and folders (searched recursively for the suffixes
            of `IMAGE_FORMATS` and for files that are a picture though their name does not say so,
            sorted by path; hidden files and folders are skipped, links to folders not followed).

    Returns:
        The pictures; also what could not be read, so that the others can be analysed all the same.
    """
    found = Pictures()
    met: dict[Path, Path] = {}
    for path in paths:
        try:
            is_folder = path.is_dir()
            if not is_folder:
                path.stat()
        except FileNotFoundError:
            found.failed.append((path, _missing(path)))
            continue
        except (OSError, ValueError) as error:
            found.failed.append((path, _unreadable(path, error)))
            continue
        for file in _in_folder(path, found) if is_folder else [path]:
            met.setdefault(_resolved(file), file)
    found.files = list(met.values())
    return found


def _in_folder(folder: Path, found: Pictures) -> Iterator[Path]:
    def note(error: OSError) -> None:
        where = Path(error.filename or folder)
        found.failed.append((where, _unreadable(where, error)))

    files: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if name.startswith(".") and name.lower().endswith(_IN_CLOUD):
                error = ImageError(
                    f"{path.with_name(name[1 : -len(_IN_CLOUD)])} is in iCloud, not here.",
                    "Choose Download Now in Finder.",
                )
                found.failed.append((path, error))
                continue
            if name.startswith(".") or name.lower() in _LITTER:
                continue
            if name.lower().endswith(ANNOTATED):
                found.annotated.append(path)
            elif name.lower().endswith(SUFFIXES) or _is_picture(path):
                files.append(path)
            else:
                found.skipped.append(path)
    yield from sorted(files)


def as_given(path: Path) -> str:
    """A path as the user wrote it: an address has lost all but one of the slashes in its start."""
    said = str(path)
    if not (address := _ADDRESS.match(said)):
        return said
    slashes = "///" if address[0] == "file:" else "//"
    rest = said[address.end() :].replace("\\", "/").lstrip("/")
    return f"{address[0]}{slashes}{rest}"


def _missing(path: Path) -> ImageError:
    if address := _ADDRESS.match(str(path)):
        remedy = "Give the path itself, without file://."
        if address[0] != "file:":
            remedy = "allcell fetches nothing: download the picture and give its file."
        return ImageError(f"{as_given(path)} is an address, not a path.", remedy)
    remedy = "Check the path."
    if _PATTERN.search(str(path)):
        remedy = "Patterns are the shell's, which found none or was kept from it by quotes: give "
        remedy += "the folder itself."
    return ImageError(f"There is no file or folder {path}.", remedy)


def _is_picture(path: Path) -> bool:
    """Whether a file is of a format whose files often have no suffix of their own."""
    try:
        # Not a pipe: opening it would wait for its writer.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return recognised_unnamed(file.read(256))
    except OSError:
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link that leads in a circle
        return path.absolute()


def _unreadable(path: Path, error: Exception) -> ImageError:
    why = getattr(error, "strerror", None) or "invalid path"
    return ImageError(f"{path} cannot be read: {why}.", "Check that you may read it.")


def _files(n: int) -> str:
    return f"{n} file{'s' if n > 1 else ''}"
