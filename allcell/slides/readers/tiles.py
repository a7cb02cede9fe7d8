"""The tiles that were decoded last, of all open slides, within one limit of memory."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict

from allcell.formats.pixels import RGBImage

#: Enough for the last ten views of 1600x900 pixels.
MOST_BYTES = 64 * 2**20

#: Slide, level, tile.
Key = tuple[int, int, int]

_numbers = itertools.count()


def next_number() -> int:
    """A number for a slide that no other one has had."""
    return next(_numbers)


class DecodedTiles:
    """Tiles by slide, level and number; the one used longest ago goes first. Thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Key, RGBImage] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> RGBImage | None:
        """A tile, not to be written to; None if it is not kept."""
        with self._lock:
            found = self._tiles.get(key)
            if found is not None:
                self._tiles.move_to_end(key)
            return found

    def put(self, key: Key, tile: RGBImage) -> None:
        """Keep a tile."""
        if tile.nbytes > self._most // 4:
            return
        with self._lock:
            old = self._tiles.pop(key, None)
            self._bytes += tile.nbytes - (0 if old is None else old.nbytes)
            self._tiles[key] = tile
            while self._bytes > self._most:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes

    def forget(self, slide: int) -> None:
        """Let go of the tiles of a slide."""
        with self._lock:
            for key in [key for key in self._tiles if key[0] == slide]:
                self._bytes -= self._tiles.pop(key).nbytes

    @property
    def held_bytes(self) -> int:
        """Memory that the tiles take."""
        with self._lock:
            return self._bytes


TILES = DecodedTiles()
