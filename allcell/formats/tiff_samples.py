"""The samples of a TIFF page as they are stored, through tifffile: any depth, any compression."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from allcell.errors import ImageError
from allcell.formats.jpeg import jpeg_header
from allcell.formats.remedies import COPY_AGAIN, SAVE_PLAIN
from allcell.formats.sizes import jpeg2000_size, jpegxl_size

_JPEG, _UNCOMPRESSED = 7, 1
#: Which pack bytes: LZW, Deflate (two numbers), PackBits, LZMA, Zstandard.
_PACKED = (5, 8, 32946, 32773, 34925, 50000)
_JPEG_2000 = (33003, 33004, 33005, 34712)
_WEBP, _JPEG_XL = 50001, (50002, 52546)
#: Compressions whose segments say their size themselves.
_CODED = (_JPEG, *_JPEG_2000, _WEBP, *_JPEG_XL)
_SIGNED, _FLOAT = 2, 3
#: Float samples may miss 0 and 1 by rounding.
_NEARLY = 1e-3


def read_samples(
    tif: tifffile.TiffFile, index: int, data: bytes, label: str
) -> npt.NDArray[np.generic]:
    """One page as it is stored, floats from 0 to 1 as 16 bits.

    Args:
        tif: The file; the page's size and layout have been checked.
        index: The page, counted from 0.
        data: The whole file.
        label: What messages call it.

    Returns:
        (H, W) or (H, W, channels), uint8 or uint16.

    Raises:
        ImageError: If it is compressed or holds numbers in a way that cannot be read.
        Exception: Whatever tifffile and imagecodecs raise on damaged data.
    """
    page = tif.pages.first if index == 0 else tif.pages[index]
    if not isinstance(page, tifffile.TiffPage):
        raise ValueError("no such page")
    _check_segments(page, data, label)
    pixels: npt.NDArray[np.generic] = page.asarray(maxworkers=1)
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    return _numbers(pixels, label)


def _numbers(pixels: npt.NDArray[np.generic], label: str) -> npt.NDArray[np.generic]:
    """Samples of any type as uint8 or uint16, if they are those of a picture."""
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size <= 2:
        return pixels
    values = np.asarray(pixels)
    low, high = float(values.min()), float(values.max())
    if kind == "i" and size == 2 and low >= 0:
        # Fifteen bits that are all in use become sixteen; a sensor of fewer keeps its own.
        return values.astype(np.uint16) << (1 if high >= 2**14 else 0)
    if kind == "f" and low >= -_NEARLY and high <= 1 + _NEARLY:  # false for NaN
        return np.rint(np.clip(values.astype(np.float32), 0, 1) * 65535).astype(np.uint16)
    what = {"i": "signed whole numbers", "u": "whole numbers", "f": "decimal numbers"}.get(
        kind, "?"
    )
    raise ImageError(
        f"{label} holds {what} of {8 * size} bits, from {low:g} to {high:g}: measurements, not a "
        "picture. Pictures have whole numbers of 8 or 16 bits, or decimal ones from 0 to 1.",
        SAVE_PLAIN,
    )


def _damaged(label: str) -> ImageError:
    return ImageError(
        f"{label} is damaged or incomplete: parts of the picture are missing.", COPY_AGAIN
    )


def _check_segments(page: tifffile.TiffPage, data: bytes, label: str) -> None:
    """Raise if strips or tiles lie outside the file or do not have the size that they must have.

    tifffile pads a short strip with zeros and leaves out one that is not there.
    """
    if page.compression not in (_UNCOMPRESSED, *_PACKED, *_CODED):
        try:
            name = tifffile.COMPRESSION(page.compression).name.replace("_", " ")
        except ValueError:
            name = f"number {page.compression}"
        raise ImageError(
            f"{label} is a TIFF compressed in a way that cannot be read: {name}.", SAVE_PLAIN
        )
    stored = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    expected = _segment_shapes(page)
    if len(stored) != len(expected) or any(
        offset <= 0 or count <= 0 or offset + count > len(data) for offset, count in stored
    ):
        raise _damaged(label)
    for (offset, count), (height, width) in zip(stored, expected, strict=True):
        segment = data[offset : offset + count]
        if page.compression in _CODED:
            size = _coded_size(page.compression, segment)
            if size[0] != width or size[1] not in (
                height,
                page.rowsperstrip if not page.is_tiled else height,
            ):
                raise _damaged(label)
            continue
        samples = 1 if page.planarconfig == 2 else page.samplesperpixel
        needed = height * math.ceil(width * samples * page.bitspersample / 8)
        if page.compression == _UNCOMPRESSED:
            have = count
        else:
            # Bounded: it stops at what is needed.
            unpacked = tifffile.TIFF.DECOMPRESSORS[page.compression](segment, out=needed)
            have = len(unpacked)
        if have < needed:
            raise _damaged(label)


def _segment_shapes(page: tifffile.TiffPage) -> list[tuple[int, int]]:
    """Height and width of each strip or tile, in the order in which they are stored."""
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if page.is_tiled:
        across = math.ceil(page.imagewidth / page.tilewidth)
        down = math.ceil(page.imagelength / page.tilelength)
        return [(page.tilelength, page.tilewidth)] * (across * down * planes)
    rows = min(page.rowsperstrip, page.imagelength)
    strips = [
        (min(rows, page.imagelength - start), page.imagewidth)
        for start in range(0, page.imagelength, rows)
    ]
    return strips * planes


def _coded_size(compression: int, segment: bytes) -> tuple[int, int]:
    """Width and height that a coded strip or tile will have."""
    if compression == _JPEG:
        header = jpeg_header(segment)
        return header.width_px, header.height_px
    if compression == _WEBP:
        with Image.open(io.BytesIO(segment), formats=("WEBP",)) as image:
            return image.size
    return jpegxl_size(segment) if compression in _JPEG_XL else jpeg2000_size(segment)
