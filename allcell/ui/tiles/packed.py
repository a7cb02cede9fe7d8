"""What a browser gets as a tile: one JPEG, or those that the slide itself is stored in."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence


def packed(pieces: Sequence[bytes]) -> bytes:
    """JPEG files that make up a square, as `slides/tiles.js` takes them apart.

    Args:
        pieces: n * n JPEG files, row by row, all of one size; empty ones are glass.

    Returns:
        n in a byte, the length of each in four (little-endian), then the files.

    Raises:
        ValueError: If they make up no square of at most 255 along a side.
    """
    across = math.isqrt(len(pieces))
    if not 1 <= across <= 255 or across * across != len(pieces):
        raise ValueError(f"expected a square of pieces, got {len(pieces)}")
    lengths = struct.pack(f"<{len(pieces)}I", *map(len, pieces))
    return bytes([across]) + lengths + b"".join(pieces)
