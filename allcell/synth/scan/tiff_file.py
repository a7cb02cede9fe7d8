"""A pyramidal BigTIFF whose equal tiles are stored once (TIFF 6.0; BigTIFF's layout by Aware)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

TILE_PX = 256
_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16
_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_JPEG, _YCBCR, _CENTIMETRE, _REDUCED = 7, 6, 3, 1

Value = tuple[int, int, bytes]


@dataclass(frozen=True)
class StoredTiles:
    """One level.

    Attributes:
        width_px: Width.
        height_px: Height.
        tiles: The number of the JPEG at each place, row by row.
    """

    width_px: int
    height_px: int
    tiles: Sequence[int]


def write_pyramid(
    path: Path,
    jpegs: Sequence[bytes],
    levels: Sequence[StoredTiles],
    mpp: float,
    description: str,
    *,
    halved: bool = False,
) -> None:
    """Write a slide.

    Args:
        path: The file.
        jpegs: Each different tile: 256x256, YCbCr.
        levels: The levels, the finest first.
        mpp: Micrometres along a side of a pixel of the finest one.
        description: What the file says of itself, in ASCII.
        halved: Whether the colours of the tiles are at half their resolution (4:2:0).

    Raises:
        OSError: If it cannot be written.
    """
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        places = []
        for jpeg in jpegs:
            places.append((file.tell(), len(jpeg)))
            file.write(jpeg)
        link = 8  # where the offset of the first directory belongs
        finest = levels[0].width_px
        for number, level in enumerate(levels):
            per_cm = 10_000 / (mpp * finest / level.width_px)
            tags = _tags(level, places, per_cm, reduced=number > 0)
            tags[530] = _numbers(_SHORT, *((2, 2) if halved else (1, 1)))
            if number == 0:
                tags[270] = _text(description)
            link = _write_directory(file, tags, link)


def _tags(
    level: StoredTiles, places: list[tuple[int, int]], per_cm: float, *, reduced: bool
) -> dict[int, Value]:
    across, down = -(-level.width_px // TILE_PX), -(-level.height_px // TILE_PX)
    if len(level.tiles) != across * down:
        raise ValueError(f"expected {across * down} tiles, got {len(level.tiles)}")
    resolution = struct.pack("<II", round(per_cm * 100), 100)
    return {
        254: _numbers(_LONG, _REDUCED if reduced else 0),
        256: _numbers(_LONG, level.width_px),
        257: _numbers(_LONG, level.height_px),
        258: _numbers(_SHORT, 8, 8, 8),
        259: _numbers(_SHORT, _JPEG),
        262: _numbers(_SHORT, _YCBCR),
        277: _numbers(_SHORT, 3),
        282: (_RATIONAL, 1, resolution),
        283: (_RATIONAL, 1, resolution),
        284: _numbers(_SHORT, 1),
        296: _numbers(_SHORT, _CENTIMETRE),
        305: _text("allcell"),
        322: _numbers(_LONG, TILE_PX),
        323: _numbers(_LONG, TILE_PX),
        324: _numbers(_LONG8, *(places[n][0] for n in level.tiles)),
        325: _numbers(_LONG, *(places[n][1] for n in level.tiles)),
    }


def _numbers(kind: int, *values: int) -> Value:
    return kind, len(values), struct.pack(f"<{len(values)}{_CODES[kind]}", *values)


def _text(text: str) -> Value:
    coded = text.encode("ascii", "replace") + b"\0"
    return _ASCII, len(coded), coded


def _write_directory(file: BinaryIO, tags: dict[int, Value], link: int) -> int:
    """Write a directory and its values; returns where the offset of the next one belongs."""
    entries = []
    for code, (kind, count, data) in sorted(tags.items()):
        if len(data) <= 8:
            entries.append(struct.pack("<HHQ8s", code, kind, count, data))
            continue
        file.write(b"\0" * (-file.tell() % 8))
        entries.append(struct.pack("<HHQQ", code, kind, count, file.tell()))
        file.write(data)
    file.write(b"\0" * (-file.tell() % 8))
    start = file.tell()
    file.write(struct.pack("<Q", len(entries)) + b"".join(entries) + struct.pack("<Q", 0))
    end = file.tell()
    file.seek(link)
    file.write(struct.pack("<Q", start))
    file.seek(end)
    return end - 8
