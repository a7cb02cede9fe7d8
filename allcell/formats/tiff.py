"""TIFF -> RGB uint8. tifffile reads the header; which library decodes depends on the depth.

Pillow decodes what is usual of up to 8 bits (by libtiff: LZW, Deflate, JPEG, PackBits, fax), but
keeps only the high byte of 16-bit colour, which turns pictures of 12-bit cameras black. All else
goes to tifffile with imagecodecs, sample by sample as it is stored.
"""

from __future__ import annotations

import contextlib
import io
import logging

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from allcell.errors import ImageError
from allcell.formats.jpeg import jpeg_header
from allcell.formats.pixels import RGBImage, orient, to_rgb, to_srgb
from allcell.formats.raster import SizeCheck, from_pillow
from allcell.formats.remedies import OPEN_AS_SLIDE, SAVE_PLAIN
from allcell.formats.tiff_pages import choose_pages, has_picture
from allcell.formats.tiff_samples import read_samples

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_LZW, _JPEG, _PLANAR = 5, 7, 2
#: What Pillow decodes: none, fax (three), LZW, JPEG of two kinds, Deflate (two), PackBits, LZMA,
#: Zstandard.
_BY_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32946, 32773, 34925, 50000)
_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA = 1, 2
_PHOTOMETRIC, _ORIENTATION, _PROFILE, _DNG_VERSION = 262, 274, 34675, 50706
_MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE = 281, 341
_RESOLUTION = (282, 283)
_MAX_BITS = {1: 16, 2: 16, 3: 64, 4: 16}

# Its messages quote tags of a damaged file, and a description may name the patient.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_tiff(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    """The picture in a TIFF or BigTIFF file, upright; which of several pages: `choose_pages`.

    Args:
        data: The whole file.
        label: What messages call the file.
        check_size: Called with the size from the header before decoding.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: If it is a whole slide, a camera raw file or of a layout that cannot be read.
        Exception: Whatever the libraries raise on damaged data; the caller translates it.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        first = _page(tif, 0, label)
        _check_numbers(first)
        _refuse_other_uses(
            first, label, is_canon_raw=data[8:10] == b"CR", has_picture=has_picture(tif)
        )
        chosen = choose_pages(tif, label).pages
        for index in chosen:
            _check_page(_page(tif, index, label), label, check_size)
        page = _page(tif, chosen[0], label)
        if len(chosen) == 1 and _is_usual(page, data):
            if page.compression == _LZW:
                # Of damaged data Pillow's libtiff writes lines to stderr; this raises.
                page.asarray()
            # There are layouts that Pillow does not know.
            with contextlib.suppress(UnidentifiedImageError):
                return _by_pillow(data, page, check_size)
        return _from_samples(tif, chosen, data, label)


def _by_pillow(data: bytes, page: tifffile.TiffPage, check_size: SizeCheck) -> RGBImage:
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        image.seek(page.index)
        check_size(*image.size)
        if page.photometric == _PALETTE and page.colormap is not None:
            image.load()
            if image.mode == "P" and int(page.colormap.max()) < 256:
                # Old programs wrote colours of 8 bits where 16 belong (libtiff: checkcmap).
                image.putpalette(page.colormap.astype(np.uint8).T.tobytes())
        # Pillow turns TIFFs upright itself while it loads them.
        return to_srgb(from_pillow(image), image.info.get("icc_profile"))


def tiff_note(data: bytes, label: str) -> str:
    """What the user has to know about which page `read_tiff` takes; empty if there is no choice."""
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        return choose_pages(tif, label).note


def tiff_density(data: bytes, label: str) -> tuple[float, float] | None:
    """Pixels per unit along a row and along a column of what `read_tiff` takes; None if not said.

    Also where the unit is none, which is for pixels that are not square (TIFF 6.0, p. 38).
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        tags = _page(tif, choose_pages(tif, label).pages[0], label).tags
        if not all(code in tags for code in _RESOLUTION):
            return None
        (x, x_of), (y, y_of) = (tags[code].value for code in _RESOLUTION)
        return (x / x_of, y / y_of) if x_of and y_of else None


def _page(tif: tifffile.TiffFile, index: int, label: str) -> tifffile.TiffPage:
    page = tif.pages.first if index == 0 else tif.pages[index]
    if not isinstance(page, tifffile.TiffPage):
        raise ImageError(f"{label} holds no page that can be read.", SAVE_PLAIN)
    return page


def _check_page(page: tifffile.TiffPage, label: str, check_size: SizeCheck) -> None:
    _check_numbers(page)
    try:
        check_size(page.imagewidth, page.imagelength)
    except ImageError as error:
        if page.is_tiled and page.imagewidth * page.imagelength > 0:
            raise ImageError(f"{error.message} It may be a whole slide.", OPEN_AS_SLIDE) from error
        raise
    _check_layout(page, label, check_size)


def _is_usual(page: tifffile.TiffPage, data: bytes) -> bool:
    """Whether Pillow decodes it, with all of its bits."""
    if _PHOTOMETRIC not in page.tags:
        return False
    if page.bitspersample > 8 or page.sampleformat not in (1, 4):
        return page.photometric == 5 and page.bitspersample == 16
    if page.planarconfig == _PLANAR and page.photometric in (_MIN_IS_WHITE, _MIN_IS_BLACK):
        return False
    if page.compression == _JPEG and page.dataoffsets:
        start = page.dataoffsets[0]
        return jpeg_header(data[start : start + page.databytecounts[0]]).is_usual
    return page.compression in _BY_PILLOW


def _check_numbers(page: tifffile.TiffPage) -> None:
    """Raise unless each value in the header is a single number: a damaged tag may hold a long list.

    Multiplying such a list, as Python allows, would take gigabytes.
    """
    numbers: tuple[object, ...] = (
        page.imagewidth,
        page.imagelength,
        page.imagedepth,
        page.tilewidth,
        page.tilelength,
        page.tiledepth,
        page.rowsperstrip,
        page.samplesperpixel,
        page.bitspersample,
        page.sampleformat,
        page.photometric,
        page.planarconfig,
        page.compression,
        page.subfiletype,
    )
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError("a list where one number belongs")


def _refuse_other_uses(
    page: tifffile.TiffPage, label: str, *, is_canon_raw: bool, has_picture: bool
) -> None:
    """Raise for TIFFs whose first page is not the picture that the user means."""
    if page.is_svs or page.is_ndpi or page.is_scn or page.is_bif or page.is_philips or page.is_qpi:
        raise ImageError(f"{label} is a whole-slide scan.", OPEN_AS_SLIDE)
    # Raw files are TIFFs whose first page is only a thumbnail, and none of the others a picture.
    if (
        is_canon_raw
        or (page.is_reduced and not has_picture)
        or _DNG_VERSION in page.tags
        or page.photometric in (_COLOUR_FILTER_ARRAY, _LINEAR_RAW)
    ):
        raise ImageError(
            f"{label} is a camera raw file or begins with a thumbnail.",
            "Export the picture from the camera's program as TIFF or JPEG and choose that file.",
        )


def _check_layout(page: tifffile.TiffPage, label: str, check_size: SizeCheck) -> None:
    """Raise unless samples and tiles have a layout whose decoding needs bounded memory."""
    most = _MAX_BITS.get(page.sampleformat)
    if most is None or page.bitspersample > most:
        raise ImageError(
            f"{label} holds numbers of {page.bitspersample} bits, which no picture has; 8 or 16 "
            "were expected.",
            SAVE_PLAIN,
        )
    if page.samplesperpixel > 4:
        raise ImageError(
            f"{label} has {page.samplesperpixel} channels; a picture has 1 to 4.", SAVE_PLAIN
        )
    if _colours(page) in (_RGB, _YCBCR) and page.samplesperpixel < 3:
        raise ImageError(
            f"{label} says that it is in colour, but has {page.samplesperpixel} channel"
            f"{'s' * (page.samplesperpixel > 1)}.",
            SAVE_PLAIN,
        )
    if page.imagedepth > 1 or page.tiledepth > 1:
        raise ImageError(f"{label} is a volume, not a flat picture.", SAVE_PLAIN)
    if page.is_tiled:
        # A tile is allocated whole, however small the picture is; 32 px pass the minimum.
        check_size(max(page.tilewidth, 32), max(page.tilelength, 32))


def _colours(page: tifffile.TiffPage) -> int:
    """What its samples are; where that is not said, grey or RGB as libtiff takes it.

    By default tifffile and Pillow take the first number, which is grey with white as 0.
    """
    if _PHOTOMETRIC in page.tags:
        return int(page.photometric)
    return _RGB if page.samplesperpixel >= 3 else _MIN_IS_BLACK


def _from_samples(
    tif: tifffile.TiffFile, chosen: tuple[int, ...], data: bytes, label: str
) -> RGBImage:
    """The picture of one page, or of three that are red, green and blue."""
    page = _page(tif, chosen[0], label)
    colours = _colours(page)
    is_coded = colours == _YCBCR and page.compression not in _BY_PILLOW[:1]
    if colours not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB) and not is_coded:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageError(
            f"{label} is a TIFF in a colour space that cannot be read at this depth: {name}, "
            f"{page.bitspersample} bits.",
            SAVE_PLAIN,
        )
    planes = [read_samples(tif, index, data, label) for index in chosen]
    if len(planes) > 1 and len({plane.shape for plane in planes}) > 1:
        raise ImageError(f"{label} holds channels of different sizes.", SAVE_PLAIN)
    pixels = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
    extra = page.extrasamples[0] if page.extrasamples else 0
    rgb = to_rgb(
        pixels,
        depth_bits=page.bitspersample if 8 < page.bitspersample < 16 else None,
        stated_largest=_stated_largest(page),
        alpha=extra in (_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA),
        premultiplied=extra == _ASSOCIATED_ALPHA,
    )
    if colours == _MIN_IS_WHITE:
        rgb = np.asarray(255 - rgb, dtype=np.uint8)
    elif colours != _MIN_IS_BLACK and len(chosen) == 1 and _PROFILE in page.tags:
        rgb = to_srgb(rgb, page.tags[_PROFILE].value)
    tag = page.tags.get(_ORIENTATION)
    return orient(rgb, tag.value if tag is not None and isinstance(tag.value, int) else 1)


def _stated_largest(page: tifffile.TiffPage) -> int | None:
    """The largest sample that the file speaks of."""
    for code in (_S_MAX_SAMPLE_VALUE, _MAX_SAMPLE_VALUE):
        tag = page.tags.get(code)
        values = () if tag is None else tag.value if isinstance(tag.value, tuple) else (tag.value,)
        if values and all(isinstance(value, int) for value in values):
            return int(max(values))
    return None
