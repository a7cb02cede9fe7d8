"""The JPEG family beyond what Pillow and OpenCV decode: 12 and 16 bits, lossless, JPEG-LS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from allcell.errors import ImageError
from allcell.formats.remedies import SAVE_PLAIN

#: Markers of a frame header: baseline, extended, progressive; lossless; JPEG-LS (T.81 B.1.1.3).
_USUAL, _LOSSLESS, _LS = (0xC0, 0xC1, 0xC2), 0xC3, 0xF7
#: Lossless and progressive with differences or arithmetic coding: nobody writes them.
_FRAMES = (*_USUAL, _LOSSLESS, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), _LS)
_MAX_SEGMENTS = 2000
_SCAN, _PROGRESSIVE = 0xDA, 0xC2
_END = b"\xff\xd9"
#: Beginning of the segment that says the number of lines.
_LINES = b"\xff\xdc\x00\x04"


@dataclass(frozen=True)
class JpegHeader:
    """What a JPEG says before its pixels.

    Attributes:
        width_px: Width.
        height_px: Height.
        bits: Of a sample.
        ids: Numbers of the components.
        frame: Marker of the frame header.
        is_halved: Whether the components have different resolutions, as only those of YCbCr have.
        has_jfif: Whether it says that it is JFIF, which is grey or YCbCr.
        density: Pixels per unit along a row and a column by JFIF; None if it is not.
        adobe: The transform in Adobe's marker: 0 none, 1 YCbCr, 2 YCCK; None without it.
        exif: Its EXIF data; empty if it has none.
        frame_at: Index of the frame header's marker.
        scan: Index of the first scan's marker.
    """

    width_px: int
    height_px: int
    bits: int
    ids: tuple[int, ...]
    frame: int
    is_halved: bool
    has_jfif: bool
    density: tuple[int, int] | None
    adobe: int | None
    exif: bytes
    frame_at: int
    scan: int

    @property
    def is_usual(self) -> bool:
        """Whether it is one of those that Pillow and OpenCV decode."""
        return self.frame in _USUAL and self.bits == 8

    @property
    def depth_bits(self) -> int | None:
        """Bits of the sensor; None where all 16 are there, so that the samples tell."""
        return self.bits if self.bits < 16 else None

    @property
    def colours(self) -> Literal["grey", "YCbCr", "RGB", "CMYK", "unsaid"]:
        """What its components are, as far as it says so itself (as libjpeg decides, jdapimin.c)."""
        if len(self.ids) != 3:
            return "grey" if len(self.ids) < 3 else "CMYK"
        if self.is_halved or (self.has_jfif and self.adobe is None):
            return "YCbCr"
        if self.adobe is not None:
            return "YCbCr" if self.adobe else "RGB"
        return "RGB" if self.ids == (82, 71, 66) else "unsaid"


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The segments of a JPEG up to its first scan, or to its end if it holds tables alone.

    Args:
        data: The whole file.

    Yields:
        The marker, where it begins, and where the next one does; of the scan, where the file ends.

    Raises:
        ValueError: If it is damaged.
        IndexError: If it ends early.
    """
    position = 2
    # Real files have a few dozen; a file of millions would take minutes to walk.
    for _ in range(_MAX_SEGMENTS):
        if data[position] != 0xFF:
            raise ValueError("no marker where one must be")
        kind = data[position + 1]
        if kind == 0xFF:  # a fill byte
            position += 1
            continue
        if kind == _END[1]:
            return
        if kind == _SCAN:
            yield kind, position, len(data)
            return
        after = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        yield kind, position, after
        position = after
    raise ValueError("too many segments")


def jpeg_header(data: bytes) -> JpegHeader:
    """Read the segments of a JPEG up to its first scan.

    Raises:
        ValueError: If it is damaged.
        IndexError: If it ends early.
    """
    frame: bytes = b""
    marker = has_jfif = frame_at = scan = 0
    adobe: int | None = None
    density: tuple[int, int] | None = None
    exif = b""
    for kind, position, after in segments(data):
        body = data[position + 4 : after]
        if kind == _SCAN:
            scan = position
        elif kind in _FRAMES and not frame:
            marker, frame, frame_at = kind, body, position
        elif kind == 0xE0 and body.startswith(b"JFIF\0"):
            has_jfif = 1
            density = int.from_bytes(body[8:10]), int.from_bytes(body[10:12])
        elif kind == 0xE1 and body.startswith(b"Exif\0\0") and not exif:
            exif = body
        elif kind == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
    if not scan:
        raise ValueError("no scan")
    n = frame[5]
    parts = [frame[6 + 3 * i : 9 + 3 * i] for i in range(n)]
    if any(len(part) < 3 for part in parts):
        raise ValueError("the frame header is cut short")
    return JpegHeader(
        width_px=int.from_bytes(frame[3:5]),
        height_px=int.from_bytes(frame[1:3]),
        bits=frame[0],
        ids=tuple(part[0] for part in parts),
        frame=marker,
        is_halved=len({part[1] for part in parts}) > 1,
        has_jfif=bool(has_jfif),
        density=density,
        adobe=adobe,
        exif=exif,
        frame_at=frame_at,
        scan=scan,
    )


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height that a JPEG says it has: `jpeg_header` for those who ask often.

    Raises:
        ValueError: If it is damaged.
        IndexError: If it ends early.
    """
    for kind, position, _ in segments(data):
        if kind in _FRAMES:
            sides = data[position + 5 : position + 9]
            if len(sides) < 4:
                raise ValueError("the frame header is cut short")
            return int.from_bytes(sides[2:]), int.from_bytes(sides[:2])
    raise ValueError("no frame header")


def with_height(data: bytes) -> bytes:
    """A JPEG whose height is in its frame header: scanners may say it only behind the scan.

    They do not know it before (marker DNL, T.81 B.2.5), and libjpeg does not look there.

    Args:
        data: The whole file.

    Returns:
        The same object as a rule.

    Raises:
        ValueError: If it is damaged, or says its height nowhere.
        IndexError: If it ends early.
    """
    header = jpeg_header(data)
    if header.height_px:
        return data
    behind = data.find(_LINES, header.scan)
    height = data[behind + len(_LINES) : behind + len(_LINES) + 2]
    if behind < 0 or len(height) < 2:
        raise ValueError("no height")
    at = header.frame_at + 5
    return data[:at] + height + data[at + 2 :]


def with_end(data: bytes, header: JpegHeader) -> tuple[bytes, bool]:
    """A JPEG up to its end marker, which is added if only that is missing.

    Args:
        data: The whole file.
        header: What `jpeg_header` says of it.

    Returns:
        The JPEG, and whether the marker was missing: whether pixels are, too, the decoder tells.

    Raises:
        ValueError: If scans of a progressive picture are missing as well.
    """
    end = data.find(_END, header.scan)
    if end >= 0:
        return data[: end + len(_END)], False
    if header.frame not in _USUAL or header.bits != 8:
        raise ValueError("no end marker")
    if header.frame == _PROGRESSIVE and not _has_all_scans(data, header):
        raise ValueError("no end marker, and scans are missing")
    return data.removesuffix(_END[:1]) + _END, True


def _has_all_scans(data: bytes, header: JpegHeader) -> bool:
    """Whether each coefficient of each component has had its last bit (T.81, G.1.1)."""
    known: set[tuple[int, int]] = set()
    start = header.scan
    while start >= 0:
        n = data[start + 4]
        first, last, bits = data[start + 5 + 2 * n : start + 8 + 2 * n]
        if bits & 0x0F == 0:
            known.update(
                (data[start + 5 + 2 * i], k) for i in range(n) for k in range(first, last + 1)
            )
        # In coded data this byte is always followed by a zero.
        start = data.find(bytes((0xFF, _SCAN)), start + 2)
    return all((component, k) in known for component in header.ids for k in range(64))


def decode_samples(
    data: bytes, header: JpegHeader, label: str, *, unsaid: Literal["RGB", "YCbCr"] = "YCbCr"
) -> npt.NDArray[np.generic]:
    """The stored samples of any JPEG whose size has been checked, colours as RGB.

    Args:
        data: The whole file, or a frame of another format.
        header: What `jpeg_header` says of it.
        label: What messages call the file.
        unsaid: What three components are that the JPEG itself says nothing about.

    Returns:
        (H, W) or (H, W, 3), uint8 or, for more than 8 bits, uint16.

    Raises:
        ImageError: If it is of a kind that cannot be read.
        Exception: Whatever imagecodecs raises on damaged data; the caller translates it.
    """
    import imagecodecs  # not needed for any usual picture

    if header.frame == _LS:
        return np.asarray(imagecodecs.jpegls_decode(data))
    if header.frame not in (*_USUAL, _LOSSLESS) or header.colours == "CMYK":
        raise ImageError(
            f"{label} is a JPEG of a rare kind (hierarchical, arithmetic or deep CMYK) that cannot "
            "be read.",
            SAVE_PLAIN,
        )
    colour: dict[str, Any] = {}
    if header.colours != "grey":
        colours = unsaid if header.colours == "unsaid" else header.colours
        if header.frame == _LOSSLESS and not header.is_halved and header.adobe != 1:
            colours = "RGB"  # YCbCr would lose the last bit: lossless files are as they were
        colour = {"colorspace": colours.upper(), "outcolorspace": "RGB"}
    pixels = imagecodecs.jpeg8_decode(data, **colour)
    if np.all(pixels[-1, -1] == 2 ** (header.bits - 1)):
        # As in `raster.read_jpeg`: what is missing is filled with this grey.
        refilled = imagecodecs.jpeg8_decode(data[:-2] + b"\x55" * 4096 + data[-2:], **colour)
        if not np.array_equal(pixels, refilled):
            raise ValueError("the coded data ends before the picture does")
    return np.asarray(pixels)
