"""allcell.slides.pyramids: copies of large flat pictures, made once and with consent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile

from allcell.errors import NeedsPyramid, SlideError
from allcell.settings import settings
from allcell.slides import copies
from allcell.slides.opening import open_slide
from allcell.slides.pyramids import make_pyramid, needs_pyramid, pyramid_bytes
from tests.slide_files import flat_jpeg, picture, write_shared, write_tiff

#: Small pictures count as large ones in these tests, here and in the child process.
SMALL = 1_000_000


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLCELL_CACHE_DIR", str(tmp_path / "cache"))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def _small(monkeypatch):
    for place in ("flat", "stored"):
        monkeypatch.setattr(f"allcell.slides.readers.{place}.IN_MEMORY_PX", SMALL)
    monkeypatch.setattr("allcell.slides.opening._MOST_COARSEST_PX", SMALL)


def png(path: Path, image: np.ndarray) -> None:
    path.write_bytes(bytes(imagecodecs.png_encode(image, level=1)))


def jpeg(path: Path, image: np.ndarray) -> None:
    path.write_bytes(bytes(imagecodecs.jpeg8_encode(image, level=98, subsampling="444")))


def alpha(path: Path, image: np.ndarray) -> None:
    png(path, np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]))


def grey(path: Path, image: np.ndarray) -> None:
    png(path, np.ascontiguousarray(image[..., 0]))


def one_strip(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, photometric="rgb", metadata=None)


def tiles(path: Path, image: np.ndarray) -> None:
    um = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    write_tiff(path, image, (), compression="lzw", **um)


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "mpp", "most"),
    [
        pytest.param(png, None, 0, id="PNG"),
        pytest.param(alpha, None, 0, id="PNG with alpha"),
        pytest.param(grey, None, 0, id="grey PNG"),
        pytest.param(jpeg, None, 15, id="JPEG"),
        pytest.param(one_strip, None, 0, id="TIFF in one strip"),
        pytest.param(tiles, 0.5, 0, id="TIFF in tiles"),
    ],
)
def test_a_copy_is_the_picture(tmp_path, write, mpp, most):
    """44 million pixels: above the true limit."""
    image = np.tile(picture(2001, 1500), (4, 4, 1))[:5511]
    path = tmp_path / "a.tif"
    write(path, image)
    if write is grey:
        image = np.dstack([image[..., 0]] * 3)
    assert needs_pyramid(path)
    seen: list[float] = []
    make_pyramid(path, seen.append)
    assert seen[-1] == 1
    assert seen == sorted(seen)
    assert not needs_pyramid(path)
    slide = open_slide(path)
    assert slide.name == "a.tif"
    assert slide.size_px == (8004, 5511)
    assert slide.mpp == (mpp and pytest.approx(mpp))
    assert [level.downsample for level in slide.levels] == [1, 2, 4, 8]
    part = slide.read(1900, 1400, 700, 500)
    assert np.abs(part.astype(int) - image[1400:1900, 1900:2600]).max() <= most
    half = cv2.resize(image[:5510], (4002, 2755), interpolation=cv2.INTER_AREA)
    last = slide.read(3800, 2600, 300, 300, 1)
    assert np.abs(last[:155, :202].astype(int) - half[2600:, 3800:]).max() <= max(1, most)
    assert (last[155:] == 255).all()
    held = sum(file.stat().st_size for file in copies.copies_folder().rglob("*"))
    assert held == pytest.approx(pyramid_bytes(path), rel=0.02)
    slide.close()


@pytest.mark.child
@pytest.mark.slow
def test_400_megapixels_in_one_level_keep_the_server_small(tmp_path):
    """A server that opens, copies and shows such a picture, and what it and its child took."""
    (tmp_path / "a.jpg").write_bytes(flat_jpeg(20_000, 20_000))
    script = (
        "import sys, resource, numpy as np\nfrom pathlib import Path\n"
        "from allcell.errors import NeedsPyramid\n"
        "from allcell.slides.opening import open_slide\n"
        "from allcell.slides.pyramids import make_pyramid\n"
        "from allcell.slides.reading import read_scaled, thumbnail\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "path = Path(sys.argv[1])\n"
        "try:\n    open_slide(path)\nexcept NeedsPyramid:\n    pass\n"
        "make_pyramid(path)\nslide = open_slide(path)\n"
        "assert (thumbnail(slide, 500) == 128).all()\n"
        "assert (read_scaled(slide, 19_000, 19_000, 900, 900, 0.7) == 128).all()\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024)\n"
    )
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip("no room on the disk")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.jpg")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 150


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_a_changed_picture_has_no_copy(tmp_path):
    path = tmp_path / "a.png"
    png(path, picture(1400, 900))
    make_pyramid(path)
    os.utime(path, (1, 1))
    assert needs_pyramid(path)


@pytest.mark.child
@pytest.mark.slow
def test_a_copy_can_be_stopped_and_leaves_nothing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(flat_jpeg(16_000, 16_000))
    started = time.monotonic()
    with pytest.raises(SlideError, match="was stopped"):
        make_pyramid(tmp_path / "a.jpg", stop=lambda: True)
    assert time.monotonic() - started < 30
    assert list(copies.copies_folder().iterdir()) == []


@pytest.mark.child
@pytest.mark.slow
def test_a_damaged_picture_leaves_no_copy(tmp_path):
    content = bytearray(flat_jpeg(8000, 8000))
    tables = content.index(b"\xff\xc4") + 4
    content[tables : tables + 17] = b"\x00" + b"\xff" * 16
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(SlideError, match="damaged"):
        make_pyramid(tmp_path / "a.jpg")
    assert list(copies.copies_folder().iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(flat_jpeg(16_000, 16_000))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 10**9))
    with pytest.raises(SlideError, match=r"needs 1\.0 GB .* 1\.0 GB are free"):
        make_pyramid(tmp_path / "a.jpg")


def test_half_a_copy_is_none(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(flat_jpeg(16_000, 16_000))
    folder = copies.make_room(path, 16_000, 16_000)
    copies.level_file(folder, 0).write_bytes(bytes(1000))
    with pytest.raises(NeedsPyramid):
        open_slide(path)
    copies.finish(folder, 16_000, 16_000, None)
    with pytest.raises(NeedsPyramid):
        open_slide(path)
    assert not folder.exists()


def test_only_a_few_copies_are_kept(tmp_path):
    kept = []
    for n in range(copies.MOST_COPIES + 2):
        path = tmp_path / f"{n}.jpg"
        path.write_bytes(flat_jpeg(16, 16))
        folder = copies.make_room(path, 16, 16)
        os.utime(folder, (n, n))
        kept.append(folder)
    assert [folder.exists() for folder in kept] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        pytest.param(lambda p: p.write_bytes(flat_jpeg(8000, 8000)), True, id="flat JPEG"),
        pytest.param(lambda p: write_tiff(p, picture()), False, id="pyramid"),
        pytest.param(lambda p: write_shared(p, [(30_000, 20_000)]), True, id="tiles, one level"),
        pytest.param(lambda p: p.write_bytes(flat_jpeg(800, 800)), False, id="small"),
    ],
)
def test_what_needs_a_copy(tmp_path, write, expected):
    write(tmp_path / "a.tif")
    assert needs_pyramid(tmp_path / "a.tif") is expected
