"""Tiles of a TIFF as the JPEG files that they nearly are: the browser decodes them."""

from __future__ import annotations

from allcell.formats.jpeg import segments

#: Markers (ITU-T T.81, B.1): baseline and extended frames, tables, restart interval.
_FRAMES, _TABLES = (0xC0, 0xC1), (0xDB, 0xC4, 0xDD)
_START, _SCAN, _END = b"\xff\xd8", 0xDA, b"\xff\xd9"
_JFIF, _ADOBE = 0xE0, 0xEE
#: Of all other frames.
_OTHER_FRAMES = (0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xD0))
#: Adobe's segment, without which browsers guess what the three components are; ends with the
#: transform: 0 for red, green and blue, 1 for YCbCr.
_COLOURS = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"


def whole_jpeg(tile: bytes, tables: bytes, is_ycbcr: bool, most_px: tuple[int, int]) -> bytes:
    """A tile of a TIFF as a JPEG file that browsers show in the colours that the TIFF says.

    Nothing goes with it but what the pixels need: comments and other segments may name a patient.

    Args:
        tile: The tile as it is stored, with or without its tables.
        tables: The tables of all tiles of the page (tag 347); empty if it has none.
        is_ycbcr: Whether the TIFF says that its colours are YCbCr; otherwise red, green and blue.
        most_px: Width and height that it may have.

    Raises:
        ValueError: If it is damaged, larger than that, none that every browser shows (baseline, 8
            bits, three components), or says other colours of itself than the TIFF does.
        IndexError: If it ends early.
    """
    parts = [_START, _COLOURS + bytes([is_ycbcr])]
    if tables:
        parts += [tables[a:b] for kind, a, b in segments(tables) if kind in _TABLES]
    frame = b""
    for kind, start, after in segments(tile):
        body = tile[start:after]
        if kind in _OTHER_FRAMES:
            raise ValueError("not baseline")
        if kind == _JFIF and body[4:9] == b"JFIF\0" and not is_ycbcr:
            raise ValueError("JFIF, whose colours are YCbCr")
        if kind == _ADOBE and body[4:9] == b"Adobe" and bool(body[15]) != is_ycbcr:
            raise ValueError("other colours than the page's")
        if kind in _FRAMES:
            frame = body
        elif kind == _SCAN:
            end = body.find(_END)
            body = body[: end + 2] if end >= 0 else body + _END
        elif kind not in _TABLES:
            continue
        parts.append(body)
    if not frame or frame[4] != 8 or frame[9] != 3:
        raise ValueError("no frame of 8 bits and three components")
    height, width = int.from_bytes(frame[5:7]), int.from_bytes(frame[7:9])
    if not (0 < width <= most_px[0] and 0 < height <= most_px[1]):
        raise ValueError("a tile larger than the others")
    return b"".join(parts)
