"""The folder of the server whose slides visitors may open, and nothing outside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from allcell.errors import SlideError
from allcell.settings import settings

#: How the names of slides end, and of large pictures. Only for listing: what is opened is told by
#: its content.
SLIDE_SUFFIXES = (
    *(".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide"),
    *(".czi", ".dcm", ".btf", ".jpg", ".jpeg", ".png"),
)
#: Folders below the allowed one, and slides in all, that are listed at most.
_DEEPEST, _MOST = 6, 5000


@dataclass(frozen=True)
class Listed:
    """A slide that may be chosen.

    Attributes:
        relative: Its path below the allowed folder, with slashes: what `resolve` takes.
        size_bytes: Size of its file.
    """

    relative: str
    size_bytes: int


def allowed_folder() -> Path | None:
    """The folder that the settings allow (ALLCELL_SLIDES_DIR); None if they allow none."""
    return settings().slides_dir


def slides_in(folder: Path) -> list[Listed]:
    """The slides in a folder and below it, by name; links are not followed, hidden files left out.

    Args:
        folder: The allowed folder.

    Returns:
        At most 5000, those of the folder itself first.

    Raises:
        SlideError: If the folder is missing or may not be read.
    """
    if not folder.is_dir():
        raise SlideError(
            "The folder with slides is missing.", "Correct ALLCELL_SLIDES_DIR, or make the folder."
        )
    found: list[Listed] = []
    for root, folders, names in os.walk(folder):
        here = Path(root)
        depth = len(here.relative_to(folder).parts)
        # The folder that belongs to a MIRAX slide holds no slide.
        mirax = {Path(name).stem for name in names if name.lower().endswith(".mrxs")}
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in mirax
        )
        if depth >= _DEEPEST:
            folders[:] = []
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or not name.lower().endswith(SLIDE_SUFFIXES):
                continue
            if path.is_symlink() or not path.is_file():
                continue
            relative = path.relative_to(folder).as_posix()
            found.append(Listed(relative, path.stat().st_size))
            if len(found) >= _MOST:
                return found
    return found


def resolve(folder: Path, relative: str) -> Path:
    """The file that a path below the allowed folder names.

    Args:
        folder: The allowed folder.
        relative: As `Listed.relative`; whatever a visitor's browser sends.

    Returns:
        The file, all links resolved.

    Raises:
        SlideError: If it does not lie in the folder, links followed, or is no file. What lies
            elsewhere is not told from what does not exist.
    """
    no_such = SlideError("There is no such slide in the folder.", "Choose one from the list.")
    pure = PurePosixPath(relative)
    if (
        not relative
        or "\0" in relative
        or "\\" in relative
        or ":" in relative
        or pure.is_absolute()
        or ".." in pure.parts
        or any(part.startswith(".") for part in pure.parts)
    ):
        raise no_such
    try:
        root = folder.resolve(strict=True)
        found = (root / pure).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise no_such from None
    if not found.is_relative_to(root) or not found.is_file():
        raise no_such
    return found
