"""Folders of files, on this machine or in an object store: one way to list, read and write them.

Object stores are reached through pyarrow (S3 and what is compatible with it, Google Cloud, Azure,
HDFS), others through fsspec where it is installed. Each finds credentials by its own means.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from allcell.environment.files import sync_folder, write_whole
from allcell.environment.installation import get_packages
from allcell.errors import DataError, ImageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
#: These show a file only once all of it has arrived, so it needs no name in between.
_WHOLE_OR_NOT = ("s3", "gcs", "abfs")
#: A read that failed for a passing reason is tried again after these waits.
_AGAIN_AFTER_S = (0.5, 2.0)


def is_address(text: str) -> bool:
    """Whether a text names a place beyond this machine's folders, such as s3://bucket/smears."""
    return _ADDRESS.match(text) is not None


def joined(address: str, name: str) -> str:
    """The address of something in a folder; what stands after a `?` stays at the end.

    Args:
        address: A folder's path or address.
        name: The path below it, with /.
    """
    if not is_address(address):
        return str(Path(address, name))
    path, mark, query = address.partition("?")
    return f"{path.rstrip('/')}/{name}{mark}{query}"


def parent_of(address: str) -> str:
    """The folder of a file; what stands after a `?` stays at the end."""
    if not is_address(address):
        return str(Path(address).parent)
    path, mark, query = address.partition("?")
    return f"{path.rstrip('/').rpartition('/')[0]}{mark}{query}"


@dataclass(frozen=True)
class StoredFile:
    """A file that was found in a folder.

    Attributes:
        name: Its path below that folder, with /.
        size_bytes: Its size.
    """

    name: str
    size_bytes: int


class Storage:
    """A folder, local or in an object store.

    Args:
        address: Its path, or its address such as s3://bucket/folder.

    Raises:
        DataError: If nothing here can open such an address.
    """

    def __init__(self, address: str) -> None:
        self.address = address if is_address(address) else os.path.abspath(address)
        self._files, self._root = _opened(self.address)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return bool(self._files.type_name == "local")

    def read(self, name: str = "") -> bytes:
        """A whole file, or this one if the address is that of a file.

        Raises:
            ImageError: If it cannot be read, also after some waiting.
        """
        path = f"{self._root}/{name}" if name else self._root
        for wait_s in (*_AGAIN_AFTER_S, None):
            try:
                with self._files.open_input_stream(path) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                raise ImageError(f"There is no file {path}.", "Check the path.") from None
            except OSError as error:
                if wait_s is None or self.is_local:
                    raise ImageError(
                        f"{path} cannot be read: {_reason(error)}.", "Check that you may read it."
                    ) from error
                time.sleep(wait_s)
        raise AssertionError  # the last turn ends above

    def copy_to(self, file: Path) -> None:
        """Copy this one, if the address is that of a file, to a file of this machine.

        Raises:
            ImageError: If it cannot be read.
            OSError: If there is no room for it.
        """
        try:
            source = self._files.open_input_stream(self._root)
        except OSError as error:
            raise ImageError(
                f"{self._root} cannot be read: {_reason(error)}.", "Check that you may read it."
            ) from error
        with source, file.open("wb") as target:
            shutil.copyfileobj(source, target, 2**22)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; one of that name is replaced.

        Raises:
            OSError: If it cannot be written.
        """
        path = f"{self._root}/{name}"
        folder = path.rpartition("/")[0]
        if self.is_local:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write_whole(Path(path), content)
            sync_folder(Path(folder))
            return
        if self._files.type_name in _WHOLE_OR_NOT:
            self._put(path, content)
            return
        self._files.create_dir(folder, recursive=True)
        part = f"{folder}/.{uuid.uuid4().hex}.part"
        self._put(part, content)
        self._files.move(part, path)

    def _put(self, path: str, content: bytes) -> None:
        with self._files.open_output_stream(path) as stream:
            stream.write(content)

    def delete(self, name: str) -> None:
        """Delete a file; nothing happens if there is none.

        Raises:
            OSError: If it cannot be deleted.
        """
        try:
            self._files.delete_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return

    def holds(self, name: str = "") -> bool:
        """Whether there is a file of that name, or at the address itself.

        Raises:
            OSError: If that cannot be found out.
        """
        from pyarrow.fs import FileType

        path = f"{self._root}/{name}" if name else self._root
        return bool(self._files.get_file_info(path).type == FileType.File)

    def is_folder(self) -> bool:
        """Whether the address is that of a folder; in an object store, of what has files below it.

        Raises:
            DataError: If that cannot be found out.
        """
        from pyarrow.fs import FileType

        try:
            return bool(self._files.get_file_info(self._root).type == FileType.Directory)
        except OSError as error:
            raise _unreachable(self.address, error) from error

    def files(self, folder: str = "") -> list[StoredFile]:
        """All files in a folder and below it, sorted by path; none if there is no such folder.

        Hidden ones, and those in hidden folders, are left out: files that are not yet whole are.

        Raises:
            DataError: If it cannot be listed.
        """
        from pyarrow.fs import FileSelector, FileType

        at = f"{self._root}/{folder}" if folder else self._root
        try:
            found = self._files.get_file_info(
                FileSelector(at, recursive=True, allow_not_found=True)
            )
        except OSError as error:
            raise _unreachable(joined(self.address, folder), error) from error
        names = [
            StoredFile(one.path[len(at) :].lstrip("/"), int(one.size or 0))
            for one in found
            if one.type == FileType.File
        ]
        shown = [f for f in names if not any(p.startswith(".") for p in f.name.split("/"))]
        return sorted(shown, key=lambda file: file.name)


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    try:
        from pyarrow.fs import LocalFileSystem
    except ModuleNotFoundError:
        raise DataError("`allcell batch` needs pyarrow.", get_packages("batch")) from None
    if not is_address(address):
        return LocalFileSystem(), Path(address).as_posix()
    parts = urlsplit(address)
    query = f"?{parts.query}" if parts.query else ""
    files, root = _file_system(f"{parts.scheme}://{parts.netloc}", query)
    # Taken from the text: a key may have characters that an address would need to have escaped.
    path = address.partition("?")[0].partition("://")[2].partition("/")[2].strip("/")
    return files, f"{root.rstrip('/')}/{path}" if path else root


@lru_cache(maxsize=32)
def _file_system(root: str, query: str) -> tuple[Any, str]:
    """The file system of a bucket or server, opened once: S3 asks for the bucket's region."""
    from pyarrow import ArrowInvalid, ArrowNotImplementedError
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        files, path = FileSystem.from_uri(f"{root}{query}")
    except (ArrowInvalid, ArrowNotImplementedError) as refused:
        try:
            from fsspec.core import url_to_fs

            other, path = url_to_fs(f"{root}/")
        except (ImportError, ValueError):
            raise DataError(
                f"{root} cannot be opened: {_reason(refused)}.",
                "Give a folder, s3://, gs:// or abfs://, or install fsspec's package for it.",
            ) from refused
        return PyFileSystem(FSSpecHandler(other)), path
    except OSError as error:
        raise _unreachable(root, error) from error
    return files, path


def _unreachable(address: str, error: Exception) -> DataError:
    return DataError(
        f"{address} cannot be reached: {_reason(error)}.",
        "Check the address, the network and the credentials.",
    )


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return str(said)[:300].rstrip(".")
