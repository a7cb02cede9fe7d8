"""PNG without the chunks that keep it from being read, and what one says of its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from PIL import PngImagePlugin

_SIGNATURE_BYTES = 8
#: Of the chunks that a decoder may pass over (PNG 3, 5.4), transparency alone belongs to the
#: pixels, and those of an animation to each other.
_PIXELS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PROFILE = b"iCCP"
#: A picture has a few dozen chunks, of pixels some thousand.
_MAX_CHUNKS = 1_000_000


def readable_png(data: bytes) -> bytes:
    """The file without text, profile or other side matter that Pillow refuses a picture for.

    That is what is damaged, or larger than Pillow's limits for text, which hold for profiles too.

    Args:
        data: The whole file.

    Returns:
        The same object if there is nothing to leave out.
    """
    kept: list[bytes] = []
    last = texts = 0
    for start, end in _chunks(data):
        kind = data[start + 4 : start + 8]
        if not kind[0] & 0x20 or kind in _PIXELS:
            continue
        body = data[start + 8 : end - 4]
        size = _unpacked(kind, body)
        texts += size if kind in _TEXTS else 0
        damaged = zlib.crc32(kind + body) != int.from_bytes(data[end - 4 : end])
        too_large = size > PngImagePlugin.MAX_TEXT_CHUNK and _packed_at(kind, body) is not None
        if damaged or too_large or texts > PngImagePlugin.MAX_TEXT_MEMORY // 2:
            kept.append(data[last:start])
            last = end
    return b"".join([*kept, data[last:]]) if last else data


def png_density(data: bytes) -> tuple[int, int] | None:
    """Pixels per unit along a row and along a column (PNG 3, 11.3.4.3); None if not said."""
    for start, end in _chunks(data):
        if data[start + 4 : start + 8] == b"pHYs" and end - start == 12 + 9:
            x, y = data[start + 8 : start + 12], data[start + 12 : start + 16]
            return int.from_bytes(x), int.from_bytes(y)
    return None


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each whole chunk starts and ends."""
    start = _SIGNATURE_BYTES
    for _ in range(_MAX_CHUNKS):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if end > len(data) or end < start + 12:
            return
        yield start, end
        start = end


def _packed_at(kind: bytes, body: bytes) -> int | None:
    """Where compressed data begin in a chunk; None if it has none."""
    keyword = body.find(b"\0", 0, 80)
    if keyword < 0:
        return None
    if kind in (b"zTXt", _PROFILE):
        return keyword + 2
    if kind == b"iTXt" and body[keyword + 1 : keyword + 2] == b"\1":
        language = body.find(b"\0", keyword + 3)
        return body.find(b"\0", language + 1) + 1
    return None


def _unpacked(kind: bytes, body: bytes) -> int:
    """Bytes that a chunk has when unpacked, counted to just beyond Pillow's limit."""
    start = _packed_at(kind, body)
    if start is None:
        return len(body)
    try:
        return len(zlib.decompressobj().decompress(body[start:], PngImagePlugin.MAX_TEXT_CHUNK + 1))
    except zlib.error:
        return 0
