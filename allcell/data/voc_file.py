"""An annotation file in Pascal VOC's format: read, and checked object by object."""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass
from typing import Any

import defusedxml.ElementTree as ElementTree  # refuses entities, which may expand to gigabytes
from defusedxml.common import DefusedXmlException

from allcell.data.dataset import is_turned, said_size
from allcell.data.zipped import DataPath, size_bytes
from allcell.errors import DataError

#: Larger annotation files are refused: a usual one has a few kilobytes.
MAX_BYTES = 16 * 2**20

#: The encoding in the first line. The parser itself knows none of Asia's.
_ENCODING = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']"
)
#: Python also calls things encodings that no text is in, some of which take long to undo.
_TEXT_CODECS = re.compile(
    r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp\d+|gb\w+|hz|big5\w*|shift_jis\w*|euc_\w+|koi8-\w|"
    r"mac-\w+"
)

#: What reading may raise on a file that is not an annotation.
_MALFORMED = (OSError, ValueError, LookupError, ElementTree.ParseError, DefusedXmlException)


@dataclass(frozen=True)
class VocObject:
    """One object of an annotation.

    Attributes:
        name: Its class.
        difficult: Whether it counts neither for nor against a model.
        corners: x1, y1, x2, y2 in pixels, counted from 0.
    """

    name: str
    difficult: bool
    corners: list[float]


@dataclass(frozen=True)
class VocAnnotation:
    """What one file says.

    Attributes:
        filename: Its picture's name; may be empty.
        size_px: Width and height of the picture; None if they are not said.
        objects: In their order.
    """

    filename: str
    size_px: tuple[int, int] | None
    objects: list[VocObject]


def read_voc_file(path: DataPath) -> VocAnnotation:
    """Read an annotation file.

    Args:
        path: The file.

    Raises:
        DataError: If it is not one; the message names the object that is wrong.
    """
    try:
        if size_bytes(path) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // 2**20} MB")
        root = ElementTree.fromstring(_text_of(path))
        for element in root.iter():
            # Some programs put their own web address before each name.
            element.tag = str(element.tag).rpartition("}")[2]
        if root.tag != "annotation":
            raise ValueError(f"it holds <{root.tag}>, not <annotation>")
        objects = [_object(item, number) for number, item in enumerate(root.iter("object"), 1)]
        if objects and all(max(item.corners[2:]) <= 1 for item in objects):
            raise ValueError("all its boxes lie within 1 pixel, as fractions of the picture would")
        return VocAnnotation(root.findtext("filename", "").strip(), _size(root), objects)
    # LookupError: an unknown encoding. The message of an OSError contains the whole path.
    except _MALFORMED as error:
        reason = type(error).__name__ if isinstance(error, OSError) else str(error)[:300]
        raise DataError(
            f"{path.name} is not a Pascal VOC annotation ({reason}).",
            "It needs objects with a name and a bndbox.",
        ) from error


def _text_of(path: DataPath) -> str:
    """The text of a file, in the encoding that it says it has.

    Raises:
        DataError: If it is in another one.
        LookupError: If there is no such encoding.
    """
    content = path.read_bytes()
    said = _ENCODING.match(content)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else said[1].decode("ascii") if said else "utf-8"
    name = codecs.lookup(encoding).name
    if not _TEXT_CODECS.fullmatch(name):
        raise LookupError(f"unknown encoding {encoding}")
    if said and name.startswith(("utf-16", "utf-32")):
        encoding = "utf-8"  # .NET says so of texts that it then saves as UTF-8
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeError as error:
        says = f"says that it is in {encoding}" if said else "does not say its encoding"
        raise DataError(
            f"{path.name} {says}, but its text is in another one.", "Save it as UTF-8."
        ) from error


def _size(root: Any) -> tuple[int, int] | None:
    """Width and height; None if they are not said, or as 0 by a program that did not know them."""
    return said_size(root.findtext("size/width"), root.findtext("size/height"))


def _object(item: Any, number: int) -> VocObject:
    where = f"object {number}"
    name = _text(item, "name", where)
    difficult = item.findtext("difficult", "0").strip().lower() in ("1", "true")
    box = item.find("bndbox")
    for one in item.iter("attribute"):
        degrees = one.findtext("value", "0").strip()[:20]
        if one.findtext("name", "").strip() == "rotation" and is_turned(degrees):
            raise ValueError(f"{where} ({name}) is turned by {degrees} degrees, expected upright")
    if box is None:
        raise ValueError(f"{where} ({name}) has no bndbox")
    said = [_text(box, side, f"{where} ({name})") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = map(float, said)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    corners = [x1 - 1, y1 - 1, x2, y2]
    if not all(map(math.isfinite, corners)) or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"{where} ({name}) is a box without an area: {', '.join(said)}")
    return VocObject(name, difficult, corners)


def _text(item: Any, name: str, where: str) -> str:
    text = item.findtext(name)
    if text is None or not text.strip():
        raise ValueError(f"{where} has no {name}")
    return str(text).strip()
