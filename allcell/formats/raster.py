"""JPEG, PNG, BMP and WebP -> RGB uint8, through Pillow and OpenCV."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageChops, ImageCms, UnidentifiedImageError

from allcell.errors import ImageError
from allcell.formats.jpeg import decode_samples, jpeg_header, with_end, with_height
from allcell.formats.pixels import RGBImage, flatten, orient, to_rgb, to_srgb
from allcell.formats.png import readable_png
from allcell.formats.remedies import SAVE_PLAIN

#: Called with width and height in pixels before anything is decoded; raises if they do not fit.
SizeCheck = Callable[[int, int], None]

log = logging.getLogger(__name__)

#: What `jpeg_note` says of a file that was cut off.
CUT_OFF = (
    "The end marker of the file is missing, as after an interrupted copy; all pixels are there."
)
_ORIENTATION, _PROFILE = 274, "icc_profile"
_PNG_ORIENTATION_MARKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
_MAX_JPEG_SCANS = 200
#: How libjpeg begins to say that it guessed (jerror.h).
_GUESSED = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
_FILLING = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
#: The last block of a picture takes no more bytes than these.
_LAST_BYTES = 32


def read_jpeg(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    """An upright JPEG, or the first picture of a multi-picture one.

    libjpeg-turbo decodes 12 megapixels in a quarter of Pillow's time, with the same pixels.

    Args:
        data: The whole file.
        label: What messages call the file.
        check_size: Called with the size from the header before decoding.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: If it is of a kind that cannot be read, and what `check_size` raises.
        Exception: Whatever the libraries raise on damaged data; the caller translates it.
    """
    data = with_height(data)
    header = jpeg_header(data)
    # What phones append after its end is not part of the picture.
    data, was_open = with_end(data, header)
    # Before the first one, the same bytes may be in a thumbnail or a comment.
    if data.count(b"\xff\xda", header.scan) > _MAX_JPEG_SCANS:
        # Each scan costs a pass over all pixels, and a file may hold any number of them.
        raise ValueError("too many scans")
    if not header.is_usual:
        check_size(header.width_px, header.height_px)
        stored = decode_samples(data, header, label)
        rgb = to_rgb(stored, depth_bits=header.depth_bits, alpha=False)
        return orient(rgb, _stated(header.exif))
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        check_size(*image.size)
        orientation, profile = _orientation(image), image.info.get(_PROFILE)
        if header.colours == "CMYK" and header.adobe is None:
            # Only Adobe stores its inks inverted; Pillow and OpenCV take all for Adobe's.
            return orient(np.asarray(ImageChops.invert(image).convert("RGB")), orientation)
    if was_open and not _ends_with_the_picture(data):
        raise ValueError("no end marker")
    rgb = _sound_pixels(data)
    if np.all(rgb[-1, -1] == 128):
        # libjpeg silently fills what is missing with this grey. Extra bytes before the end marker
        # change the picture only if the decoder still needed some.
        refilled = _jpeg_pixels(data[:-2] + b"\x55" * 4096 + data[-2:], strict=False)
        if not np.array_equal(rgb, refilled):
            raise ValueError("the coded data ends before the picture does")
    return orient(to_srgb(rgb, profile), orientation)


def jpeg_note(data: bytes) -> str:
    """What the user has to know of a JPEG that `read_jpeg` has read; empty as a rule."""
    return CUT_OFF if with_end(data, jpeg_header(data))[1] else ""


def read_png_bmp_webp(
    kind: Literal["PNG", "BMP", "WebP"], data: bytes, label: str, check_size: SizeCheck
) -> RGBImage:
    """An upright PNG, BMP or WebP; of an animated PNG, its still picture.

    Args:
        kind: Which of them.
        data: The whole file.
        label: What messages call the file.
        check_size: Called with the size from the header before decoding.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: If it is an animation or of a rare kind, and what `check_size` raises.
        Exception: Whatever Pillow and OpenCV raise on damaged data; the caller translates it.
    """
    _refuse_rare(kind, data, label)
    if kind == "PNG":
        data = readable_png(data)
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        check_size(*image.size)
        if kind == "WebP" and getattr(image, "is_animated", False):
            raise ImageError(f"{label} is an animation.", "Save one frame as PNG or JPEG.")
        # Pillow keeps only the high byte of 16-bit colour.
        is_deep = kind == "PNG" and data[24] == 16
        pixels = _read_png_16(data) if is_deep else from_pillow(image)
        return orient(to_srgb(pixels, image.info.get(_PROFILE)), _orientation(image))


def _rare(kind: str, data: bytes) -> tuple[str, str] | None:
    """What an intact file is that cannot be read, and what to do about it."""
    if kind == "PNG" and data[12:16] == b"CgBI":
        return (
            "a PNG as Apple packs them into apps, which no other program reads",
            "Open it in Preview on a Mac, export it as PNG and choose that file.",
        )
    if kind == "BMP":
        try:
            with Image.open(io.BytesIO(data), formats=("BMP", "DIB")):
                return None
        except OSError as error:
            if str(error).startswith("Unsupported BMP"):
                return "a BMP of a rare kind", SAVE_PLAIN
    return None


def _refuse_rare(kind: str, data: bytes, label: str) -> None:
    if found := _rare(kind, data):
        raise ImageError(f"{label} is {found[0]}.", found[1])


def header_size(
    kind: Literal["JPEG", "PNG", "BMP", "WebP"], data: bytes, check_size: SizeCheck
) -> tuple[int, int] | None:
    """Width and height of the upright picture, as far as its header tells.

    Args:
        kind: Which of them.
        data: The whole file.
        check_size: Called with the size as it is stored.

    Returns:
        In pixels; None if only decoding tells.

    Raises:
        ImageError: What `check_size` raises.
        Exception: Whatever Pillow raises on damaged data; the caller translates it.
    """
    # A PNG may state its orientation after its pixels, and Pillow decodes them to get there.
    if kind == "PNG" and any(mark in data for mark in _PNG_ORIENTATION_MARKS):
        return None
    if _rare(kind, data):
        return None
    if kind == "JPEG":
        data = with_height(data)
        if not jpeg_header(data).is_usual:
            return None
    if kind == "PNG":
        data = readable_png(data)
    formats = ("JPEG", "MPO") if kind == "JPEG" else (kind,)
    with Image.open(io.BytesIO(data), formats=formats) as image:
        width, height = image.size
        check_size(width, height)
        on_its_side = kind != "PNG" and _orientation(image) in (5, 6, 7, 8)
    return (height, width) if on_its_side else (width, height)


def from_pillow(image: Image.Image) -> RGBImage:
    """A Pillow image as RGB uint8 (H, W, 3), decoded if necessary.

    Raises:
        UnidentifiedImageError: If its mode is not grey, RGB, palette, CMYK or Lab.
        Exception: Whatever Pillow raises on damaged data; the caller translates it.
    """
    image.load()
    if image.mode.startswith("I;16"):
        return to_rgb(np.asarray(image).astype(np.uint16))
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.mode in ("I", "F", "LAB", "HSV"):
        raise UnidentifiedImageError(f"mode {image.mode} is not a picture in grey, RGB or CMYK")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        return flatten(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _jpeg_pixels(data: bytes, *, strict: bool = True) -> RGBImage:
    """The pixels of a JPEG as they are stored.

    Raises:
        ValueError: If the data cannot be decoded; strictly, also if libjpeg had to guess: pixels
            are then missing or elsewhere, though it gives a whole picture.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=strict), np.uint8)
    except ValueError as error:
        if str(error).startswith(_GUESSED):
            raise
        # Inks, and layouts that libjpeg-turbo's short way leaves out.
        log.info("libjpeg-turbo: %s", error)
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if decoded is None:
        raise ValueError("libjpeg could not decode the data")
    return np.asarray(decoded, dtype=np.uint8)


def _sound_pixels(data: bytes) -> RGBImage:
    """The same, strictly; some cameras put equal bytes before the end marker, which are nothing.

    Raises:
        ValueError: As `_jpeg_pixels`.
    """
    try:
        return _jpeg_pixels(data)
    except ValueError as error:
        found = _FILLING.search(str(error))
        start = len(data) - 2 - int(found[1]) if found else 0
        if start <= 0 or len(set(data[start:-2])) > 1:
            raise
        return _jpeg_pixels(data[:start] + data[-2:])


def _ends_with_the_picture(data: bytes) -> bool:
    """Whether the coded data of a JPEG end where the picture does: none lacks, none is filling.

    Bytes that come after it change nothing, whatever they are, and the last ones of it do.
    """
    coded, end = data[:-2], data[-2:]

    def decoded(part: bytes) -> RGBImage:
        # OpenCV lets libjpeg write on stderr what it thinks of such data.
        with Image.open(io.BytesIO(part + end), formats=("JPEG", "MPO")) as image:
            return np.asarray(image)

    whole = decoded(coded)
    more = (decoded(coded + fill * 4096) for fill in (b"\x55", b"\xaa"))
    less = decoded(coded[:-_LAST_BYTES] + b"\x55" * 4096)
    return all(np.array_equal(whole, other) for other in more) and not np.array_equal(whole, less)


def _read_png_16(data: bytes) -> RGBImage:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise ValueError("libpng could not decode the data")
    if decoded.ndim == 3:
        decoded = decoded[..., [2, 1, 0, 3][: decoded.shape[2]]]
    return to_rgb(decoded)


def turns(data: bytes) -> bool:
    """Whether a JPEG, PNG, WebP or TIFF that was read says that it has to be turned or mirrored."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "MPO", "PNG", "WEBP", "TIFF")) as image:
            return _orientation(image) != 1
    # Of a kind that Pillow does not know, or damaged: as in `_from_exif`.
    except Exception as error:
        log.info("orientation could not be read: %s", type(error).__name__)
        return False


def _orientation(image: Image.Image) -> int:
    return _from_exif(image.getexif)


def _stated(exif: bytes) -> int:
    parsed = Image.Exif()

    def load() -> Image.Exif:
        parsed.load(exif)
        return parsed

    return _from_exif(load) if exif else 1


def _from_exif(load: Callable[[], Image.Exif]) -> int:
    try:
        return int(load().get(_ORIENTATION, 1))
    # Pillow's EXIF parser raises many kinds of errors on damaged tags, and a damaged tag is no
    # reason to refuse a sound picture.
    except Exception as error:
        log.info("orientation could not be read: %s", type(error).__name__)
        return 1
