"""Locks that no killed process keeps, and room on the disk to say that it is full."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allcell.environment.files import write_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Room on the disk that is let go when it is full, so that this can be said.
RESERVE_FILE, _RESERVE_BYTES = "reserve", 64 * 1024


def keep_reserve(folder: Path) -> None:
    """Take the room that `let_go_reserve` gives back.

    Raises:
        OSError: If the disk is full.
    """
    path = folder / RESERVE_FILE
    if not path.is_file():
        write_whole(path, bytes(_RESERVE_BYTES))


def let_go_reserve(folder: Path) -> None:
    """Give back the room on the disk that was kept to say that it is full."""
    (folder / RESERVE_FILE).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that goes with the process, however that ends.

    Args:
        path: Its file, made if it is not there.

    Yields:
        Whether it is held; not if another process, or another place of this one, holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _take(handle)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
