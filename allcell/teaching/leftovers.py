"""Copies of pictures that teachings hold on the disk: none stays when it is not needed any more."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from allcell.background.locks import locked
from allcell.background.state import ALIVE_FILE
from allcell.teaching.state import DISCARD_FILE

#: Prefixes of the folders of a teaching that is being made, and of one that is being deleted.
_NEW, _GONE = ".new-", ".gone-"
#: A folder that is being made and is older belongs to a process that was killed.
_LONGEST_S = 3600.0


def new_folder(root: Path) -> Path:
    """A folder in which a teaching is made.

    Args:
        root: Folder of all teachings.

    Raises:
        OSError: If it cannot be made.
    """
    return Path(tempfile.mkdtemp(prefix=_NEW, dir=root))


def remove(folder: Path) -> None:
    """Delete the folder of a teaching: out of the list first, then file by file.

    Args:
        folder: Its process does not work, or is the one that asks.
    """
    gone = folder.with_name(f"{_GONE}{uuid.uuid4().hex}")
    try:
        os.rename(folder, gone)
    except OSError:  # Windows renames no folder in which a file is open
        gone = folder
    shutil.rmtree(gone, ignore_errors=True)


def sweep(root: Path) -> None:
    """Delete what processes that were killed left, and what was discarded while it worked.

    Args:
        root: Folder of all teachings.
    """
    for left in root.glob(f"{_GONE}*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in root.glob(f"{_NEW}*"):
        try:
            old = time.time() - left.stat().st_mtime > _LONGEST_S
        except OSError:  # it was put in its place meanwhile
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)
    for mark in root.glob(f"[0-9a-f]*/{DISCARD_FILE}"):
        with locked(mark.with_name(ALIVE_FILE)) as free:
            if free:
                remove(mark.parent)
