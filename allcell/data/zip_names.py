"""Names in a ZIP: how they are coded, and the path that each stands for.

A ZIP says of a name that it is UTF-8, or says nothing: then it is in the code page of the computer
that packed it, which Python takes for the first PC's (cp437).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence

from allcell.errors import DataError

#: A ZIP's beginning, whole or cut off, and that of its end, of so many bytes at least.
ZIP_START, _ZIP_END, _END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
AGAIN = "Pack the folder of the set again with your computer's usual tool."
_PC = "cp437"
_UTF_8_FLAG = 0x800
#: What names may be coded in: macOS and Linux; Windows in Japan, the West, China and Russia.
_CODE_PAGES = ("utf-8", "cp932", _PC, "cp850", "cp1252", "gb18030", "cp866")
#: Two umlauts in a row, which would look like these in Japanese, are in no name.
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2}")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def code_page(entries: Sequence[zipfile.ZipInfo]) -> str:
    """The coding of the names that do not say it, the same for a whole archive.

    Args:
        entries: Of the archive.
    """
    unsaid = [e.orig_filename for e in entries if not e.flag_bits & _UTF_8_FLAG]
    foreign = [name for name in unsaid if not name.isascii()]
    if not foreign:
        return _PC
    if _decoded(foreign, "utf-8"):
        return "utf-8"
    # Half of a character of Shift-JIS may be the byte of a backslash.
    japanese = "\n".join(_decoded(foreign, "cp932"))
    split = any("\\" in name for name in foreign) and japanese and "\\" not in japanese
    return "cp932" if split or _JAPANESE.search(japanese) else _PC


def _decoded(names: Sequence[str], page: str) -> list[str]:
    """The names in another code page; empty if one of them is not in it."""
    try:
        return [name.encode(_PC).decode(page) for name in names]
    except UnicodeError:
        return []


def path_of(entry: zipfile.ZipInfo, page: str, archive: str) -> str:
    """The path of a file or folder: parts joined by slashes, without any that say nothing.

    It is empty for `./`, the folder that all lies in, which some programs list.

    Args:
        entry: Of the archive.
        page: See `code_page`.
        archive: What messages call it.

    Raises:
        DataError: If it leads out of the archive.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _UTF_8_FLAG:
        name = name.encode(_PC).decode(page)
    # Archives from old Windows programs have backslashes between folders.
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name or (parts and name[0] in "\\/") or _DRIVE.match(name):
        raise DataError(
            f"{archive}: {name!r} is a name that could lead out of the set.",
            AGAIN,
        )
    return "/".join(parts)


def is_folder(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder, not a file."""
    return entry.orig_filename.endswith(("/", "\\")) and entry.file_size == 0


def misread(name: str, page: str) -> Iterator[str]:
    """What a name looks like in an archive whose code page was not told.

    Args:
        name: As it should be.
        page: What `code_page` took the archive's for.
    """
    if name.isascii():
        return
    for written in _CODE_PAGES:
        try:
            yield name.encode(written).decode(page)
        except UnicodeError:
            continue


def no_zip(content: bytes, name: str, reason: str) -> DataError:
    """The error for content that is no ZIP, or the beginning of one.

    Args:
        content: Its bytes.
        name: What messages call it.
        reason: Why it cannot be read.
    """
    end = content.rfind(_ZIP_END)
    if content.startswith(ZIP_START) and (end < 0 or end + _END_BYTES > len(content)):
        return DataError(f"{name} is incomplete: its end is missing.", "Copy it again.")
    return DataError(f"{name} is not a ZIP that can be read ({reason}).", AGAIN)
