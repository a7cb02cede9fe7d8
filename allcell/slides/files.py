"""The file of a slide: opened once, read at any place by any thread, and still the same one."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from allcell.errors import SlideError

#: What to do about a file that cannot be read as a slide.
COPY_AGAIN = "Copy it again from the scanner, and check that the copy was finished."
OPEN_AGAIN = "Open it again."


def label_of(name: str) -> str:
    """A name in quotes for messages: without folders and control characters, not too long."""
    plain = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
    if len(plain) > 60:
        plain = f"{plain[:40]}...{plain[-15:]}"
    return f"'{plain}'" if plain else "The slide"


class SlideFile:
    """An open file that notices when it is changed, replaced or deleted. Thread-safe.

    Attributes:
        path: Where it is.
        name: Its plain name.
        label: What messages call it.
        size_bytes: Its size.
        stream: For libraries that read the header; not to be used by two threads.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file.

        Raises:
            SlideError: If there is none, it is a folder, a pipe or a device, or may not be read.
        """
        self.path = path
        self.name = name or path.name
        self.label = label_of(self.name)
        try:
            self.stream: BinaryIO = open(path, "rb", buffering=0, opener=_without_waiting)  # noqa: SIM115
        except FileNotFoundError as error:
            raise SlideError(f"There is no file {self.label}.", "Check the name.") from error
        except IsADirectoryError as error:
            raise SlideError(f"{self.label} is a folder.", "Choose a slide in it.") from error
        except (OSError, ValueError) as error:
            raise SlideError(
                f"{self.label} cannot be opened: {getattr(error, 'strerror', None) or 'bad path'}.",
                "Check that you may read it.",
            ) from error
        found = os.fstat(self.stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            self.stream.close()
            raise SlideError(f"{self.label} is not an ordinary file.", "Choose a slide's file.")
        self.size_bytes = found.st_size
        self._identity = identity(found)
        self._lock = threading.Lock()
        self._seeking = threading.Lock()
        self._users = 0
        self._closed = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the file open meanwhile: its number must not become another file's.

        Raises:
            SlideError: If the file was deleted, moved, replaced, written to, or closed here.
        """
        with self._lock:
            if self._closed:
                raise SlideError(f"{self.label} has been closed.", OPEN_AGAIN)
            self._users += 1
        try:
            self.check_unchanged()
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._close_if_idle()

    def check_unchanged(self) -> None:
        """Refuse to go on with another file of the same name.

        Raises:
            SlideError: If the file was deleted, moved, replaced or written to.
        """
        try:
            now = os.stat(self.path)
        except OSError as error:
            raise SlideError(
                f"{self.label} was deleted or moved, or its drive is gone, since it was opened.",
                "Put it back and open it again, or choose another slide.",
            ) from error
        if identity(now) != self._identity:
            raise SlideError(f"{self.label} was changed since it was opened.", OPEN_AGAIN)

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes of the file.

        Args:
            offset: Where they begin.
            size: How many; the caller limits it.

        Raises:
            SlideError: If they are not there or cannot be read.
        """
        try:
            if hasattr(os, "pread"):
                data = os.pread(self.stream.fileno(), size, offset)
                while len(data) < size and (more := self._more(offset + len(data), size, data)):
                    data += more
            else:
                with self._seeking:
                    self.stream.seek(offset)
                    data = self.stream.read(size)
        except (OSError, ValueError, OverflowError) as error:
            raise SlideError(f"{self.label} cannot be read any more.", OPEN_AGAIN) from error
        if len(data) < size:
            raise SlideError(f"{self.label} ends early: a part of it is missing.", COPY_AGAIN)
        return data

    def _more(self, offset: int, size: int, data: bytes) -> bytes:
        # The system gives at most 2 GB at once, and less from some network drives.
        return os.pread(self.stream.fileno(), size - len(data), offset)

    def close(self) -> None:
        """Let go of the file, once those who read it have finished."""
        with self._lock:
            self._closed = True
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._closed and not self._users:
            self.stream.close()


def identity(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells one state of a file from another: its place, size and last change."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _without_waiting(path: str, flags: int) -> int:
    """Open so that a pipe without a writer does not block for ever (no such flag on Windows)."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
