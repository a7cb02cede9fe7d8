"""Files that are written whole or not at all, and that outlive a power cut."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or leave what was there: a full disk leaves no half of a picture.

    Args:
        path: In a folder that exists.
        content: All of it.

    Raises:
        OSError: If it cannot be written.
    """
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException as error:  # Ctrl-C leaves nothing either
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(part):
            error.filename = str(path)
        raise


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk; Windows has no such thing.

    Raises:
        OSError: If that fails.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: OSError) -> bool:
    """Whether something could not be written for want of room, or of the user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
