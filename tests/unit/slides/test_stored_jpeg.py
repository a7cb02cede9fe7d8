"""allcell.slides.readers.stored_jpeg: tiles as they are stored look as the decoded ones do."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest

from allcell.slides.opening import open_slide
from allcell.slides.readers.stored_jpeg import whole_jpeg
from allcell.slides.readers.tiff import TiffSlide
from allcell.ui.slides.opened import TILE_PX, OpenedSlide
from tests.slide_files import picture, write_aperio, write_tiff

IMAGE = picture()
SECRET = b"\xff\xfe\x00\x0cJane Doe.."
MADE = bytes(imagecodecs.jpeg8_encode(IMAGE[:256, :256], level=90, subsampling="444"))

KINDS: list[Any] = [
    pytest.param({"photometric": "rgb"}, id="RGB"),
    pytest.param({"photometric": "ycbcr", "subsampling": (1, 1)}, id="YCbCr"),
    pytest.param({"photometric": "ycbcr", "subsampling": (2, 2)}, id="YCbCr, halved"),
    pytest.param({"tile": (512, 512)}, id="tiles of 512"),
]


def decoded(jpeg: bytes) -> np.ndarray:
    """A JPEG as a browser shows it, RGB."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1])


def pieces_of(tile: bytes) -> list[bytes]:
    """What `slides/tiles.js` makes of a tile."""
    number = tile[0] ** 2
    lengths = struct.unpack(f"<{number}I", tile[1 : 1 + 4 * number])
    ends = np.cumsum([1 + 4 * number, *lengths])
    return [tile[a:b] for a, b in pairwise(ends)]


@pytest.mark.parametrize("options", KINDS)
def test_a_stored_tile_looks_as_the_decoded_one(tmp_path: Path, options: dict[str, Any]) -> None:
    """Same libjpeg, same pixels: colours and place are right, at the edges, too."""
    opened = OpenedSlide(open_slide(write_tiff(tmp_path / "a.tif", IMAGE, **options)), "a")
    try:
        for level, column, row in ((0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 1)):
            pieces = pieces_of(opened.tile(level, column, row))
            across = TILE_PX // options.get("tile", (256, 256))[0]
            assert len(pieces) == across**2
            side = TILE_PX // across
            whole = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)
            for n, piece in enumerate(pieces):
                if piece:
                    at = slice(n // across * side, None), slice(n % across * side, None)
                    image = decoded(piece)
                    whole[at][: image.shape[0], : image.shape[1]] = image
            there = opened.slide.levels[level]
            width = min(TILE_PX, there.width_px - column * TILE_PX)
            height = min(TILE_PX, there.height_px - row * TILE_PX)
            read = opened.slide.read(column * TILE_PX, row * TILE_PX, width, height, level)
            # Halved colours are smoothed in one of the two decoders.
            assert np.abs(whole[:height, :width].astype(int) - read).mean() < 2
            assert np.array_equal(whole[:height, :width], read) or "subsampling" in options
    finally:
        opened.close()


def test_a_scanners_tile_goes_as_it_is(tmp_path: Path) -> None:
    """Aperio's, whose RGB has no marker of its own in some files."""
    slide = open_slide(write_aperio(tmp_path / "a.svs", IMAGE))
    assert isinstance(slide, TiffSlide)
    jpeg = slide.jpeg_at(0, 1, 1)
    assert jpeg
    assert np.array_equal(decoded(jpeg), slide.read(256, 256, 256, 256))
    slide.close()


OTHERS: list[Any] = [
    pytest.param({"compression": "deflate"}, (0, 0, 0), id="not JPEG"),
    pytest.param({"tile": (240, 240)}, (0, 0, 0), id="tiles that make up none of ours"),
    pytest.param({"tile": (64, 64)}, (0, 0, 0), id="tiles too small to send one by one"),
    pytest.param({"tile": (1024, 1024)}, (0, 0, 0), id="larger tiles"),
    pytest.param({}, (3, 0, 0), id="a level that the slide has not"),
]


@pytest.mark.parametrize(("options", "place"), OTHERS)
def test_other_tiles_are_made(
    tmp_path: Path, options: dict[str, Any], place: tuple[int, int, int]
) -> None:
    """One JPEG of the server's own."""
    slide = open_slide(write_tiff(tmp_path / "a.tif", IMAGE, (2,), **options))
    opened = OpenedSlide(slide, "a")
    opened.levels = 4
    (jpeg,) = pieces_of(opened.tile(*place))
    part = decoded(jpeg)
    step = 2 ** place[0]
    wanted = cv2.resize(
        IMAGE[: TILE_PX * step, : TILE_PX * step], part.shape[1::-1], interpolation=cv2.INTER_AREA
    )
    assert np.abs(part.astype(int) - wanted).mean() < 12
    opened.close()


def test_nothing_but_pixels_goes_with_a_tile() -> None:
    """Comments and what follows the end may name a patient."""
    made = MADE[:2] + SECRET + MADE[2:] + b"Jane Doe"
    whole = whole_jpeg(made, b"", True, (256, 256))
    assert b"Jane" not in whole
    assert np.array_equal(decoded(whole), decoded(MADE))


def test_tables_of_the_page_come_first() -> None:
    """An abbreviated tile has none of its own (TIFF's technical note 2)."""
    start = MADE.index(b"\xff\xdb")
    frame, huffman = MADE.index(b"\xff\xc0"), MADE.index(b"\xff\xc4")
    scan = MADE.index(b"\xff\xda")
    tables = b"\xff\xd8" + MADE[start:frame] + MADE[huffman:scan] + b"\xff\xd9"
    tile = b"\xff\xd8" + MADE[frame:huffman] + MADE[scan:]
    assert np.array_equal(decoded(whole_jpeg(tile, tables, True, (256, 256))), decoded(MADE))


ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
REFUSED = [
    pytest.param(MADE, False, (256, 256), id="JFIF in a page of RGB"),
    pytest.param(
        MADE[:2] + ADOBE + b"\0" + MADE[2:], True, (256, 256), id="RGB in a page of YCbCr"
    ),
    pytest.param(MADE, True, (128, 256), id="larger than its page says"),
    pytest.param(MADE[:100], True, (256, 256), id="cut short"),
    pytest.param(b"", True, (256, 256), id="nothing"),
    pytest.param(b"\xff\xd8" + 900 * b"\xff\xfe\x00\x02", True, (256, 256), id="many segments"),
    pytest.param(MADE.replace(b"\xff\xc0", b"\xff\xc2"), True, (256, 256), id="progressive"),
    pytest.param(
        bytes(imagecodecs.jpeg8_encode(IMAGE[..., 0].copy())), True, (1500, 1100), id="grey"
    ),
]


@pytest.mark.parametrize(("tile", "is_ycbcr", "most_px"), REFUSED)
def test_what_a_browser_would_show_wrongly_is_refused(
    tile: bytes, is_ycbcr: bool, most_px: tuple[int, int]
) -> None:
    """It is decoded by the server, which may say that it is damaged."""
    with pytest.raises((ValueError, IndexError)):
        whole_jpeg(tile, b"", is_ycbcr, most_px)
