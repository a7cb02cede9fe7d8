"""DICOM -> RGB uint8: the pixels only. No other element of the file is ever decoded."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from allcell.errors import ImageError
from allcell.formats.pixels import RGBImage, to_rgb
from allcell.formats.raster import SizeCheck

_NATIVE = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
)
_CODED_BY_PILLOW = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
)
_READABLE = (*_NATIVE, *_CODED_BY_PILLOW, uid.RLELossless)

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
        return _read(data, label, check_size)


def _read(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    syntax = _transfer_syntax(data)
    if syntax not in _READABLE:
        # Deflated files are refused: pydicom would inflate them, unbounded, before any check.
        raise ImageError(f"{label} is DICOM compressed in a way that cannot be read.", _EXPORT)
    header = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_PIXEL_ELEMENTS))
    _check_header(header, label, check_size)
    ds = dcmread(io.BytesIO(data), specific_tags=list(_PIXEL_ELEMENTS))
    if "PixelData" not in ds:
        raise ImageError(f"{label} is a DICOM file without a picture.", _EXPORT)
    if syntax in _CODED_BY_PILLOW:
        frame = get_frame(ds.PixelData, 0, number_of_frames=1)
        with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as coded:
            if coded.size != (int(ds.Columns), int(ds.Rows)):
                raise ValueError(f"header says {ds.Columns}x{ds.Rows}, the frame is {coded.size}")
    pixels = pixel_array(ds)
    photometric = str(ds.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        return to_rgb(np.asarray(apply_color_lut(pixels, ds)), alpha=False)
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        return to_rgb(_grey(pixels, ds, inverted=photometric == "MONOCHROME1"))
    return to_rgb(pixels, depth_bits=int(ds.BitsStored), alpha=False)


def _transfer_syntax(data: bytes) -> uid.UID:
    stream = io.BytesIO(data)
    read_preamble(stream, force=False)
    meta = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag >> 16 != 2,
    )
    return uid.UID(str(meta.get("TransferSyntaxUID", "")))


def _check_header(header: Dataset, label: str, check_size: SizeCheck) -> None:
    if "Rows" not in header or "Columns" not in header:
        raise ImageError(f"{label} is a DICOM file without a picture.", _EXPORT)
    frames = int(header.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(
            f"{label} holds {frames} DICOM frames (a whole slide or a film); one was expected.",
            "Export one field of view from the viewer as a single picture.",
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
