"""TIFF -> RGB uint8. tifffile reads the header; which library decodes depends on the depth.

Pillow decodes everything of up to 8 bits (by libtiff, so LZW, Deflate, JPEG, PackBits), but keeps
only the high byte of 16-bit colour, which turns pictures of 12-bit cameras black. 16-bit files go
to tifffile when uncompressed and to OpenCV's libtiff when compressed.
"""

from __future__ import annotations

import io
import logging
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from allcell.errors import ImageError
from allcell.formats.pixels import RGBImage, orient, to_rgb
from allcell.formats.raster import SizeCheck, from_pillow
from allcell.formats.remedies import COPY_AGAIN, EXPORT_REGION

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _CMYK = 0, 1, 2, 5
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_UNCOMPRESSED, _LZW = 1, 5
_DEFLATE = (8, 32946)
_PLANAR = 2
_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA = 1, 2
_ORIENTATION, _DNG_VERSION = 274, 50706

# Its messages quote tags of a damaged file, and a description may name the patient.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
_SAVE_PLAIN = "Save it as an uncompressed 8-bit RGB TIFF or as PNG and choose that file."


def read_tiff(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    """The first page of a TIFF or BigTIFF file, upright.

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
        page = tif.pages.first
        if not isinstance(page, tifffile.TiffPage):
            raise ImageError(f"{label} holds no page that can be read.", _SAVE_PLAIN)
        _check_numbers(page)
        _refuse_other_uses(page, label, is_canon_raw=data[8:10] == b"CR")
        try:
            check_size(page.imagewidth, page.imagelength)
        except ImageError as error:
            if page.is_tiled and page.imagewidth * page.imagelength > 0:
                raise ImageError(f"{error.message} It may be a whole slide.", EXPORT_REGION) from (
                    error
                )
            raise
        _check_layout(page, label, check_size)
        if page.bitspersample == 16 and page.photometric != _CMYK:
            return _read_16_bit(page, data, label)
    # Pillow turns TIFFs upright itself while it loads them.
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        check_size(*image.size)
        return from_pillow(image)


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


def _refuse_other_uses(page: tifffile.TiffPage, label: str, *, is_canon_raw: bool) -> None:
    """Raise for TIFFs whose first page is not the picture that the user means."""
    if page.is_svs or page.is_ndpi or page.is_scn or page.is_bif or page.is_philips or page.is_qpi:
        raise ImageError(f"{label} is a whole-slide scan.", EXPORT_REGION)
    # Raw files are TIFFs whose first page is only a thumbnail.
    if (
        is_canon_raw
        or page.is_reduced
        or _DNG_VERSION in page.tags
        or page.photometric in (_COLOUR_FILTER_ARRAY, _LINEAR_RAW)
    ):
        raise ImageError(
            f"{label} is a camera raw file or begins with a thumbnail.",
            "Export the picture from the camera's program as TIFF or JPEG and choose that file.",
        )


def _check_layout(page: tifffile.TiffPage, label: str, check_size: SizeCheck) -> None:
    """Raise unless samples and tiles have a layout whose decoding needs bounded memory."""
    if page.bitspersample > 16 or page.sampleformat not in (1, 4):
        raise ImageError(
            f"{label} holds {page.bitspersample}-bit measurements, not an 8- or 16-bit picture.",
            _SAVE_PLAIN,
        )
    if page.samplesperpixel > 4:
        raise ImageError(
            f"{label} has {page.samplesperpixel} channels; a picture has 1 to 4.", _SAVE_PLAIN
        )
    if page.imagedepth > 1 or page.tiledepth > 1:
        raise ImageError(f"{label} is a volume, not a flat picture.", _SAVE_PLAIN)
    if page.is_tiled:
        # A tile is allocated whole, however small the picture is; 32 px pass the minimum.
        check_size(max(page.tilewidth, 32), max(page.tilelength, 32))


def _read_16_bit(page: tifffile.TiffPage, data: bytes, label: str) -> RGBImage:
    if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        raise ImageError(f"{label} uses a 16-bit colour space that cannot be read.", _SAVE_PLAIN)
    planar = page.planarconfig == _PLANAR and page.samplesperpixel > 1
    orientation = 1
    if page.compression == _UNCOMPRESSED or (planar and page.compression in _DEFLATE):
        _check_segments(page, data, label)
        pixels: npt.NDArray[np.generic] = page.asarray(maxworkers=1)
        if planar:
            pixels = np.moveaxis(pixels, 0, -1)
        tag = page.tags.get(_ORIENTATION)
        orientation = int(tag.value) if tag is not None else 1
    elif not planar and page.compression in (_LZW, *_DEFLATE):
        # OpenCV applies the orientation itself and reads planar files wrongly.
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise ValueError("libtiff could not decode the strips")
        pixels = np.asarray(decoded)
        if pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    else:
        raise ImageError(
            f"{label} is a 16-bit TIFF compressed in a way that cannot be read here.", _SAVE_PLAIN
        )
    extra = page.extrasamples[0] if page.extrasamples else 0
    rgb = to_rgb(
        pixels,
        alpha=extra in (_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA),
        premultiplied=extra == _ASSOCIATED_ALPHA,
    )
    if page.photometric == _MIN_IS_WHITE:
        rgb = np.asarray(255 - rgb, dtype=np.uint8)
    return orient(rgb, orientation)


def _check_segments(page: tifffile.TiffPage, data: bytes, label: str) -> None:
    """Raise if strips or tiles lie outside the file or would unpack to more than their size.

    tifffile pads a short strip with zeros and inflates without a bound; neither may happen.
    """
    damaged = ImageError(
        f"{label} is damaged or incomplete: parts of the picture are missing.", COPY_AGAIN
    )
    segment_bytes = 2 * int(np.prod(page.chunks))
    stored = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if any(offset <= 0 or offset + count > len(data) for offset, count in stored):
        raise damaged
    picture_bytes = 2 * page.imagewidth * page.imagelength * page.samplesperpixel
    if page.compression == _UNCOMPRESSED:
        if sum(count for _, count in stored) < picture_bytes:
            raise damaged
        return
    unpacked_bytes = 0
    for offset, count in stored:
        inflated = zlib.decompressobj().decompress(data[offset : offset + count], segment_bytes + 1)
        if len(inflated) > segment_bytes:
            raise damaged
        unpacked_bytes += len(inflated)
    if unpacked_bytes < picture_bytes:
        raise damaged
