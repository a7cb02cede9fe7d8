"""Slides in TIFF: pyramidal, OME-TIFF, and others that tifffile reads, tile by tile."""

from __future__ import annotations

import logging
import threading

import cv2
import imagecodecs
import numpy as np
import tifffile
from tifffile.tifffile import jpeg_decode_colorspace

from allcell.errors import SlideError
from allcell.formats.jpeg import jpeg_size
from allcell.formats.pixels import RGBImage
from allcell.slides.files import COPY_AGAIN, SlideFile
from allcell.slides.readers.stored_jpeg import whole_jpeg
from allcell.slides.readers.tiff_levels import StoredLevel, find_levels, stated_mpp
from allcell.slides.readers.tiles import TILES, next_number
from allcell.slides.slide import OUTSIDE, Level, check_part, downsample_of, on_white

log = logging.getLogger(__name__)
# Its messages quote tags of a damaged file, and a description may name the patient.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_JPEG, _JPEG_2000 = 7, (33005, 34712)
#: JPEG 2000 whose colours are left in YCbCr.
_APERIO_YCBC = 33003
_MIN_IS_WHITE, _RGB, _YCBCR = 0, 2, 6


class TiffSlide:
    """A slide whose tiles are decoded when they are looked at. Thread-safe.

    Attributes:
        name: What it is called.
        size_px: Width and height of the finest level.
        mpp: Micrometres along a side of its pixels; None if the file does not say.
        levels: Its levels, the finest first.
    """

    def __init__(self, file: SlideFile) -> None:
        """Read the header, and one tile of each level.

        Args:
            file: The file, which is closed with the slide.

        Raises:
            SlideError: If the file contradicts itself, is incomplete or of a kind that is not read.
        """
        self._file = file
        self._number = next_number()
        self._own = threading.local()
        self.name = file.name
        try:
            tif = _header(file)
            self._stored = find_levels(tif, file)
            self.mpp = stated_mpp(tif, self._stored[0].page)
        except SlideError:
            raise
        # tifffile raises whatever damaged bytes lead to. Its messages may name the patient.
        except Exception as error:
            log.info("a slide's TIFF header could not be read: %s", type(error).__name__)
            raise SlideError(
                f"{file.label} is damaged or incomplete: its list of pages cannot be read.",
                COPY_AGAIN,
            ) from error
        base = self._stored[0]
        self.size_px = (base.width_px, base.height_px)
        self.levels = tuple(
            Level(at.width_px, at.height_px, downsample_of(base.width_px, at.width_px))
            for at in self._stored
        )
        for level, at in enumerate(self._stored):
            rows = len(at.offsets) // at.planes // at.columns
            self._tile(level, (rows // 2) * at.columns + at.columns // 2)

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> RGBImage:
        """See `allcell.slides.slide.Slide.read`."""
        check_part(self, width, height, level)
        with self._file.in_use():
            return self._part(x, y, width, height, level)

    def _part(self, x: int, y: int, width: int, height: int, level: int) -> RGBImage:
        at = self._stored[level]
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + width, at.width_px), min(y + height, at.height_px)
        part = np.empty((height, width, 3), np.uint8)
        if (x1, y1, x2, y2) != (x, y, x + width, y + height):
            part[:] = OUTSIDE
        if x1 >= x2 or y1 >= y2:
            return part
        wide, high = at.tile_px
        for row in range(y1 // high, (y2 - 1) // high + 1):
            for column in range(x1 // wide, (x2 - 1) // wide + 1):
                left, top = column * wide, row * high
                # Parts that overlap a little share what lies at their edges.
                across = x1 + wide <= left and left + 2 * wide <= x2
                within = across and y1 + high <= top and top + 2 * high <= y2
                tile = self._tile(level, row * at.columns + column, keep=not within)
                a, b = max(x1, left), max(y1, top)
                c, d = min(x2, left + tile.shape[1]), min(y2, top + tile.shape[0])
                if c < min(x2, left + wide) or d < min(y2, top + high):
                    # Smaller than its place.
                    part[b - y : top + high - y, a - x : left + wide - x] = OUTSIDE
                if a < c and b < d:
                    part[b - y : d - y, a - x : c - x] = tile[
                        b - top : d - top, a - left : c - left
                    ]
        return part

    def jpeg_side(self, level: int) -> int | None:
        """Side in pixels of the squares that a level is stored in as JPEG; None if it is not."""
        at = self._stored[level]
        wide, high = at.tile_px
        usual = at.page.compression == _JPEG and at.page.photometric in (_RGB, _YCBCR)
        return wide if usual and wide == high and at.page.samplesperpixel == 3 else None

    def jpeg_at(self, level: int, column: int, row: int) -> bytes | None:
        """A tile as a JPEG file, without decoding it.

        Args:
            level: One that has a `jpeg_side`.
            column: Place of the tile.
            row: The same, downwards.

        Returns:
            The file; empty where there is no tile, or one that is not stored: empty glass. None if
            the tile has to be decoded: it is damaged, or not one that every browser shows.

        Raises:
            SlideError: As `read`.
        """
        at = self._stored[level]
        index = row * at.columns + column
        if column >= at.columns or index >= len(at.offsets) or not at.sizes[index]:
            return b""
        with self._file.in_use():
            data = self._file.read_at(int(at.offsets[index]), int(at.sizes[index]))
        tables = bytes(at.page.jpegtables or b"")
        try:
            return whole_jpeg(data, tables, at.page.photometric == _YCBCR, at.tile_px)
        except (ValueError, IndexError):
            return None

    def close(self) -> None:
        """Let go of the file and of the tiles in memory."""
        self._file.close()
        TILES.forget(self._number)

    def _tile(self, level: int, index: int, keep: bool = True) -> RGBImage:
        """A tile, not to be written to; at the slide's edge it may be smaller.

        Args:
            level: Its level.
            index: Its number.
            keep: Whether it will be wanted again soon; otherwise it is this thread's, until the
                next one.
        """
        key = (self._number, level, index)
        tile = TILES.get(key)
        if tile is None:
            tile = self._decoded(self._stored[level], index, None if keep else self._scratch(level))
            if keep:
                TILES.put(key, tile)
        return tile

    def _scratch(self, level: int) -> RGBImage | None:
        """Memory of this thread for a tile: fresh memory takes a fifth of the time of decoding."""
        at = self._stored[level]
        if at.is_plain or at.planes > 1 or at.page.samplesperpixel != 3:
            return None
        shape = (at.tile_px[1], at.tile_px[0], 3)
        found: RGBImage | None = getattr(self._own, "tile", None)
        if found is None or found.shape != shape:
            found = self._own.tile = np.empty(shape, np.uint8)
        return found

    def _decoded(self, at: StoredLevel, index: int, out: RGBImage | None = None) -> RGBImage:
        per_plane = len(at.offsets) // at.planes
        planes = [self._samples(at, index + n * per_plane, out) for n in range(min(at.planes, 3))]
        samples = planes[0] if at.planes == 1 else np.concatenate(planes, axis=-1)
        channels = samples.shape[-1]
        if channels == 4:
            return on_white(samples)
        if channels == 3:
            return np.ascontiguousarray(samples)
        grey = samples[..., :1] if at.page.photometric != _MIN_IS_WHITE else 255 - samples[..., :1]
        return np.asarray(cv2.merge([np.ascontiguousarray(grey[..., 0])] * 3), np.uint8)

    def _samples(self, at: StoredLevel, index: int, out: RGBImage | None) -> RGBImage:
        """What is stored of a tile, uint8 (h, w, samples); in `out` if that is of use."""
        size = int(at.sizes[index])
        wide, high = at.tile_px
        samples = 1 if at.planes > 1 else at.page.samplesperpixel
        if size == 0:
            return np.full((high, wide, samples), OUTSIDE, np.uint8)
        data = self._file.read_at(int(at.offsets[index]), size)
        if at.is_plain:
            return np.frombuffer(data, np.uint8).reshape(-1, wide, samples)
        try:
            size_px = _check_size(data, at)
            tile: RGBImage
            if out is not None and at.page.compression == _JPEG and size_px == at.tile_px:
                tile = _jpeg_into(out, data, at.page)
            else:
                found, _, _ = at.page.decode(data, index, jpegtables=at.page.jpegtables)
                tile = np.asarray(found)[0]
        except SlideError:
            raise
        except Exception as error:  # whatever imagecodecs raises on damaged data
            log.info("a tile could not be decoded: %s", type(error).__name__)
            raise SlideError(f"{self._file.label} is damaged here.", COPY_AGAIN) from error
        if tile.dtype != np.uint8 or tile.ndim != 3 or tile.shape[2] < samples:
            raise SlideError(f"{self._file.label} is damaged here.", COPY_AGAIN)
        return tile


def _header(file: SlideFile) -> tifffile.TiffFile:
    file.stream.seek(0)
    return tifffile.TiffFile(file.stream, name=file.name)


def is_for_openslide(file: SlideFile) -> bool:
    """Whether a TIFF is one of the scanners' whose pages are no plain pyramid.

    Args:
        file: A file that begins as a TIFF.
    """
    try:
        first = _header(file).pages.first
        if first.is_svs:
            return first.compression == _APERIO_YCBC
        return bool(first.is_ndpi or first.is_scn or first.is_bif or first.is_philips)
    except Exception as error:  # whatever damaged bytes lead to; `TiffSlide` explains it
        log.info("a slide's first page could not be read: %s", type(error).__name__)
        return False


def _jpeg_into(out: RGBImage, data: bytes, page: tifffile.TiffPage) -> RGBImage:
    """Decode a tile of red, green and blue as tifffile does, into memory that is there already."""
    stored, wanted = jpeg_decode_colorspace(
        page.photometric, page.planarconfig, page.extrasamples, page.is_jfif
    )
    imagecodecs.jpeg8_decode(
        data, tables=page.jpegtables, colorspace=stored, outcolorspace=wanted, out=out
    )
    return out


def _check_size(data: bytes, at: StoredLevel) -> tuple[int, int]:
    """Width and height of a compressed tile; raises if they are more than its page says.

    Those of other compressions are unfolded into as many bytes as belong there.
    """
    if at.page.compression == _JPEG:
        size = jpeg_size(data)
    elif at.page.compression in _JPEG_2000:
        size = _jpeg_2000_size(data)
    else:
        return at.tile_px
    if size[0] > at.tile_px[0] or size[1] > at.tile_px[1]:
        raise ValueError("a tile larger than the others")
    return size


def _jpeg_2000_size(data: bytes) -> tuple[int, int]:
    """Width and height in the header of a code stream (ITU-T T.800, A.5.1)."""
    start = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    numbers = [int.from_bytes(data[start + n : start + n + 4]) for n in (8, 12, 16, 20)]
    if start < 0:
        raise ValueError("no code stream")
    return numbers[0] - numbers[2], numbers[1] - numbers[3]
