"""What a file system raises, as an error that says what to do; files that survive a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allcell.environment.files import is_disk_full
from allcell.errors import ModelError

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def faults(folder: Path) -> Iterator[None]:
    """Turn what a file system raises into a ModelError that says what to do.

    Args:
        folder: Where the models are, for people.

    Raises:
        ModelError: If it cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise ModelError(
                "The disk with the own-laboratory models is full.",
                f"Nothing was changed. Make room, then try again. ({folder})",
            ) from error
        if error.errno in _FORBIDDEN:
            raise ModelError(
                "The folder with the own-laboratory models cannot be read or written.",
                f"Nothing was changed. Let the user that runs allcell do both. ({folder})",
            ) from error
        raise ModelError(
            f"The folder with the own-laboratory models cannot be used ({error.strerror}).",
            f"Check ALLCELL_DATA_DIR and the disk. ({folder})",
        ) from error


def write_through(path: Path, content: bytes) -> None:
    """Write a new file and have it on the disk before going on.

    Raises:
        OSError: If it cannot be written.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
