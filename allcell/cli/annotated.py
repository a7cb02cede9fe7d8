"""Annotated pictures in a folder: none replaces another image's, half of one is never left."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from allcell.environment.files import write_whole
from allcell.errors import AllcellError
from allcell.imaging.folders import ANNOTATED
from allcell.imaging.images import RGBImage, encode_png
from allcell.result import Result
from allcell.text.names import file_stems, safe_name

#: Keyword of the text chunk by which a picture of the same image is known again.
_KEYWORD = b"allcell-source"
#: Signature and header of a PNG, which the first further chunk follows (PNG 3, 5.2 and 11.2.1).
_HEADER_BYTES = 8 + 25


class AnnotatedFolder:
    """Writes the annotated pictures of one command.

    Args:
        folder: Created if it does not exist.
        names: What tells the images apart, in their order; their files are named after it.

    Raises:
        AllcellError: If the folder cannot be made.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            if os.path.isfile(folder):  # Path.is_file fails on a name that is too long
                why = "is a file"
            else:
                why = f"cannot be made: {getattr(error, 'strerror', None) or 'invalid path'}"
            raise AllcellError(
                f"The folder for annotated pictures, {folder}, {why}.",
                "Give --annotated a folder that you may write into, or the name of a new one.",
            ) from error
        self._folder = folder
        self._stems = file_stems(safe_name(name.replace("/", "-")) for name in names)
        self._written: set[Path] = set()

    def write(self, place: int, path: Path, result: Result, image: RGBImage) -> None:
        """Draw a result and write it.

        A picture of the same image from an earlier command is replaced; any other file stays, and
        the new one's name gets a number.

        Args:
            place: The image's place in the list of names.
            path: Where it comes from.
            result: What was found in it.
            image: Its pixels.

        Raises:
            OSError: If it cannot be written; nothing is left of it then.
        """
        source = _source_chunk(path)
        for number in count(1):
            ending = ANNOTATED if number == 1 else f"-{number}{ANNOTATED}"
            target = self._folder / f"{self._stems[place]}{ending}"
            if target not in self._written and (not target.exists() or _is_of(target, source)):
                break
        png = encode_png(result.draw(image))
        write_whole(target, png[:_HEADER_BYTES] + source + png[_HEADER_BYTES:])
        self._written.add(target)


def _source_chunk(path: Path) -> bytes:
    """A PNG chunk that is the same for the same image only, and from which no name can be read."""
    digest = hashlib.sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()[:16]
    body = b"tEXt" + _KEYWORD + b"\0" + digest.encode()
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _is_of(target: Path, source: bytes) -> bool:
    try:
        with target.open("rb") as file:
            return file.read(_HEADER_BYTES + len(source))[_HEADER_BYTES:] == source
    except OSError:
        return False
