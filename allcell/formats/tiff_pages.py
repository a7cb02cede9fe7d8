"""Which page of a TIFF is the picture, or which three pages are its red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tifffile
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from allcell.errors import ImageError

#: More pages than these belong to no still picture; walking millions of them would take minutes.
_MAX_PAGES = 64
#: Grey (two), RGB, palette, inks, YCbCr and Lab: what a finished picture is in.
_PICTURES = (0, 1, 2, 3, 5, 6, 8)
_SUB_IFDS = 330
_MAX_XML_CHARS = 2_000_000
#: A first page smaller than this part of the largest one is its label or thumbnail.
_LABEL_SHARE = 0.25
_PRIMARIES: dict[tuple[int, ...], int] = {(255, 0, 0): 0, (0, 255, 0): 1, (0, 0, 255): 2}
_NAMES = {"red": 0, "r": 0, "green": 1, "g": 1, "blue": 2, "b": 2}
#: What reading a damaged or cut description raises.
_NOT_OME = (ElementTree.ParseError, DefusedXmlException, ValueError)
_MERGE = (
    "Merge its channels to one RGB picture (in ImageJ: Image > Type > RGB Color) and save that as "
    "TIFF or PNG."
)


@dataclass(frozen=True)
class Choice:
    """The picture in a TIFF.

    Attributes:
        pages: Its page, or those of red, green and blue, counted from 0.
        note: What the user has to know about the choice; empty if there was none.
    """

    pages: tuple[int, ...] = (0,)
    note: str = ""


def has_picture(tif: tifffile.TiffFile) -> bool:
    """Whether a page after a thumbnail is a whole picture, as none of a camera's raw file is.

    Cameras keep the raw data in a directory below that of the thumbnail (SubIFDs).
    """
    pages = [page for page in islice(tif.pages, _MAX_PAGES) if isinstance(page, tifffile.TiffPage)]
    if _SUB_IFDS in pages[0].tags:
        return False
    return any(not page.is_reduced and page.photometric in _PICTURES for page in pages[1:])


def choose_pages(tif: tifffile.TiffFile, label: str) -> Choice:
    """Find the picture among the pages of a file.

    Args:
        tif: The file.
        label: What messages call it.

    Raises:
        ImageError: If its pages are channels that do not make a picture in red, green and blue.
        Exception: Whatever tifffile raises on damaged data; the caller translates it.
    """
    pages = [page for page in islice(tif.pages, _MAX_PAGES) if isinstance(page, tifffile.TiffPage)]
    first = pages[0]
    if first.samplesperpixel == 1 and len(pages) > 1:
        try:
            channels = _ome_channels(first) or _imagej_channels(tif)
        except _NOT_OME as error:
            raise ImageError(
                f"{label} has {len(pages)} pages, and what it says of them (OME-XML) cannot be "
                "read.",
                _MERGE,
            ) from error
        if channels is not None:
            return Choice(_in_order(channels, label))
    if len(pages) == 1:
        return Choice()
    whole = {
        i: page.imagewidth * page.imagelength for i, page in enumerate(pages) if not page.is_reduced
    }
    largest = max(whole, key=lambda i: whole[i]) if whole else 0
    count = f"{len(pages)}" if len(pages) < _MAX_PAGES else f"{_MAX_PAGES} or more"
    if whole and whole.get(0, 0) < _LABEL_SHARE * whole[largest]:
        return Choice(
            (largest,), f"This is page {largest + 1} of {count} in the file, the largest."
        )
    others = len(whole) - 1
    return Choice((0,), f"This is page 1 of {count} in the file." if others else "")


@dataclass(frozen=True)
class _Channels:
    """Pages that are channels.

    Attributes:
        pages: The page of each channel.
        planes: How many further dimensions there are planes of: 1 if each channel is one page.
        colours: RGB of each channel, None where nothing is said.
        names: Of each channel, empty where nothing is said.
    """

    pages: Sequence[int]
    planes: int
    colours: Sequence[tuple[int, ...] | None]
    names: Sequence[str]


def _in_order(found: _Channels, label: str) -> tuple[int, ...]:
    """The pages of red, green and blue."""
    n = len(found.pages)
    if n != 3 or found.planes != 1:
        what = f"{n} channels" if found.planes == 1 else f"a stack of {n * found.planes} planes"
        raise ImageError(f"{label} holds {what} in pages of their own, not one picture.", _MERGE)
    by_name = [_NAMES.get(name.strip().lower()) for name in found.names]
    by_colour = [None if c is None else _PRIMARIES.get(tuple(c)) for c in found.colours]
    for places in (by_name, by_colour):
        if sorted(-1 if p is None else p for p in places) == [0, 1, 2]:
            return tuple(found.pages[places.index(colour)] for colour in range(3))
    if any(colour is not None for colour in found.colours):
        raise ImageError(
            f"{label} holds three channels whose colours are not red, green and blue.", _MERGE
        )
    return tuple(found.pages)


def _ome_channels(page: tifffile.TiffPage) -> _Channels | None:
    """The channels in the OME-XML of the first page (https://docs.openmicroscopy.org/ome-model/)."""
    text = page.description
    if "<OME" not in text or len(text) > _MAX_XML_CHARS:
        return None
    root = ElementTree.fromstring(text)
    # The name space differs with the version.
    pixels = next((item for item in root.iter() if item.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None
    size_c, size_z, size_t = (int(pixels.get(f"Size{axis}", "1")) for axis in "CZT")
    channels = [item for item in pixels if item.tag.endswith("}Channel")]
    if size_c <= 1 or size_c > _MAX_PAGES:
        return None
    pages = list(range(size_c))
    for item in pixels:
        if item.tag.endswith("}TiffData") and item.get("FirstC") and item.get("IFD"):
            channel = int(item.get("FirstC", "0"))
            if 0 <= channel < size_c:
                pages[channel] = int(item.get("IFD", "0"))
    colours = [_rgb(item.get("Color")) for item in channels]
    return _Channels(pages, size_z * size_t, colours, [item.get("Name", "") for item in channels])


def _rgb(colour: str | None) -> tuple[int, ...] | None:
    """OME's colour, a signed number of 32 bits: red, green, blue, opacity."""
    if colour is None:
        return None
    number = int(colour) & 0xFFFFFFFF
    # White is what OME gives to channels that nobody has coloured.
    return None if number == 0xFFFFFFFF else tuple(number >> shift & 0xFF for shift in (24, 16, 8))


def _imagej_channels(tif: tifffile.TiffFile) -> _Channels | None:
    """The channels that ImageJ's description names (ij.io.TiffEncoder, ij.io.FileInfo)."""
    about = tif.imagej_metadata if tif.is_imagej else None
    n = int((about or {}).get("channels", 1))
    if about is None or n <= 1 or n > _MAX_PAGES:
        return None
    planes = int(about.get("slices", 1)) * int(about.get("frames", 1))
    tables = [np.asarray(table) for table in about.get("LUTs", [])]
    colours = [tuple(int(v) for v in t[:, -1]) if t.shape == (3, 256) else None for t in tables]
    named = [str(name) for name in about.get("Labels", [])]
    return _Channels(range(n), planes, colours, named)
