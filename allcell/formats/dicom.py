"""DICOM -> RGB uint8: the pixels only. No other element of the file is ever decoded."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_preamble
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag

from allcell.errors import ImageError
from allcell.formats.dicom_start import with_preamble
from allcell.formats.jpeg import decode_samples, jpeg_header
from allcell.formats.pixels import RGBImage, depth_in_use, to_rgb
from allcell.formats.raster import SizeCheck
from allcell.formats.remedies import OPEN_AS_SLIDE
from allcell.formats.sizes import jpeg2000_size

_NATIVE = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
)
_JPEG = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
)
_JPEG_2000 = (
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
_READABLE = (*_NATIVE, *_JPEG, *_JPEG_2000, uid.RLELossless)

#: Everything the picture needs, and nothing that names a person.
_PIXEL_ELEMENTS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "PixelData",
]
#: What says how high and how wide a pixel is.
_SHAPES = ("PixelAspectRatio", "PixelSpacing")
#: What comes before the pixels of a deflated file, and after them, at most.
_HEADER_BYTES = 4_000_000
_EXPLICIT = str(uid.ExplicitVRLittleEndian).encode() + b"\0"
_EXPLICIT_META = (
    bytes(128) + b"DICM\x02\x00\x10\x00UI" + len(_EXPLICIT).to_bytes(2, "little") + _EXPLICIT
)
# Its messages quote the values of a damaged file, and those may name the patient.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
_EXPORT = "Export the picture from the viewer as PNG, TIFF or uncompressed DICOM."


def read_dicom(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    """The picture in a single-frame DICOM file.

    Grey pictures are shown through their window (else through the full range of their stored
    bits), MONOCHROME1 inverted, palettes resolved, YBR as RGB.

    Args:
        data: The whole file, with its preamble.
        label: What messages call the file.
        check_size: Called with the size from the header before decoding.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: If it holds no picture, several frames or a layout that cannot be read.
        Exception: Whatever pydicom raises on damaged data; the caller translates it.
    """
    with warnings.catch_warnings():
        # As with the logger above; only these modules, since all threads share the filters.
        warnings.filterwarnings("ignore", module=r"pydicom|allcell\.formats\.dicom")
        return _read(with_preamble(data), label, check_size)


def dicom_density(data: bytes, label: str) -> tuple[float, float] | None:
    """Pixels per unit along a row and along a column of what `read_dicom` has read.

    Both attributes give the height of a pixel first (PS3.3 C.7.6.3.1.7 and 10.7.1.3).

    Args:
        data: The whole file.
        label: What messages call the file.

    Returns:
        None if it is not said.
    """
    data = with_preamble(data)
    if _transfer_syntax(data) == uid.DeflatedExplicitVRLittleEndian:
        data = _inflated(data, label, lambda width_px, height_px: None)
    header = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_SHAPES))
    for name in _SHAPES:
        shape = header.get(name)
        if isinstance(shape, MultiValue) and len(shape) == 2 and all(float(v) > 0 for v in shape):
            return 1 / float(shape[1]), 1 / float(shape[0])
    return None


def _read(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    syntax = _transfer_syntax(data)
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return _read(_inflated(data, label, check_size), label, check_size)
    if syntax not in _READABLE:
        raise ImageError(
            f"{label} is DICOM compressed in a way that cannot be read: {_name(syntax)}.", _EXPORT
        )
    header = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_PIXEL_ELEMENTS))
    _check_header(header, label, check_size)
    ds = dcmread(io.BytesIO(data), specific_tags=list(_PIXEL_ELEMENTS))
    if "PixelData" not in ds:
        raise ImageError(f"{label} is a DICOM file without a picture.", _EXPORT)
    photometric = str(ds.PhotometricInterpretation)
    if syntax in (*_JPEG, *_JPEG_2000):
        pixels = _decode_frame(ds, label, is_jpeg=syntax in _JPEG)
        if pixels.ndim == 3:
            return to_rgb(pixels, depth_bits=_depth(ds), alpha=False)
    else:
        pixels = pixel_array(ds)
    if photometric == "PALETTE COLOR":
        return to_rgb(np.asarray(apply_color_lut(pixels, ds)), alpha=False)
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        return to_rgb(_grey(pixels, ds, inverted=photometric == "MONOCHROME1"))
    return to_rgb(pixels, depth_bits=_depth(ds), alpha=False)


def _inflated(data: bytes, label: str, check_size: SizeCheck) -> bytes:
    """A deflated file as if it had never been; pydicom would inflate it whole before any check."""
    meta = io.BytesIO(data)
    read_preamble(meta, force=False)
    read_dataset(meta, is_implicit_VR=False, is_little_endian=True, stop_when=_beyond_meta)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    begin = inflate.decompress(data[meta.tell() :], _HEADER_BYTES)
    plain = _EXPLICIT_META + begin
    header = dcmread(
        io.BytesIO(plain), stop_before_pixels=True, specific_tags=list(_PIXEL_ELEMENTS)
    )
    _check_header(header, label, check_size)
    size = int(header.Rows) * int(header.Columns) * int(header.SamplesPerPixel)
    rest = inflate.decompress(
        inflate.unconsumed_tail, size * int(header.BitsAllocated) // 8 + _HEADER_BYTES
    )
    if inflate.unconsumed_tail:
        raise ValueError("far more data than the picture has")
    return plain + rest


def _beyond_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag >> 16 != 2


def _depth(ds: Dataset) -> int | None:
    """Bits of the sensor; None where all bits are said to be stored, so that the samples tell."""
    bits = int(ds.BitsStored)
    return bits if bits < 16 else None


def _name(syntax: uid.UID) -> str:
    """A transfer syntax as the standard calls it; it may be anything in a damaged file."""
    return syntax.name if syntax.is_transfer_syntax else "an unknown transfer syntax"


def _decode_frame(ds: Dataset, label: str, *, is_jpeg: bool) -> npt.NDArray[Any]:
    """The one coded frame, colours as RGB, with the values that are stored.

    A frame says itself whether it is YCbCr or RGB; what the file says about it is often wrong, and
    is believed only where the frame does not.
    """
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    if is_jpeg:
        header = jpeg_header(frame)
        size = header.width_px, header.height_px
    else:
        size = jpeg2000_size(frame)
    if size != (int(ds.Columns), int(ds.Rows)):
        raise ValueError(f"header says {ds.Columns}x{ds.Rows}, the frame is {size}")
    if not is_jpeg:
        import imagecodecs

        pixels = imagecodecs.jpeg2k_decode(frame)
        if str(ds.PhotometricInterpretation) in ("YBR_FULL", "YBR_FULL_422"):
            pixels = convert_color_space(pixels, "YBR_FULL", "RGB")
    else:
        # An even number of bytes is kept, so a zero may follow the end.
        frame = frame[: frame.rindex(b"\xff\xd9") + 2]
        is_rgb = str(ds.PhotometricInterpretation) == "RGB"
        pixels = decode_samples(frame, header, label, unsaid="RGB" if is_rgb else "YCbCr")
    if int(ds.get("PixelRepresentation", 0)) and pixels.ndim == 2:
        pixels = _signed(pixels, int(ds.BitsStored))
    return np.asarray(pixels)


def _signed(pixels: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    """Samples whose highest stored bit is a sign."""
    if pixels.dtype.kind == "i":
        return pixels
    values = pixels.astype(np.int32)
    return np.where(values >= 2 ** (bits - 1), values - 2**bits, values)


def _transfer_syntax(data: bytes) -> uid.UID:
    stream = io.BytesIO(data)
    read_preamble(stream, force=False)
    meta = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=_beyond_meta,
    )
    return uid.UID(str(meta.get("TransferSyntaxUID", "")))


def _check_header(header: Dataset, label: str, check_size: SizeCheck) -> None:
    if "Rows" not in header or "Columns" not in header:
        raise ImageError(f"{label} is a DICOM file without a picture.", _EXPORT)
    frames = int(header.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(
            f"{label} holds {frames} DICOM frames (a whole slide or a film); one was expected.",
            OPEN_AS_SLIDE,
        )
    check_size(int(header.Columns), int(header.Rows))
    layout = (int(header.SamplesPerPixel), int(header.BitsAllocated))
    if layout not in ((1, 8), (1, 16), (3, 8), (3, 16)):
        raise ImageError(
            f"{label} has {layout[0]} samples of {layout[1]} bits per pixel; "
            "1 or 3 samples of 8 or 16 bits were expected.",
            _EXPORT,
        )


def _grey(pixels: npt.NDArray[Any], ds: Dataset, *, inverted: bool) -> RGBImage:
    """Stored grey values as the display shows them: rescale, then window (PS3.3 C.11.2.1.2)."""
    bits = int(ds.BitsStored)
    if bits == 16 and pixels.dtype == np.uint16:
        bits = depth_in_use(pixels)  # all bits are said to be stored by many who store twelve
    signed = bool(int(ds.get("PixelRepresentation", 0)))
    lowest = -(2 ** (bits - 1)) if signed else 0
    slope = float(ds.get("RescaleSlope", None) or 1)
    intercept = float(ds.get("RescaleIntercept", None) or 0)
    values = pixels.astype(np.float32) * slope + intercept
    low, high = sorted((lowest * slope + intercept, (lowest + 2**bits - 1) * slope + intercept))
    centre, width = _first(ds.get("WindowCenter")), _first(ds.get("WindowWidth"))
    if centre is not None and width is not None and width > 1:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    shown = np.clip((values - low) * (255 / (high - low)), 0, 255)
    if inverted:
        shown = 255 - shown
    return np.asarray(np.rint(shown).astype(np.uint8))


def _first(value: Any) -> float | None:
    """The first of one or several numbers; None when absent or empty."""
    if value is None or value == "":
        return None
    return float(value) if isinstance(value, (int, float, str)) else float(value[0])
