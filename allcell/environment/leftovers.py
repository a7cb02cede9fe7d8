"""Temporary folders of this process, and their removal even after it was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_NAMED = re.compile(r"allcell-(?:video|recording|ray|slide)-(\d+)-.+")


def temporary_folder(kind: str) -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed with the object, or else at the next start of the app.

    Args:
        kind: video or recording. Its name holds this and the number of this process.
    """
    return tempfile.TemporaryDirectory(prefix=f"allcell-{kind}-{os.getpid()}-")


def remove_leftovers(folder: Path | None = None) -> int:
    """Remove what processes that no longer run have left; called before anything is made.

    Args:
        folder: The system's folder for temporary files if None.

    Returns:
        How many were removed.
    """
    removed = 0
    for left in (folder or Path(tempfile.gettempdir())).glob("allcell-*"):
        named = _NAMED.fullmatch(left.name)
        if named is None or _runs(int(named[1])) or left.is_symlink():
            continue
        shutil.rmtree(left, ignore_errors=True)
        removed += not left.exists()
    return removed


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False  # of an earlier process with our number: we have not made any yet
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
