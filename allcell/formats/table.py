"""The picture files that allcell reads: a new one is a row of `IMAGE_FORMATS` and a decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from allcell.formats.dicom_start import is_dicom
from allcell.formats.pixels import RGBImage
from allcell.formats.raster import (
    SizeCheck,
    header_size,
    jpeg_note,
    read_jpeg,
    read_png_bmp_webp,
)
from allcell.formats.sizes import Density, jpeg_density, png_bmp_density
from allcell.text.words import in_words

_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class ImageFormat:
    """One kind of picture file.

    Attributes:
        name: As shown to people.
        suffixes: In lower case, with the dot: pictures in a folder are found by them. Reading a
            file never looks at its name.
        recognise: Whether the bytes of a whole file are of this format.
        decode: Takes the bytes, what messages call the file, and a check to be called with the
            header's size before anything is decoded; returns RGB uint8 (H, W, 3), upright. It may
            raise ImageError, and whatever its library raises on damaged data.
        size_px: Takes the bytes and that check; returns width and height of the upright picture
            from the header alone, or None if only decoding tells. None if that is so for all
            files of this format.
        tell: Takes the bytes and what messages call the file; returns what the user has to know
            about what `decode` makes of it, empty as a rule. None if that is so for all files.
        density: Takes the same; returns how many pixels there are per unit of length along a row
            and a column, None where that is not said. None if no file of this format says it.
        unnamed: Whether its files often have no such suffix: folders are searched by content too.
        note: Which part of the format is read, in a few words; empty for all of it.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes], bool]
    decode: Callable[[bytes, str, SizeCheck], RGBImage]
    size_px: Callable[[bytes, SizeCheck], tuple[int, int] | None] | None = None
    tell: Callable[[bytes, str], str] | None = None
    density: Callable[[bytes, str], Density | None] | None = None
    unnamed: bool = False
    note: str = ""


def _is_bmp(data: bytes) -> bool:
    # "BM" alone also begins ordinary words.
    return data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES


def _is_heic(data: bytes) -> bool:
    """Whether it is a still picture coded by HEVC, as phones take them (ISO/IEC 23008-12, B.4)."""
    brands = {data[at : at + 4] for at in (8, *range(16, min(int.from_bytes(data[:4]), 80), 4))}
    return data[4:8] == b"ftyp" and not brands.isdisjoint((b"heic", b"heix", b"heim", b"heis"))


def _jpeg(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    return read_jpeg(data, label, check_size)


def _tiff(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    # Imported here: tifffile and pydicom cost start-up time that a JPEG does not need.
    from allcell.formats.tiff import read_tiff

    return read_tiff(data, label, check_size)


def _tiff_note(data: bytes, label: str) -> str:
    from allcell.formats.tiff import tiff_note

    return tiff_note(data, label)


def _tiff_density(data: bytes, label: str) -> Density | None:
    from allcell.formats.tiff import tiff_density

    return tiff_density(data, label)


def _heic(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    from allcell.formats.heic import read_heic

    return read_heic(data, check_size)


def _dicom(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    from allcell.formats.dicom import read_dicom

    return read_dicom(data, label, check_size)


def _dicom_density(data: bytes, label: str) -> Density | None:
    from allcell.formats.dicom import dicom_density

    return dicom_density(data, label)


#: In the order shown to people. The first one that recognises a file decodes it.
IMAGE_FORMATS: tuple[ImageFormat, ...] = (
    ImageFormat(
        name="JPEG",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        recognise=lambda data: data.startswith(b"\xff\xd8\xff"),
        decode=_jpeg,
        size_px=partial(header_size, "JPEG"),
        tell=lambda data, _: jpeg_note(data),
        density=lambda data, _: jpeg_density(data),
    ),
    ImageFormat(
        name="PNG",
        suffixes=(".png",),
        recognise=lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
        decode=partial(read_png_bmp_webp, "PNG"),
        size_px=partial(header_size, "PNG"),
        density=lambda data, _: png_bmp_density(data),
    ),
    ImageFormat(
        name="BMP",
        suffixes=(".bmp", ".dib"),
        recognise=_is_bmp,
        decode=partial(read_png_bmp_webp, "BMP"),
        size_px=partial(header_size, "BMP"),
        density=lambda data, _: png_bmp_density(data),
    ),
    ImageFormat(
        name="WebP",
        suffixes=(".webp",),
        recognise=lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP",
        decode=partial(read_png_bmp_webp, "WebP"),
        size_px=partial(header_size, "WebP"),
    ),
    ImageFormat(
        name="HEIC",
        suffixes=(".heic", ".heif"),
        recognise=_is_heic,
        decode=_heic,
    ),
    ImageFormat(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        recognise=lambda data: data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
        decode=_tiff,
        tell=_tiff_note,
        density=_tiff_density,
        note="8 or 16 bit",
    ),
    ImageFormat(
        name="DICOM",
        suffixes=(".dcm", ".dicom"),
        recognise=is_dicom,
        decode=_dicom,
        density=_dicom_density,
        unnamed=True,
        note="one frame",
    ),
)


#: What can be read, as a sentence lists it.
SUPPORTED = in_words([known.name for known in IMAGE_FORMATS])
#: The same, saying which part of a format is read where that is not all.
SUPPORTED_IN_FULL = in_words(
    [f"{known.name} ({known.note})" if known.note else known.name for known in IMAGE_FORMATS]
)
#: Suffixes by which pictures are found in a folder.
SUFFIXES = tuple(suffix for known in IMAGE_FORMATS for suffix in known.suffixes)


def recognised_unnamed(head: bytes) -> bool:
    """Whether a file in a folder is a picture though its name does not end in one of `SUFFIXES`.

    Scanners and PACS name DICOM files by numbers. Other formats are known by their names.

    Args:
        head: Its first 256 bytes.
    """
    return any(known.unnamed and known.recognise(head) for known in IMAGE_FORMATS)
