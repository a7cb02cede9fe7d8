"""What is to be analysed: the pictures of a folder, those of a list, or one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from allcell.batch.storage import Storage, is_address, joined, parent_of
from allcell.errors import DataError
from allcell.formats.table import SUFFIXES
from allcell.imaging.folders import ANNOTATED, find_pictures

#: How the names of slides end that are nothing else. A TIFF is a picture or a slide, and is taken
#: for a picture.
ONLY_SLIDES = (
    *(".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi", ".btf"),
)
#: How the name of a list of paths ends.
LIST_SUFFIX = ".txt"


@dataclass(frozen=True)
class BatchInput:
    """One picture that is to be analysed.

    Attributes:
        address: Its absolute path (see `as_text`) or its address, by which results name it.
        size_bytes: Size of its file; 0 if unknown.
    """

    address: str
    size_bytes: int = 0

    @property
    def is_slide(self) -> bool:
        """Whether it is a slide by its name, which takes a worker a while and its own part."""
        return self.address.lower().partition("?")[0].endswith(ONLY_SLIDES)


@dataclass
class BatchSource:
    """What was found at a source.

    Attributes:
        inputs: Its pictures, each once.
        said: What was left out, in sentences.
    """

    inputs: list[BatchInput] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def inputs_at(source: str) -> BatchSource:
    """The pictures of a source.

    Args:
        source: A folder, which is searched with all below it; a list (.txt) with a path or an
            address on each line, relative ones being those of its own folder, empty lines and
            those that begin with # left out; or a picture. Local, or in an object store.

    Returns:
        Each once, in the order of the paths or of the list. What is listed is not looked at: what
        is missing comes to nothing when its turn comes, and is named then.

    Raises:
        DataError: If the source cannot be reached, or holds no picture.
    """
    if source.lower().partition("?")[0].endswith(LIST_SUFFIX):
        found = _listed(source)
    elif is_address(source):
        found = _remote(source)
    else:
        found = _local(source)
    found.inputs = list({one.address: one for one in found.inputs}.values())
    if not found.inputs:
        raise DataError(
            " ".join([f"There is no picture at {source}.", *found.said]),
            "Name a folder with pictures, a list of them (.txt) or a picture.",
        )
    return found


def _local(source: str) -> BatchSource:
    path = Path(os.path.abspath(source))
    pictures = find_pictures([path])
    if any(failed == path for failed, _ in pictures.failed):
        raise pictures.failed[0][1]
    # What cannot be read is kept as an input: it fails when its turn comes, and is in the table.
    unread = [BatchInput(as_text(failed)) for failed, _ in pictures.failed]
    slides = [file for file in pictures.skipped if BatchInput(str(file)).is_slide]
    pictures.skipped = [file for file in pictures.skipped if file not in slides]
    files = sorted([*pictures.files, *slides])
    inputs = [BatchInput(as_text(file), _size(file)) for file in files]
    return BatchSource([*inputs, *unread], pictures.passed_over())


def as_text(path: Path) -> str:
    """A path as tables hold it: bytes of its name that are no UTF-8 stand as hexadecimal."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_of(address: str) -> Path:
    """The path that `as_text` made an address of."""
    if "\\x" in address and not os.path.lexists(address):
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), os.fsencode(address))
        if os.path.lexists(raw):
            return Path(os.fsdecode(raw))
    return Path(address)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _remote(source: str) -> BatchSource:
    storage = Storage(source)
    if not storage.is_folder():
        return BatchSource([BatchInput(source)] if storage.holds() else [])
    files = storage.files()
    wanted = [f for f in files if f.name.lower().endswith((*SUFFIXES, *ONLY_SLIDES))]
    pictures = [f for f in wanted if not f.name.lower().endswith(ANNOTATED)]
    said = []
    if others := len(files) - len(pictures):
        said.append(
            f"{others} files passed over: their names are not those of pictures, or allcell made "
            "them."
        )
    inputs = [BatchInput(joined(source, f.name), f.size_bytes) for f in pictures]
    return BatchSource(inputs, said)


def _listed(source: str) -> BatchSource:
    content = Storage(source).read()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not text in UTF-8.", "Save the list as UTF-8.") from error
    folder = parent_of(source if is_address(source) else os.path.abspath(source))
    return BatchSource([BatchInput(_placed(line, folder)) for line in _said_lines(lines)])


def _said_lines(lines: Iterable[str]) -> Iterable[str]:
    return (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _placed(line: str, folder: str) -> str:
    if is_address(line) or os.path.isabs(line):
        return line
    return joined(folder, line) if is_address(folder) else os.path.normpath(Path(folder, line))
