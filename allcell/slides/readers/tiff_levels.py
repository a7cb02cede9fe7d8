"""Which pages of a TIFF are the slide and its smaller copies, checked before any is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import tifffile

from allcell.errors import SlideError
from allcell.formats.remedies import SAVE_PLAIN
from allcell.settings import settings
from allcell.slides.files import COPY_AGAIN, SlideFile

#: Pages that are looked at; slides have a dozen.
_MAX_PAGES = 64
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _YCBCR = 0, 1, 2, 6
#: Uncompressed, LZW, JPEG, Deflate (two), PackBits, JPEG 2000 (two), Zstandard.
#: Aperio's JPEG 2000 in YCbCr (33003) is OpenSlide's.
COMPRESSIONS = (1, 5, 7, 8, 32946, 32773, 33005, 34712, 50000)
#: Pixels of a tile or strip at most: each is decoded whole.
_MAX_TILE_PX = 32_000_000
#: Pixels of a strip that uncompressed ones are cut into.
_STRIP_PX = 1_000_000
#: What a tile may take in the file beyond its raw size.
_SLACK_BYTES = 65_536
_RESOLUTION, _UNIT = (282, 283), 296
#: Micrometres in TIFF's units of resolution: inch, centimetre.
_UNIT_UM = {2: 25_400.0, 3: 10_000.0}
_APERIO_MPP = re.compile(r"(?:^|\|)\s*MPP\s*=\s*([0-9.]+)")
_OME_SIZE = re.compile(r'PhysicalSizeX="([0-9.eE+-]+)"')
_OME_UNIT = re.compile(r'PhysicalSizeXUnit="([^"]{1,8})"')
_OME_UNITS_UM = {"µm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
#: A size of pixels that a microscope can have, in micrometres.
MPP_RANGE = (0.02, 20.0)


@dataclass(frozen=True, eq=False)
class StoredLevel:
    """A page that is one level.

    Attributes:
        page: What decodes its tiles.
        width_px: Width.
        height_px: Height.
        tile_px: Width and height of its tiles or strips.
        columns: Tiles in a row.
        planes: 3 if red, green and blue are stored one after the other, else 1.
        offsets: Where each tile begins in the file.
        sizes: How many bytes it has there; 0 for one that is not stored: empty glass.
        is_plain: Whether the tiles are strips of uncompressed pixels.
    """

    page: tifffile.TiffPage
    width_px: int
    height_px: int
    tile_px: tuple[int, int]
    columns: int
    planes: int
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    is_plain: bool = False


def find_levels(tif: tifffile.TiffFile, file: SlideFile) -> tuple[StoredLevel, ...]:
    """The slide in a TIFF and its smaller copies, the finest first.

    The largest picture is the slide. A smaller one is a copy of it if it has the same proportions
    to the pixel and is stored in the same way; labels and macro images are neither.

    Args:
        tif: The file, by tifffile.
        file: The same file.

    Raises:
        SlideError: If its pages contradict themselves or the file, or are too large.
        Exception: Whatever tifffile raises on damaged data; the caller translates it.
    """
    pages = list(_pages(tif))
    if not pages:
        raise SlideError(f"{file.label} holds no picture that can be read.", COPY_AGAIN)
    for page in pages:
        _check_numbers(page)
    base = max(pages, key=lambda page: page.imagewidth * page.imagelength)
    check_pixels(base.imagewidth, base.imagelength, file.label)
    _check_kind(base, pages, file.label)
    copies = [page for page in (*pages, *_below(base)) if _is_copy(page, base)]
    by_size = {(page.imagewidth, page.imagelength): page for page in reversed(copies)}
    ordered = [base, *(by_size[size] for size in sorted(by_size, reverse=True))]
    return tuple(_stored(page, file) for page in ordered)


def check_pixels(width_px: int, height_px: int, label: str) -> None:
    """Refuse a slide that is larger than any, or than the settings allow.

    Raises:
        SlideError: If it has no pixels or more than `max_slide_pixels`.
    """
    most = settings().max_slide_pixels
    if width_px < 1 or height_px < 1:
        raise SlideError(f"{label} says that it has {width_px} x {height_px} pixels.", COPY_AGAIN)
    if width_px * height_px > most:
        raise SlideError(
            f"{label} has {width_px:,} x {height_px:,} pixels; at most {most / 1e9:,.1f} thousand "
            "million are accepted.",
            "Export the part with the smear from the scanner's viewer, or raise "
            "ALLCELL_MAX_SLIDE_PIXELS.",
        )


def stated_mpp(tif: tifffile.TiffFile, base: tifffile.TiffPage) -> float | None:
    """Micrometres a pixel as the file gives them; None if it does not, or nonsense.

    Args:
        tif: The file.
        base: The page of its finest level.
    """
    text = str(tif.pages.first.description or "")[:200_000]
    if base.is_svs and (found := _APERIO_MPP.search(text)):
        return plausible_mpp(found[1])
    if tif.is_ome and (found := _OME_SIZE.search(text)):
        unit = _OME_UNIT.search(text)
        return plausible_mpp(found[1], _OME_UNITS_UM.get(unit[1] if unit else "µm", 0.0))
    unit_tag = base.tags.get(_UNIT)
    um = _UNIT_UM.get(int(unit_tag.value), 0.0) if unit_tag is not None else 0.0
    sides = []
    for code in _RESOLUTION:
        tag = base.tags.get(code)
        if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2 or not um:
            return None
        above, below = tag.value
        sides.append(um * below / above if above else 0.0)
    # Programs write 72, 96 or 300 dots an inch where they know nothing, which is far from this.
    return plausible_mpp(sum(sides) / 2)


def plausible_mpp(value: object, factor: float = 1.0) -> float | None:
    """A size of pixels in micrometres, if it is a number that a microscope can have."""
    try:
        mpp = float(str(value)) * factor
    except ValueError:
        return None
    return mpp if MPP_RANGE[0] <= mpp <= MPP_RANGE[1] else None


def _pages(tif: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    for page in islice(tif.pages, _MAX_PAGES):
        if isinstance(page, tifffile.TiffPage):
            yield page


def _below(base: tifffile.TiffPage) -> Iterator[tifffile.TiffPage]:
    """The pages that a page refers to as its smaller copies (SubIFDs)."""
    if not base.subifds:
        return
    for page in islice(base.pages or (), _MAX_PAGES):
        if isinstance(page, tifffile.TiffPage):
            _check_numbers(page)
            yield page


def _check_numbers(page: tifffile.TiffPage) -> None:
    """Raise unless each value is a single number: a damaged tag may hold a long list."""
    numbers: tuple[object, ...] = (
        *(page.imagewidth, page.imagelength, page.imagedepth, page.tilewidth, page.tilelength),
        *(page.tiledepth, page.rowsperstrip, page.samplesperpixel, page.bitspersample),
        *(page.sampleformat, page.photometric, page.planarconfig, page.compression),
    )
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError("a list where one number belongs")


def _check_kind(base: tifffile.TiffPage, pages: list[tifffile.TiffPage], label: str) -> None:
    if base.bitspersample != 8 or base.sampleformat != 1:
        raise SlideError(
            f"{label} has {base.bitspersample} bits a colour; a slide has 8.",
            "Export it from the scanner's viewer with 8 bits a colour.",
        )
    if base.samplesperpixel not in (1, 3, 4) or base.photometric not in (
        *(_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _YCBCR),
    ):
        raise SlideError(f"{label} is not in red, green and blue.", SAVE_PLAIN)
    size = (base.imagewidth, base.imagelength)
    if base.samplesperpixel == 1 and sum((p.imagewidth, p.imagelength) == size for p in pages) > 1:
        raise SlideError(
            f"{label} holds its channels or planes in pages of their own, not one picture.",
            "Export it as RGB from the scanner's viewer or from QuPath.",
        )
    if base.compression not in COMPRESSIONS or (
        base.photometric == _YCBCR and base.compression not in (7, 33005, 34712)
    ):
        name = getattr(base.compression, "name", base.compression)
        raise SlideError(
            f"{label} is compressed in a way that cannot be read: {name}.",
            "Export it with JPEG, JPEG 2000, Deflate, LZW or no compression.",
        )


def _is_copy(page: tifffile.TiffPage, base: tifffile.TiffPage) -> bool:
    """Whether a page shows the whole of another one, smaller."""
    width, height = page.imagewidth, page.imagelength
    if not (0 < width < base.imagewidth and 0 < height <= base.imagelength):
        return False
    # Each side is rounded to a pixel, up or down.
    off = abs(height * base.imagewidth - width * base.imagelength)
    return (
        off <= base.imagewidth + base.imagelength
        and page.is_tiled == base.is_tiled
        and (page.bitspersample, page.sampleformat, page.samplesperpixel)
        == (base.bitspersample, base.sampleformat, base.samplesperpixel)
        and page.photometric in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _YCBCR)
        and page.compression in COMPRESSIONS
    )


def _stored(page: tifffile.TiffPage, file: SlideFile) -> StoredLevel:
    """A page whose tiles all lie within the file.

    Raises:
        SlideError: If they do not, or are not as many or as large as the page says.
    """
    width, height = page.imagewidth, page.imagelength
    if page.is_tiled:
        tile = (page.tilewidth, page.tilelength)
    else:
        tile = (width, min(max(page.rowsperstrip, 0), height))
    size = f"{width:,} x {height:,} pixels"
    if min(tile) < 1 or page.imagedepth != 1 or page.tiledepth > 1:
        raise SlideError(f"{file.label} contradicts itself: {size} in no tiles.", COPY_AGAIN)
    if not page.is_tiled and page.compression == 1 and page.planarconfig != 2:
        return _in_strips(page, file)
    if tile[0] * tile[1] > _MAX_TILE_PX:
        raise SlideError(
            f"{file.label} is stored in pieces of {tile[0]:,} x {tile[1]:,} pixels, which are too "
            "large to decode.",
            "Save it again in tiles of 256 or 512 pixels, such as with QuPath.",
        )
    columns, rows = -(-width // tile[0]), -(-height // tile[1])
    planes = page.samplesperpixel if page.planarconfig == 2 and page.samplesperpixel > 1 else 1
    offsets = np.array(page.dataoffsets, np.int64)
    sizes = np.array(page.databytecounts, np.int64)
    expected = columns * rows * planes
    if not len(offsets) == len(sizes) == expected:
        raise SlideError(
            f"{file.label} contradicts itself: {size} are {expected:,} tiles, and it lists "
            f"{min(len(offsets), len(sizes)):,}.",
            COPY_AGAIN,
        )
    beyond = (offsets < 0) | (sizes < 0) | (offsets + sizes > file.size_bytes)
    if beyond.any():
        raise SlideError(
            f"{file.label} ends early: {int(beyond.sum()):,} of {expected:,} tiles of {size} lie "
            "beyond its end.",
            COPY_AGAIN,
        )
    raw = tile[0] * tile[1] * (1 if planes > 1 else page.samplesperpixel)
    if int(sizes.max()) > 2 * raw + _SLACK_BYTES:
        raise SlideError(f"{file.label} contradicts itself: a tile is too long.", COPY_AGAIN)
    return StoredLevel(page, width, height, tile, columns, planes, offsets, sizes)


def _in_strips(page: tifffile.TiffPage, file: SlideFile) -> StoredLevel:
    """An uncompressed page, cut into strips of our own: many programs write it as one.

    Raises:
        SlideError: If its pixels do not lie in the file, one after the other.
    """
    width, height = page.imagewidth, page.imagelength
    row = width * page.samplesperpixel
    size = f"{width:,} x {height:,} pixels"
    given = np.array([page.dataoffsets, page.databytecounts], np.int64)
    if not given.size or (given[0, 1:] != given[0, :-1] + given[1, :-1]).any():
        raise SlideError(
            f"{file.label} is stored in strips that lie apart, which is not read.",
            "Save it again in tiles of 256 or 512 pixels, such as with QuPath.",
        )
    start = int(given[0, 0])
    if start < 0 or start + row * height > file.size_bytes:
        raise SlideError(
            f"{file.label} ends early: {size} need {row * height / 1e6:,.0f} MB, and it has "
            f"{file.size_bytes / 1e6:,.0f}.",
            COPY_AGAIN,
        )
    rows = max(1, min(height, _STRIP_PX // width))
    tops = np.arange(0, height, rows, dtype=np.int64)
    sizes = (np.minimum(tops + rows, height) - tops) * row
    return StoredLevel(page, width, height, (width, rows), 1, 1, start + tops * row, sizes, True)
