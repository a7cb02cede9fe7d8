"""What a file is, by its first bytes: never by its name."""

from __future__ import annotations

import re

from allcell.errors import ImageError
from allcell.formats.remedies import COPY_AGAIN, EXPORT_REGION
from allcell.formats.table import IMAGE_FORMATS, SUPPORTED, ImageFormat

_SAVE_AS = "Save or export the picture as JPEG, PNG or TIFF and choose that file."
_UNPACK = "Unpack it and choose the pictures themselves."
_PHONE = "On the phone, choose 'Most compatible' as the camera format, or export it as JPEG."
_SHORTCUT = "Choose the file that it leads to."
_STILL = "Save one frame as PNG or JPEG and choose that file."
_TAKE_PICTURE = f"Choose a picture of the smear: {SUPPORTED}."

#: (offset, first bytes, what it is, what to do) of files that people choose by mistake.
_KNOWN_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF document", "Export the picture from it as PNG or JPEG."),
    (0, b"PK\x03\x04", "a ZIP archive or an Office document", _UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"GIF8", "a GIF picture, which keeps only 256 colours", _SAVE_AS),
    (0, b"8BPS", "a Photoshop document", _SAVE_AS),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture", _SAVE_AS),
    (0, b"\xff\x0a", "a JPEG XL picture", _SAVE_AS),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture", _SAVE_AS),
    (0, b"ZISRAWFILE", "a Zeiss CZI microscope file", EXPORT_REGION),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 microscope file", EXPORT_REGION),
    (0, b"p\x00\x00\x00", "a Leica LIF microscope file", EXPORT_REGION),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office or microscope file", EXPORT_REGION),
    (0, b"SQLite format 3", "a database or slide file", EXPORT_REGION),
    (0, b"\x89HDF", "an HDF5 data file", EXPORT_REGION),
    (0, b"IIRO", "a camera raw file", _SAVE_AS),
    (0, b"IIU\x00", "a camera raw file", _SAVE_AS),
    (0, b"RIFF", "a video or sound file", _STILL),
    (0, b"\x1a\x45\xdf\xa3", "a video", _STILL),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _SAVE_AS),
    (0, b"II\xbc", "a JPEG XR picture", _SAVE_AS),
    (0, b"\x8bJNG", "a JNG picture", _SAVE_AS),
    (0, b"qoif", "a QOI picture", _SAVE_AS),
    (0, b"v/1\x01", "an OpenEXR picture", _SAVE_AS),
    (0, b"#?RADIANCE", "a Radiance HDR picture", _SAVE_AS),
    (0, b"gimp xcf", "a GIMP document", _SAVE_AS),
    (0, b"AT&TFORM", "a DjVu document", "Export the picture from it as PNG or JPEG."),
    (0, b"%!PS", "a PostScript document", "Export the picture from it as PNG or JPEG."),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document", "Export the picture from it as PNG or JPEG."),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile", _SAVE_AS),
    (0, b"\0\0\1\0", "an icon", _TAKE_PICTURE),
    (0, b"SIMPLE  =", "a FITS data file", _SAVE_AS),
    (0, b"\x93NUMPY", "a NumPy array", _SAVE_AS),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file", _SAVE_AS),
    (0, b"OLYMPUSRAWFORMAT", "an Olympus OIR microscope file", EXPORT_REGION),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"L\0\0\0\x01\x14\x02\0", "a shortcut of Windows, not the picture itself", _SHORTCUT),
    (0, b"bplist00", "a settings file or shortcut of macOS", _TAKE_PICTURE),
    (0, b"MZ", "a program", _TAKE_PICTURE),
    (0, b"\x7fELF", "a program", _TAKE_PICTURE),
)
_NETPBM = re.compile(rb"P[1-6]\s+[#\d]|P7\s+(#|WIDTH|HEIGHT)")
_TGA_END = b"TRUEVISION-XFILE.\0"
#: With these boxes videos begin that are older than the one of brands.
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip")
_HEIF_BRANDS = (b"hevc", b"hevx", b"mif1", b"msf1")


def identify(data: bytes, label: str) -> ImageFormat:
    """The format of a picture file.

    Args:
        data: The whole file.
        label: What messages call the file.

    Raises:
        ImageError: If it is none of `IMAGE_FORMATS`; the message says what it is instead.
    """
    if not data:
        raise ImageError(f"{label} is empty (0 bytes).", COPY_AGAIN)
    for known in IMAGE_FORMATS:
        if known.recognise(data):
            return known
    what, remedy = _describe(data)
    raise ImageError(f"{label} is {what}.", remedy)


def _describe(data: bytes) -> tuple[str, str]:
    """What an unsupported file is, and what to do about it."""
    for offset, magic, what, remedy in _KNOWN_OTHERS:
        if data.startswith(magic, offset):
            return what, remedy
    if data[4:8] == b"ftyp":
        return _describe_iso_media(data)
    if data[4:8] in _QUICKTIME:
        return "a video", _STILL
    if _NETPBM.match(data):
        return "a PPM, PGM or PBM picture", _SAVE_AS
    if data.endswith(_TGA_END):
        return "a TGA picture", _SAVE_AS
    if data.count(0) == len(data):
        return "filled with zeros: copying it was interrupted", COPY_AGAIN
    return _describe_text(data[:4096]) or (
        "not a picture of a format that can be read here",
        _TAKE_PICTURE,
    )


def _describe_iso_media(data: bytes) -> tuple[str, str]:
    brand = data[8:12]
    if brand in (b"avif", b"avis"):
        return "an AVIF picture", _SAVE_AS
    if brand in _HEIF_BRANDS:
        return "a series of pictures, or one of a kind that only its own program knows", _PHONE
    if brand == b"crx ":
        return "a camera raw file", _SAVE_AS
    return "a video", _STILL


def _describe_text(head: bytes) -> tuple[str, str] | None:
    try:
        # The cut may fall inside a character: the last three bytes may then be incomplete.
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or error.start == 0:
            return None
        text = head[: error.start].decode("utf-8-sig")
    if not all(c.isprintable() or c in "\t\r\n\f" for c in text):
        return None
    start = text.lstrip().lower()
    if "<svg" in start and start.startswith("<"):
        return "an SVG drawing", _SAVE_AS
    if start.startswith("<!doctype html") or "<html" in start[:500]:
        return (
            "a web page, not a picture",
            "Open the link again and download the picture itself.",
        )
    return "a text file", _TAKE_PICTURE
