"""Slides that are broken, lie, are too large or change: a clear message and bounded memory."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from allcell.errors import NeedsPyramid, SlideError
from allcell.slides.opening import open_slide
from allcell.slides.reading import thumbnail
from tests.slide_files import (
    flat_jpeg,
    picture,
    with_tag,
    write_aperio,
    write_dicom,
    write_shared,
    write_tiff,
)

IMAGE = picture()


def cut(share: float) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        write_tiff(path, IMAGE, compression="lzw")
        os.truncate(path, int(share * path.stat().st_size))
        return path

    return write


def no_directory(path: Path) -> Path:
    """The list of pages is at the end of such a file."""
    write_shared(path, [(4000, 3000), (1000, 750)])
    os.truncate(path, path.stat().st_size // 2)
    return path


def lying_tile(path: Path) -> Path:
    """A tile of 256 pixels that says of itself that it has 60,000: 10 GB, were it decoded."""
    jpeg = flat_jpeg(256, 256)
    frame = jpeg.index(b"\xff\xc0") + 5
    lie = jpeg[:frame] + (60_000).to_bytes(2) * 2 + jpeg[frame + 4 :]
    write_tiff(path, IMAGE, (2,))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        middle = len(page.dataoffsets) // 2 + 1
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as file:
        for offset, size in places[:middle] + places[middle:]:
            file.seek(offset)
            file.write(lie[:size].ljust(size, b"\0"))
    return path


def deep(path: Path) -> Path:
    with tifffile.TiffWriter(path) as file:
        for n in (1, 2):
            file.write(IMAGE[::n, ::n].astype(np.uint16), tile=(256, 256), photometric="rgb")
    return path


def in_channels(path: Path) -> Path:
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(
            np.ascontiguousarray(IMAGE.transpose(2, 0, 1)),
            tile=(256, 256),
            photometric="minisblack",
            metadata={"axes": "CYX"},
        )
    return path


def progressive(path: Path) -> Path:
    jpeg = bytearray(flat_jpeg(16_000, 16_000)[:2000])
    jpeg[jpeg.index(b"\xff\xc0") + 1] = 0xC2
    path.write_bytes(bytes(jpeg))
    return path


def short_jpeg(path: Path) -> Path:
    path.write_bytes(flat_jpeg(16_000, 16_000)[:2_000_000])
    return path


def written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


WIDTH, TILE_WIDTH, BYTE_COUNTS = 256, 322, 325
BAD = [
    pytest.param(cut(0.6), "ends early: .* tiles", id="truncated"),
    pytest.param(cut(0.01), "ends early|list of pages", id="truncated within its beginning"),
    pytest.param(no_directory, "no picture|list of pages", id="truncated, pages at the end"),
    pytest.param(
        lambda p: with_tag(write_tiff(p, IMAGE), 0, WIDTH, 90_000),
        "contradicts itself: 90,000 x 1,100 pixels are 1,760 tiles, and it lists 30",
        id="says that it is wider",
    ),
    pytest.param(
        lambda p: with_tag(write_tiff(p, IMAGE), 0, TILE_WIDTH, 1_000_000),
        "pieces of 1,000,000 x 256 pixels",
        id="says that its tiles are larger",
    ),
    pytest.param(lying_tile, "damaged here", id="a tile says that it is larger"),
    pytest.param(
        lambda p: write_shared(p, [(200_000, 200_000), (100_000, 100_000), (12_500, 12_500)]),
        "200,000 x 200,000 pixels; at most 25.0 thousand million",
        id="200,000 x 200,000 pixels",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        lambda p: write_shared(p, [(60_000, 40_000), (2000, 1333)]),
        "no smaller copies of itself, or too few",
        id="the levels in between are missing",
    ),
    pytest.param(
        lambda p: write_shared(p, [(60_000, 40_000)]), "no smaller copies", id="no levels at all"
    ),
    pytest.param(deep, "16 bits a colour", id="16 bits"),
    pytest.param(in_channels, "channels or planes in pages of their own", id="channels apart"),
    pytest.param(
        lambda p: write_tiff(p, IMAGE, compression="webp", compressionargs={"level": 90}),
        "compressed in a way that cannot be read: WEBP",
        id="an unusual compression",
    ),
    pytest.param(written(flat_jpeg(20_000, 20_000)), "20,000 x 20,000 .* no smaller", id="JPEG"),
    pytest.param(short_jpeg, "ends early", id="JPEG that was cut off"),
    pytest.param(progressive, "progressive JPEG of 256 million", id="progressive JPEG"),
    pytest.param(written(b""), "empty|damaged|not a picture", id="empty"),
    pytest.param(written(b"II*\0" + b"\xff" * 40), "no picture|list of pages", id="only a start"),
    pytest.param(written(b"hello, this is a text"), "is a text file", id="text"),
    pytest.param(written(b"\xff\xd8\xff" + b"\xe0" * 3000), "damaged", id="JPEG of nonsense"),
]


@pytest.mark.parametrize(("write", "message"), BAD)
def test_a_bad_slide_is_refused_in_a_sentence(tmp_path, write, message):
    with pytest.raises(SlideError, match=message) as caught:
        open_slide(write(tmp_path / "a.tif"), "bad.tif")
    assert "'bad.tif'" in caught.value.message
    assert caught.value.remedy
    assert str(tmp_path) not in str(caught.value)


def test_a_large_flat_picture_is_told_from_a_broken_one(tmp_path):
    (tmp_path / "a.jpg").write_bytes(flat_jpeg(20_000, 20_000))
    with pytest.raises(NeedsPyramid, match=r"1\.6 GB"):
        open_slide(tmp_path / "a.jpg")


@pytest.mark.child
@pytest.mark.slow
def test_bad_slides_take_no_memory(tmp_path):
    """All of them in one process, whose memory at most is asked for in the end."""
    names = []
    for n, case in enumerate(BAD):
        path = tmp_path / f"{n}.tif"
        case.values[0](path)
        names.append(str(path))
    script = (
        "import sys, resource\nfrom pathlib import Path\nfrom allcell.errors import SlideError\n"
        "from allcell.slides.opening import open_slide\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        open_slide(Path(name))\n"
        "    except SlideError:\n        pass\n"
        "    else:\n        raise SystemExit(name)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, check=True
    )
    # The list of 600,000 tiles of the largest takes most of it.
    assert float(done.stdout) < 250


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda p: write_tiff(p, IMAGE, (8,)), id="not there"),
        pytest.param(lambda p: with_tag(write_tiff(p, IMAGE, (2, 8)), 1, WIDTH, 7), id="damaged"),
    ],
)
def test_a_missing_level_in_between_is_no_matter(tmp_path, write):
    slide = open_slide(write(tmp_path / "a.tif"))
    assert [level.downsample for level in slide.levels] == [1, 8]
    assert thumbnail(slide, 300).shape == (220, 300, 3)


def test_tiles_that_were_not_stored_are_empty_glass(tmp_path):
    path = write_tiff(tmp_path / "a.tif", IMAGE, compression="lzw")
    with tifffile.TiffFile(path, mode="r+b") as file:
        counts = list(file.pages[0].databytecounts)
        counts[0] = 0
        file.pages[0].tags[BYTE_COUNTS].overwrite(counts)
    slide = open_slide(path)
    part = slide.read(200, 0, 100, 100)
    assert (part[:, :56] == 255).all()
    assert np.array_equal(part[:, 56:], IMAGE[:100, 256:300])


def test_damage_in_one_place_leaves_the_others(tmp_path):
    path = write_tiff(tmp_path / "a.tif", IMAGE, compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\x55" * size)
    slide = open_slide(path)
    with pytest.raises(SlideError, match="damaged here"):
        slide.read(0, 0, 100, 100)
    assert np.array_equal(slide.read(300, 300, 100, 100), IMAGE[300:400, 300:400])


def replaced(path: Path) -> None:
    other = write_tiff(path.with_name("other.tif"), IMAGE[::-1].copy())
    os.replace(other, path)


def rewritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:1000] + bytes(1000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(Path.unlink, "deleted or moved", id="deleted"),
        pytest.param(lambda p: p.rename(p.with_name("b.tif")), "deleted or moved", id="moved"),
        pytest.param(replaced, "was changed since", id="replaced"),
        pytest.param(rewritten, "was changed since", id="written to"),
        pytest.param(lambda p: os.truncate(p, 5000), "was changed since", id="cut off"),
    ],
)
@pytest.mark.parametrize("kind", ["tiff", "copy"])
def test_a_file_that_changes_while_it_is_open(tmp_path, monkeypatch, change, message, kind):
    from allcell.slides import copies

    path = write_tiff(tmp_path / "a.tif", IMAGE)
    slide = open_slide(path)
    if kind == "copy":
        from allcell.slides.files import SlideFile

        folder = tmp_path / "copy"
        folder.mkdir()
        for level, (width, height) in enumerate(copies.sizes_of(1500, 1100)):
            copies.level_file(folder, level).write_bytes(bytes(3 * width * height))
        copies.finish(folder, 1500, 1100, None)
        slide = copies.CopiedSlide(SlideFile(path), folder)
    slide.read(0, 0, 50, 50)
    change(path)
    with pytest.raises(SlideError, match=message):
        slide.read(0, 0, 50, 50)  # in memory or not
    with pytest.raises(SlideError, match=message):
        slide.read(700, 700, 50, 50)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda p: p, "no file 'a.tif'", id="nothing there"),
        pytest.param(folder, "is a folder", id="a folder"),
        pytest.param(lambda p: p / "b", "no file|cannot be opened", id="below nothing"),
        pytest.param(lambda p: Path(f"{p}\0"), "cannot be opened", id="a name that cannot be"),
        pytest.param(
            lambda p: os.mkfifo(p) or p,
            "not an ordinary file",
            id="a pipe that nobody writes to",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes"),
        ),
    ],
)
def test_what_is_no_file(tmp_path, make, message):
    with pytest.raises(SlideError, match=message):
        open_slide(make(tmp_path / "a.tif"))


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "message"),
    [
        pytest.param(0.02, "OpenSlide cannot open it|damaged", id="cut off in its header"),
        pytest.param(0.5, "OpenSlide cannot open it|damaged", id="cut off in the middle"),
    ],
)
def test_a_bad_slide_of_openslides_is_tried_apart(tmp_path, share, message):
    pytest.importorskip("openslide")
    path = write_dicom(tmp_path / "slide", IMAGE, (1,))
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(SlideError, match=message):
        open_slide(path)


def test_without_openslide_a_scanners_slide_says_what_to_install(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "slide", IMAGE, (1,))
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(SlideError, match="OpenSlide") as caught:
        open_slide(path)
    assert "pip install" in caught.value.remedy


@pytest.mark.parametrize("kind", ["shared", "aperio"])
def test_flipped_bytes_never_raise_anything_else(tmp_path, kind):
    path, broken = tmp_path / "a.tif", tmp_path / "b.tif"
    if kind == "shared":
        write_shared(path, [(1000, 700), (500, 350)])
    else:
        write_aperio(path, picture(600, 500))
    whole = path.read_bytes()
    head = len(whole) - 1500 if kind == "shared" else 0
    for seed in range(60):
        draw = random.Random(seed)
        content = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 8])):
            content[draw.randrange(head, len(whole))] = draw.choice([0, 255, draw.randrange(256)])
        broken.write_bytes(content)
        try:
            slide = open_slide(broken)
            thumbnail(slide, 100)
            slide.read(0, 0, 500, 500)
            slide.close()
        except SlideError:
            continue


def test_a_slide_may_be_removed_while_nobody_closes_it(tmp_path):
    slide = open_slide(write_tiff(tmp_path / "a.tif", IMAGE))
    slide.close()
    slide.close()
    shutil.rmtree(tmp_path)
    assert not tmp_path.exists()
