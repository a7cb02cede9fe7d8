"""What headers say: width and height, for codecs that cannot be asked, and the shape of a pixel."""

from __future__ import annotations

import math

from allcell.formats.jpeg import jpeg_header
from allcell.formats.png import png_density

_SIZ = b"\xff\x4f\xff\x51"
_MAX_COMPONENTS = 4
#: Pixels per unit of length along a row, and along a column.
Density = tuple[float, float]
#: Rounded densities and cameras that are not quite exact differ by less than this.
_TOLERATED = 1.05
#: Fax has 2.1 (204 x 98 per inch); what says more has one of its two numbers wrong.
_MOST = 3.0


def jpeg2000_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG 2000 file or codestream (T.800 A.5.1).

    Raises:
        ValueError: If it is damaged or has more than four components.
    """
    start = data.find(_SIZ, 0, 65536) + len(_SIZ)
    body = data[start + 4 : start + 38]
    if start < len(_SIZ) or len(body) < 34:
        raise ValueError("no size in a JPEG 2000 codestream")
    right, bottom, left, top = (int.from_bytes(body[i : i + 4]) for i in range(0, 16, 4))
    if int.from_bytes(body[32:34]) > _MAX_COMPONENTS:
        raise ValueError("too many components")
    return right - left, bottom - top


def jpegxl_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL codestream, in a container or not (ISO/IEC 18181-1, D.2).

    Raises:
        ValueError: If it is damaged.
    """
    start = 0
    if data.startswith(b"\x00\x00\x00\x0cJXL "):
        start = data.find(b"jxlc", 0, 65536) + 4
        if start < 4:
            raise ValueError("no codestream that is whole")
    if data[start : start + 2] != b"\xff\x0a":
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(data[start + 2 : start + 14], "little")

    def take(n: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << n) - 1), bits >> n
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    up, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * up // down, height


def stretch(density: Density | None) -> float:
    """How many times as long one side of a pixel is as the other, which of them either.

    Args:
        density: As the file declares it; None if it does not.

    Returns:
        1 if pixels are square to within 5 %, if nothing is said, or if what is said is nonsense.
    """
    if density is None or not all(math.isfinite(one) and one > 0 for one in density):
        return 1.0
    ratio = max(density) / min(density)
    return ratio if _TOLERATED < ratio <= _MOST else 1.0


def jpeg_density(data: bytes) -> Density | None:
    """By the JFIF marker of a JPEG (ITU-T T.871, 10.1); without a unit it is a ratio alone."""
    return jpeg_header(data).density


def png_bmp_density(data: bytes) -> Density | None:
    """By the chunk pHYs of a PNG, or by the header of a BMP from version 3 on."""
    if not data.startswith(b"BM"):
        return png_density(data)
    if int.from_bytes(data[14:18], "little") < 40:
        return None
    x, y = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (38, 42))
    return x, y
