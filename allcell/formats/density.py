"""How long one side of a pixel is beside the other, as far as a file says so itself."""

from __future__ import annotations

import math

from allcell.formats.jpeg import jpeg_header
from allcell.formats.png import png_density

#: Pixels per unit of length along a row, and along a column.
Density = tuple[float, float]
#: Rounded densities and cameras that are not quite exact differ by less than this.
_TOLERATED = 1.05
#: Fax has 2.1 (204 x 98 per inch); what says more has one of its two numbers wrong.
_MOST = 3.0


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
