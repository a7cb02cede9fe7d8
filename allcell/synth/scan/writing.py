"""A rendered slide as a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.synth.scan.block import Block
from allcell.synth.scan.mosaic import Key, paint_all, plan, truth_of
from allcell.synth.scan.smear import SmearSpec
from allcell.synth.scan.tiff_file import TILE_PX, StoredTiles, write_pyramid

#: Of the JPEG tiles, whose colours are halved, as scanners do (YCbCrSubSampling 2, 2 in CMU-1.svs
#: and others of Aperio's).
_QUALITY = 88
#: The coarsest level has no side above this.
_COARSEST_PX = 1024
_WHITE = 255


@dataclass(frozen=True, eq=False)
class WrittenSlide:
    """A slide that was written.

    Attributes:
        path: The file: BigTIFF, tiles of 256 px in JPEG, levels of half the size each.
        spec: What it shows.
        truth: Its white cells, in pixels of the finest level.
    """

    path: Path
    spec: SmearSpec
    truth: Detections


class _Tiles:
    """The different tiles of a slide, by their content."""

    def __init__(self) -> None:
        self.jpegs: list[bytes] = []
        self._numbers: dict[bytes, int] = {}

    def number_of(self, tile: npt.NDArray[np.uint8]) -> int:
        """The number of a tile, RGB uint8, padded to 256x256."""
        if tile.shape[:2] != (TILE_PX, TILE_PX):
            whole = np.full((TILE_PX, TILE_PX, 3), _WHITE, np.uint8)
            whole[: tile.shape[0], : tile.shape[1]] = tile
            tile = whole
        coded = np.ascontiguousarray(tile)
        jpeg = bytes(imagecodecs.jpeg8_encode(coded, level=_QUALITY, subsampling="420"))
        number = self._numbers.setdefault(jpeg, len(self.jpegs))
        if number == len(self.jpegs):
            self.jpegs.append(jpeg)
        return number


def write_slide(
    path: Path,
    spec: SmearSpec,
    on_progress: Callable[[float], None] = lambda _: None,
    description: str = "Rendered blood smear, no patient's",
) -> WrittenSlide:
    """Write a pyramidal slide; a few different blocks make it up, so it is small and soon done.

    Args:
        path: The file, BigTIFF.
        spec: What it shows.
        on_progress: Called with how much is done, 0 to 1.
        description: What the file says of itself, in ASCII.

    Returns:
        The slide, with its truth.

    Raises:
        OSError: If it cannot be written.
    """
    places = plan(spec)
    tiles = _Tiles()
    truths: dict[Key, Detections] = {}
    halvings = (spec.block_px // TILE_PX).bit_length() - 1
    grids: dict[Key, list[npt.NDArray[np.int64]]] = {}
    smallest: dict[Key, npt.NDArray[np.uint8]] = {}

    def cut(key: Key, block: Block) -> None:
        truths[key] = block.truth
        grids[key], smallest[key] = [], block.image
        for halving in range(halvings + 1):
            if halving:
                smallest[key] = _halved(smallest[key])
            grids[key].append(_grid(smallest[key], tiles))

    paint_all(spec, places, cut, on_progress)
    levels = []
    for halving in range(halvings + 1):
        width, height = spec.width_px >> halving, spec.height_px >> halving
        grid = np.block([[grids[key][halving] for key in row] for row in places])
        within = grid[: -(-height // TILE_PX), : -(-width // TILE_PX)]
        levels.append(StoredTiles(width, height, [int(n) for n in within.ravel()]))
    # A tile of the coarser levels shows several blocks.
    last = levels[-1]
    coarse = np.concatenate(
        [np.concatenate([smallest[key] for key in row], axis=1) for row in places], axis=0
    )[: last.height_px, : last.width_px]
    while max(coarse.shape[:2]) > _COARSEST_PX and min(coarse.shape[:2]) > 1:
        coarse = _halved(coarse)
        numbers = [int(n) for n in _grid(coarse, tiles).ravel()]
        levels.append(StoredTiles(coarse.shape[1], coarse.shape[0], numbers))
    write_pyramid(path, tiles.jpegs, levels, spec.mpp, description, halved=True)
    return WrittenSlide(path, spec, truth_of(spec, places, truths))


def _halved(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _grid(image: npt.NDArray[np.uint8], tiles: _Tiles) -> npt.NDArray[np.int64]:
    """The numbers of a picture's tiles (rows, columns)."""
    height, width = image.shape[:2]
    return np.array(
        [
            [
                tiles.number_of(image[top : top + TILE_PX, left : left + TILE_PX])
                for left in range(0, width, TILE_PX)
            ]
            for top in range(0, height, TILE_PX)
        ],
        np.int64,
    )
