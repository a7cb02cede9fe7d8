"""A labelled set in a ZIP that stays in memory: none of it is unpacked to disk.

Everything that a hostile archive could cost is checked in its directory before any content is
decompressed; later reads stop at the size that was checked.
"""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeAlias

from allcell.data.zip_names import AGAIN, code_page, is_folder, misread, no_zip, path_of
from allcell.errors import DataError
from allcell.settings import settings

#: Highest compression ratio of an image or label file; small ones, maybe all zeros, may exceed it.
MAX_RATIO = 200
_SMALL_BYTES = 2**20
#: Deepest nesting of folders.
MAX_DEPTH = 32
#: Most bytes of an archive's own directory per file: it should hold paths, not texts.
_DIRECTORY_BYTES_A_FILE = 512
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SMALLER = "Leave out what is not needed, or unpack it: `python -m allcell evaluate --data FOLDER`."


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may cost, checked before anything is decompressed.

    Attributes:
        max_bytes: Largest archive.
        max_unpacked_bytes: Largest sum of its files.
        max_file_bytes: Largest of its files.
        max_files: Most files and folders.
    """

    max_bytes: int
    max_unpacked_bytes: int
    max_file_bytes: int
    max_files: int

    @classmethod
    def from_settings(cls) -> ZipLimits:
        """The limits that this process was started with."""
        chosen = settings()
        return cls(
            chosen.max_set_bytes,
            chosen.max_set_unpacked_bytes,
            chosen.max_upload_bytes,
            chosen.max_set_files,
        )


@dataclass(frozen=True, eq=False)
class Archive:
    """A checked ZIP.

    Attributes:
        name: What messages call it.
        file: The open ZIP; reading it from several threads is safe.
        entries: Its files by path.
        folders: What each folder holds, by path; the root is the empty path.
        page: The coding of names that do not say it, see `zip_names.code_page`.
    """

    name: str
    file: zipfile.ZipFile = field(repr=False)
    entries: dict[str, zipfile.ZipInfo] = field(repr=False)
    folders: dict[str, dict[str, None]] = field(repr=False)
    page: str

    def misread(self, name: str) -> Iterator[str]:
        """What a name from elsewhere looks like here, if names do not say how they are coded."""
        return misread(name, self.page)


@dataclass(frozen=True)
class ZipPath:
    """A file or folder of an `Archive`, with the methods of `pathlib.Path` that readers need.

    Attributes:
        archive: The ZIP.
        at: Path in it; empty for its root.
    """

    archive: Archive
    at: str = ""

    @property
    def name(self) -> str:
        """Last part of the path; the archive's name at its root."""
        return PurePosixPath(self.at).name or self.archive.name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> ZipPath:
        """The folder that it is in; the root is its own parent."""
        return ZipPath(self.archive, self.at.rpartition("/")[0])

    def __truediv__(self, name: str) -> ZipPath:
        # A path that leads out of the root ends at it, as in a file system.
        return ZipPath(self.archive, posixpath.normpath(f"/{self.at}/{name}").lstrip("/"))

    def __str__(self) -> str:
        return f"{self.archive.name}/{self.at}".rstrip("/")

    def is_file(self) -> bool:
        """Whether it is an existing file."""
        return self.at in self.archive.entries

    def is_dir(self) -> bool:
        """Whether it is an existing folder."""
        return self.at in self.archive.folders

    def iterdir(self) -> Iterator[ZipPath]:
        """The files and folders in a folder.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        if not self.is_dir():
            raise FileNotFoundError(f"there is no folder {self}")
        return (self / name for name in self.archive.folders[self.at])

    @property
    def size_bytes(self) -> int:
        """Size of a file, unpacked.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        return self._entry().file_size

    def read_bytes(self) -> bytes:
        """A file's content.

        Raises:
            FileNotFoundError: If there is no such file.
            DataError: If it is damaged.
        """
        entry = self._entry()
        try:
            with self.archive.file.open(entry) as file:
                # Up to the size that was checked: an archive may lie about it.
                content = file.read(entry.file_size) if entry.file_size else b""
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise DataError(f"{self} is damaged ({type(error).__name__}).", AGAIN) from error
        if len(content) != entry.file_size:
            raise DataError(f"{self} is damaged: it is shorter than it says.", AGAIN)
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """A file's content as text.

        Raises:
            FileNotFoundError: If there is no such file.
            DataError: If it is damaged.
            ValueError: If it is not text in that encoding.
        """
        return self.read_bytes().decode(encoding)

    def _entry(self) -> zipfile.ZipInfo:
        if not self.is_file():
            raise FileNotFoundError(f"there is no file {self}")
        return self.archive.entries[self.at]


#: Where a labelled set lies: a folder on this computer, or in a ZIP in memory.
DataPath: TypeAlias = Path | ZipPath


def size_bytes(path: DataPath) -> int:
    """Size of a file.

    Raises:
        OSError: If there is no such file.
    """
    return path.size_bytes if isinstance(path, ZipPath) else path.stat().st_size


def shown(path: DataPath, data_dir: DataPath) -> str:
    """What messages call a file or folder of a set, without revealing where on this computer it is.

    Args:
        path: In the set, or the set itself.
        data_dir: Folder of the set.
    """
    text = str(path)
    if isinstance(path, Path) and isinstance(data_dir, Path):
        text = str(PurePath(data_dir.name, path.relative_to(data_dir)))
    return "".join(c if c.isprintable() else "?" for c in text)


def open_zip(content: bytes, name: str, limits: ZipLimits | None = None) -> ZipPath:
    """Check a ZIP, and return its root.

    Args:
        content: The bytes of the ZIP.
        name: What messages call it.
        limits: Default: `ZipLimits.from_settings()`.

    Raises:
        DataError: If it is not a ZIP, is broken or encrypted, exceeds the limits, or holds links,
            names that lead out of it, or files compressed by a rare method.
    """
    limits = limits or ZipLimits.from_settings()
    if len(content) > limits.max_bytes:
        raise _too_large(name, f"{len(content) / 2**20:,.0f} MB", limits.max_bytes)
    _check_directory(content, name, limits)
    try:
        file = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise no_zip(content, name, str(error)) from error
    entries = file.infolist()
    if len(entries) > limits.max_files:
        raise _too_many(name, limits)
    page = code_page(entries)
    named = [(at, entry) for entry in entries if (at := path_of(entry, page, name))]
    _check(named, name, limits)
    files = {path: entry for path, entry in named if not is_folder(entry)}
    folders: dict[str, dict[str, None]] = {"": {}}
    for at, entry in named:
        path = PurePosixPath(at)
        if is_folder(entry):
            folders.setdefault(at, {})
        for child in (path, *path.parents[:-1]):
            parent = "" if str(child.parent) == "." else str(child.parent)
            folders.setdefault(parent, {})[child.name] = None
    if both := sorted(files.keys() & folders.keys()):
        raise DataError(f"{name}: {both[0]} is both a file and a folder.", AGAIN)
    return ZipPath(Archive(name, file, files, folders, page))


def _check_directory(content: bytes, name: str, limits: ZipLimits) -> None:
    """Refuse an archive whose own directory is too long to be read."""
    end = content.rfind(b"PK\x05\x06", max(0, len(content) - 65_557))
    if end < 0 or end + 22 > len(content):
        return  # not a ZIP, as the next step says
    (directory_bytes,) = struct.unpack_from("<L", content, end + 12)
    # ZIP64, for over 4 GB or 65,535 files, has a second directory, whose size nothing here limits.
    large = content[max(0, end - 20) : end].startswith(b"PK\x06\x07")
    if large or directory_bytes > limits.max_files * _DIRECTORY_BYTES_A_FILE:
        raise _too_many(name, limits)


def _check(named: list[tuple[str, zipfile.ZipInfo]], name: str, limits: ZipLimits) -> None:
    total = sum(e.file_size for _, e in named)
    if total > limits.max_unpacked_bytes:
        raise _too_large(name, f"{total / 2**20:,.0f} MB unpacked", limits.max_unpacked_bytes)
    seen: set[str] = set()
    for path, entry in named:
        mode, where = entry.external_attr >> 16, f"{name}: {path!r}"
        if path.count("/") >= MAX_DEPTH:
            raise DataError(f"{name} holds folders more than {MAX_DEPTH} deep.", AGAIN)
        # A folder may be listed twice, by merging, without a doubt about what is in it.
        if path in seen and not is_folder(entry):
            raise DataError(f"{where} is in it twice.", AGAIN)
        seen.add(path)
        if stat.S_ISLNK(mode):
            raise DataError(f"{where} is a link.", "Put the file itself in its place.")
        if entry.flag_bits & 0x1:
            raise DataError(f"{where} is encrypted.", "Pack the set without a password.")
        if entry.compress_type not in _METHODS:
            raise DataError(
                f"{where} is compressed in a way that allcell does not read.",
                "Pack it as a plain ZIP (method deflate, or without compression).",
            )
        if entry.file_size > limits.max_file_bytes:
            raise _too_large(
                where, f"{entry.file_size / 2**20:,.0f} MB unpacked", limits.max_file_bytes
            )
        if entry.file_size > max(_SMALL_BYTES, MAX_RATIO * entry.compress_size):
            raise DataError(
                f"{where} is compressed more than {MAX_RATIO}-fold, unlike any image or label.",
                AGAIN,
            )


def _too_large(what: str, size: str, limit_bytes: int) -> DataError:
    return DataError(
        f"{what} has {size}; at most {limit_bytes / 2**20:,.0f} MB are accepted.", _SMALLER
    )


def _too_many(name: str, limits: ZipLimits) -> DataError:
    return DataError(f"{name} holds more than {limits.max_files:,} files.", _SMALLER)
