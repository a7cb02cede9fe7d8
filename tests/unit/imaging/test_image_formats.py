"""The table of image formats: one row is all that a new format needs, and all lists follow it."""

from pathlib import Path

import numpy as np
import pytest

from allcell.errors import ImageError
from allcell.formats.pixels import RGBImage
from allcell.formats.raster import SizeCheck
from allcell.formats.table import (
    IMAGE_FORMATS,
    SUFFIXES,
    SUPPORTED_IN_FULL,
    ImageFormat,
)
from allcell.imaging import images
from allcell.text.words import in_words

HEADS = {
    "JPEG": b"\xff\xd8\xff\xe0",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "BMP": b"BM" + bytes(12) + (40).to_bytes(4, "little"),
    "WebP": b"RIFF\0\0\0\0WEBP",
    "HEIC": b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf",
    "TIFF": b"II*\0",
    "DICOM": bytes(128) + b"DICM",
}


def read_pgm(data: bytes, label: str, check_size: SizeCheck) -> RGBImage:
    """A binary PGM with one value a line in its header."""
    _, width, height, _, pixels = data.split(b"\n", 4)
    check_size(int(width), int(height))
    grey = np.frombuffer(pixels, np.uint8).reshape(int(height), int(width))
    return np.repeat(grey[..., None], 3, axis=2)


PGM = ImageFormat("PGM", (".pgm",), lambda data: data.startswith(b"P5\n"), read_pgm)


@pytest.fixture
def with_pgm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allcell.formats.kinds.IMAGE_FORMATS", (*IMAGE_FORMATS, PGM))


@pytest.mark.usefixtures("with_pgm")
def test_a_new_format_is_one_row() -> None:
    grey = np.arange(40 * 50, dtype=np.uint8).reshape(40, 50)
    data = b"P5\n50\n40\n255\n" + grey.tobytes()
    assert np.array_equal(images.decode(data), np.repeat(grey[..., None], 3, axis=2))
    assert images.size_px(data) == (50, 40)
    with pytest.raises(ImageError, match="cannot be read as PGM"):
        images.decode(data[:-1])
    with pytest.raises(ImageError, match="each side needs at least"):
        images.decode(b"P5\n5\n4\n255\n" + bytes(20))


@pytest.mark.parametrize("known", IMAGE_FORMATS, ids=lambda known: known.name)
def test_a_file_is_of_one_format_only(known: ImageFormat) -> None:
    data = HEADS[known.name] + bytes(200)
    assert [other.name for other in IMAGE_FORMATS if other.recognise(data)] == [known.name]


def test_no_two_formats_share_a_name_or_an_ending() -> None:
    names = [known.name for known in IMAGE_FORMATS]
    assert len(set(names)) == len(names)
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(s == s.lower() and s.startswith(".") for s in SUFFIXES)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["PNG"], "PNG", id="one needs no `or`"),
        pytest.param(["JPEG", "PNG", "TIFF"], "JPEG, PNG or TIFF", id="three"),
    ],
)
def test_names_in_words(names: list[str], text: str) -> None:
    assert in_words(names) == text


def test_what_people_read_follows_the_table() -> None:
    readme = " ".join(Path("README.md").read_text(encoding="utf-8").split())
    assert f"**Images** may be {SUPPORTED_IN_FULL}." in readme
    with pytest.raises(ImageError) as caught:
        images.decode(b"MZ" + bytes(100))
    assert caught.value.remedy == f"Choose a picture of the smear: {images.SUPPORTED}."
