"""allcell.slides.opening: each kind of slide that can be written here, read back pixel by pixel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile

from allcell.errors import SlideError
from allcell.slides.opening import open_slide
from allcell.slides.readers.tiles import MOST_BYTES, TILES, DecodedTiles
from allcell.slides.slide import MAX_READ_PX
from tests.slide_files import picture, smaller, write_aperio, write_dicom, write_shared, write_tiff

IMAGE = picture()
GREY = np.ascontiguousarray(IMAGE[..., 1])


def write_alpha(path: Path, _: object) -> Path:
    clear = np.dstack([IMAGE, np.where(np.arange(1500) < 200, 0, 255) + 0 * GREY.astype(int)])
    image = clear.astype(np.uint8)
    with tifffile.TiffWriter(path) as file:
        for n in (1, 2):
            file.write(
                np.ascontiguousarray(image[::n, ::n]),
                tile=(256, 256),
                photometric="rgb",
                extrasamples=["unassalpha"],
                compression="deflate",
                metadata=None,
            )
    return path


def write_picture(path: Path, _: object) -> Path:
    coded = (
        imagecodecs.png_encode(IMAGE)
        if path.suffix == ".png"
        else imagecodecs.jpeg8_encode(IMAGE, level=98, subsampling="444")
    )
    path.write_bytes(bytes(coded))
    return path


Writer = Callable[[Path, np.ndarray], Path]


def tiff(**options: object) -> Writer:
    return lambda path, image: write_tiff(path, image, **options)


UM = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
#: Name, writer, widths of the levels, micrometres a pixel, largest difference of a value.
KINDS = [
    pytest.param("a.tif", tiff(**UM), (1500, 750, 375), 0.25, 12, id="pages, JPEG, per cm"),
    pytest.param("a.tif", tiff(), (1500, 750, 375), None, 12, id="no size of pixels"),
    pytest.param(
        "a.tif",
        tiff(resolution=(72, 72), resolutionunit="INCH"),
        (1500, 750, 375),
        None,
        12,
        id="72 dots an inch mean nothing",
    ),
    pytest.param(
        "a.ome.tif",
        tiff(ome=True, compression="zstd", predictor=True),
        (1500, 750, 375),
        0.25,
        0,
        id="OME-TIFF, levels below the first page",
    ),
    pytest.param("a.tif", tiff(compression="lzw"), (1500, 750, 375), None, 0, id="LZW"),
    pytest.param("a.tif", tiff(compression=None), (1500, 750, 375), None, 0, id="uncompressed"),
    pytest.param("a.tif", tiff(compression="jpeg2000"), (1500, 750, 375), None, 0, id="JPEG 2000"),
    pytest.param("a.tif", tiff(times=(2, 8)), (1500, 750, 187), None, 12, id="a level is missing"),
    pytest.param(
        "a.tif",
        tiff(tile=None, compression="deflate", rowsperstrip=64),
        (1500, 750, 375),
        None,
        0,
        id="strips",
    ),
    pytest.param(
        "a.tif",
        tiff(tile=None, compression=None, times=()),
        (1500,),
        None,
        0,
        id="one strip, uncompressed",
    ),
    pytest.param("named.png", tiff(**UM), (1500, 750, 375), 0.25, 12, id="by content, not name"),
    pytest.param("a.svs", write_aperio, (1500, 375), 0.25, 12, id="Aperio"),
    pytest.param("a.jpg", write_picture, (1500, 750), None, 20, id="JPEG"),
    pytest.param("a.png", write_picture, (1500, 750), None, 0, id="PNG"),
]


@pytest.mark.parametrize(("name", "write", "widths", "mpp", "most"), KINDS)
def test_each_kind_is_read_as_it_was_written(tmp_path, name, write, widths, mpp, most):
    slide = open_slide(write(tmp_path / name, IMAGE))
    assert slide.name == name
    assert slide.size_px == (1500, 1100)
    assert tuple(level.width_px for level in slide.levels) == widths
    assert slide.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-3))
    part = slide.read(230, 240, 900, 700)
    assert part.dtype == np.uint8
    assert part.flags.writeable
    assert np.abs(part.astype(int) - IMAGE[240:940, 230:1130]).max() <= most
    level = slide.levels[-1]
    factor = round(level.downsample)
    assert level.downsample == factor
    coarse = slide.read(10, 20, 100, 60, len(slide.levels) - 1)
    expected = smaller(IMAGE, factor)[20:80, 10:110]
    if name not in ("a.jpg", "a.png"):  # their halves are means
        assert np.abs(coarse.astype(int) - expected).max() <= max(most, 3 * most)
    slide.close()
    with pytest.raises(SlideError, match="closed"):
        slide.read(0, 0, 10, 10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"planarconfig": "separate"}, IMAGE, id="red, green and blue apart"),
        pytest.param({"photometric": "minisblack"}, np.dstack([GREY] * 3), id="grey"),
        pytest.param({"photometric": "miniswhite"}, np.dstack([255 - GREY] * 3), id="white is 0"),
    ],
)
def test_layouts_of_samples(tmp_path, options, expected):
    source = GREY if "photometric" in options else IMAGE
    options = {"photometric": "rgb"} | options
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for n in (1, 2):
            level = np.ascontiguousarray(source[::n, ::n])
            if options.get("planarconfig") == "separate":
                level = np.ascontiguousarray(level.transpose(2, 0, 1))
            file.write(level, tile=(256, 256), compression="lzw", metadata=None, **options)
    slide = open_slide(tmp_path / "a.tif")
    assert np.array_equal(slide.read(100, 200, 500, 400), expected[200:600, 100:600])


def test_what_is_clear_is_white(tmp_path):
    slide = open_slide(write_alpha(tmp_path / "a.tif", None))
    part = slide.read(0, 300, 400, 100)
    assert (part[:, :200] == 255).all()
    assert np.array_equal(part[:, 200:], IMAGE[300:400, 200:400])


def test_arrays_are_slides():
    slide = open_slide(IMAGE, "mine")
    assert (slide.name, slide.size_px, slide.mpp) == ("mine", (1500, 1100), None)
    assert [level.downsample for level in slide.levels] == [1, 2]
    assert np.array_equal(slide.read(5, 6, 50, 40), IMAGE[6:46, 5:55])
    with pytest.raises(SlideError, match="RGB uint8"):
        open_slide(GREY)


def test_dicom_and_aperio_are_what_openslide_takes_them_for(tmp_path):
    openslide = pytest.importorskip("openslide")
    assert openslide.OpenSlide.detect_format(write_aperio(tmp_path / "a.svs", IMAGE)) == "aperio"
    theirs = openslide.OpenSlide(tmp_path / "a.svs")
    assert set(theirs.associated_images) == {"label", "macro", "thumbnail"}
    ours = open_slide(tmp_path / "a.svs")
    assert [(n.width_px, n.height_px) for n in ours.levels] == list(theirs.level_dimensions)
    region = np.asarray(theirs.read_region((300, 200), 0, (400, 300)))[..., :3]
    assert np.abs(region.astype(int) - ours.read(300, 200, 400, 300)).max() <= 8


@pytest.mark.child
@pytest.mark.slow
def test_a_slide_in_dicom_is_read_by_openslide(tmp_path):
    pytest.importorskip("openslide")
    slide = open_slide(write_dicom(tmp_path / "slide", IMAGE))
    assert slide.size_px == (1500, 1100)
    assert slide.mpp == pytest.approx(0.25)
    assert [level.downsample for level in slide.levels] == [1, pytest.approx(4, rel=0.01)]
    part = slide.read(230, 240, 900, 700)
    assert np.abs(part.astype(int) - IMAGE[240:940, 230:1130]).mean() < 3
    assert (slide.read(-50, -50, 60, 60)[:40, :40] == 255).all()
    slide.close()
    with pytest.raises(SlideError, match="closed"):
        slide.read(0, 0, 10, 10)


@pytest.mark.parametrize("kind", ["aperio", "ome"])
def test_label_and_macro_are_nowhere(tmp_path, kind):
    path = tmp_path / "a.tif"
    if kind == "aperio":
        write_aperio(path, IMAGE)
    else:
        label = np.zeros((300, 280, 3), np.uint8)
        label[..., 0] = 255
        with tifffile.TiffWriter(path, ome=True) as file:
            options = {"tile": (256, 256), "photometric": "rgb", "compression": "zstd"}
            file.write(IMAGE, subifds=1, metadata={"Name": "slide"}, **options)
            file.write(smaller(IMAGE, 4), subfiletype=1, **options)
            file.write(label, metadata={"Name": "label image"}, **options)
    slide = open_slide(path)
    assert len(slide.levels) == 2
    for n, level in enumerate(slide.levels):
        whole = slide.read(0, 0, level.width_px, level.height_px, n)
        small = cv2.resize(whole, (30, 22), interpolation=cv2.INTER_AREA)
        expected = cv2.resize(IMAGE, (30, 22), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 12


def test_outside_is_white_and_costs_nothing(tmp_path):
    slide = open_slide(write_tiff(tmp_path / "a.tif", IMAGE))
    assert (slide.read(10**9, -(10**9), 300, 200) == 255).all()
    corner = slide.read(1400, 1000, 300, 300)
    assert (corner[100:] == 255).all()
    assert (corner[:, 100:] == 255).all()
    # Tiles end where blocks of JPEG do; the last pixels of the slide share one with padding.
    assert np.abs(corner[:80, :80].astype(int) - IMAGE[1000:1080, 1400:1480]).max() <= 12


@pytest.mark.parametrize(
    ("part", "error"),
    [
        pytest.param((0, 0, 0, 10, 0), ValueError, id="no width"),
        pytest.param((0, 0, 10, 10, 3), ValueError, id="no such level"),
        pytest.param((0, 0, 10, 10, -1), ValueError, id="not counted from the end"),
        pytest.param((0, 0, 10_000, MAX_READ_PX // 10_000 + 1, 0), SlideError, id="too much"),
    ],
)
def test_what_cannot_be_read_at_once(tmp_path, part, error):
    slide = open_slide(write_tiff(tmp_path / "a.tif", IMAGE))
    with pytest.raises(error):
        slide.read(*part)


def test_many_threads_read_the_same(tmp_path):
    slide = open_slide(write_tiff(tmp_path / "a.tif", IMAGE, compression="lzw"))
    wrong: list[int] = []

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            x, y = int(rng.integers(0, 1200)), int(rng.integers(0, 900))
            if not np.array_equal(slide.read(x, y, 300, 200), IMAGE[y : y + 200, x : x + 300]):
                wrong.append(seed)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_tiles_in_memory_have_a_limit_and_go_with_their_slide(tmp_path):
    slide = open_slide(write_shared(tmp_path / "a.tif", [(40_000, 30_000), (5000, 3750)]))
    for x in range(0, 40_000, 4000):
        slide.read(x, 0, 2000, 2000)
    assert 0 < TILES.held_bytes <= MOST_BYTES
    slide.close()
    other = DecodedTiles(1000)
    other.put((0, 0, 0), np.zeros((5, 5, 3), np.uint8))
    other.put((0, 0, 0), np.zeros((5, 5, 3), np.uint8))
    other.put((1, 0, 0), np.zeros((5, 5, 3), np.uint8))
    assert other.held_bytes == 150
    other.forget(0)
    assert other.held_bytes == 75
    other.put((1, 0, 1), np.zeros((100, 100, 3), np.uint8))
    assert other.held_bytes == 75
