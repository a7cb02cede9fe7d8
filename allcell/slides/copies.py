"""Copies of large flat pictures at several sizes, on the disk, and where they are kept.

A copy is the decoded pixels as they are: nothing is compressed a second time, and a part of it is
read without decoding anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from allcell.errors import SlideError
from allcell.formats.pixels import RGBImage
from allcell.settings import settings
from allcell.slides.arrays import ArraySlide
from allcell.slides.files import SlideFile, identity

#: How many copies are kept; the one used longest ago goes first.
MOST_COPIES = 3
#: Its last file, so that a copy with it is whole.
_ABOUT = "copy.json"
#: Coarsest level of a copy: no side longer than this.
COARSEST_PX = 1024
#: All halves of a picture take a third of it.
_WITH_HALVES = 4 / 3


def copies_folder() -> Path:
    """The folder that holds them, below the cache."""
    return settings().cache_dir / "slides"


def folder_of(path: Path) -> Path:
    """Where the copy of a file is, or will be; another one once the file has been changed.

    Raises:
        SlideError: If there is no such file.
    """
    try:
        state = (str(path.resolve()), *identity(os.stat(path)))
    except OSError as error:
        raise SlideError(f"There is no file '{path.name}'.", "Check the name.") from error
    return copies_folder() / hashlib.sha256(repr(state).encode()).hexdigest()[:32]


def size_bytes(width_px: int, height_px: int) -> int:
    """What the copy of a picture takes on the disk."""
    return int(3 * width_px * height_px * _WITH_HALVES)


def level_file(folder: Path, level: int) -> Path:
    """The pixels of one level: RGB uint8, row by row."""
    return folder / f"level-{level}.rgb"


def sizes_of(width_px: int, height_px: int) -> list[tuple[int, int]]:
    """Width and height of each level: halves, rounded down."""
    sizes = [(width_px, height_px)]
    while max(sizes[-1]) > COARSEST_PX and min(sizes[-1]) > 1:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def finish(folder: Path, width_px: int, height_px: int, mpp: float | None) -> None:
    """Say that a copy is whole."""
    about = {"width_px": width_px, "height_px": height_px, "mpp": mpp}
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


class CopiedSlide(ArraySlide):
    """A large flat picture that is read from its copy."""

    def __init__(self, file: SlideFile, folder: Path) -> None:
        """Open the copy in a folder.

        Args:
            file: The picture itself, which is closed with the slide.
            folder: What `folder_of` says.

        Raises:
            OSError, ValueError, KeyError: If the copy is not whole.
        """
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        sizes = sizes_of(int(about["width_px"]), int(about["height_px"]))
        arrays = [
            np.memmap(level_file(folder, level), np.uint8, "r", shape=(height, width, 3))
            for level, (width, height) in enumerate(sizes)
        ]
        super().__init__(arrays, file.name, about["mpp"])
        self._file = file
        os.utime(folder)  # it was used just now

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> RGBImage:
        """See `allcell.slides.slide.Slide.read`."""
        with self._file.in_use():
            return super().read(x, y, width, height, level)

    def close(self) -> None:
        """Let go of the copy, which stays for the next time."""
        super().close()
        self._file.close()


def find_copy(file: SlideFile) -> CopiedSlide | None:
    """The copy of a picture; None if there is none, or not a whole one."""
    folder = folder_of(file.path)
    if not (folder / _ABOUT).is_file():
        return None
    try:
        return CopiedSlide(file, folder)
    except (OSError, ValueError, KeyError):
        shutil.rmtree(folder, ignore_errors=True)
        return None


def make_room(path: Path, width_px: int, height_px: int) -> Path:
    """An empty folder for the copy of a picture; the oldest copies beyond the limit are removed.

    Raises:
        SlideError: If the disk has not enough room.
    """
    folder = folder_of(path)
    above = copies_folder()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        above.mkdir(parents=True, exist_ok=True)
        others = sorted((p for p in above.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for old in others[: max(0, len(others) - (MOST_COPIES - 1))]:
            shutil.rmtree(old, ignore_errors=True)
        free, needed = shutil.disk_usage(above).free, size_bytes(width_px, height_px)
        if free < 1.1 * needed:
            raise SlideError(
                f"A copy of '{path.name}' needs {needed / 1e9:.1f} GB of the disk, and "
                f"{free / 1e9:.1f} GB are free.",
                "Make room, or let ALLCELL_CACHE_DIR name a folder on another disk.",
            )
        folder.mkdir()
    except OSError as error:
        raise SlideError(
            f"The copy of '{path.name}' cannot be written: {error.strerror or 'no room'}.",
            "Let ALLCELL_CACHE_DIR name a folder that you may write to.",
        ) from error
    return folder
