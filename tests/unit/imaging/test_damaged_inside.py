"""JPEGs and TIFFs that are damaged in the middle: a decoder gives a whole picture, with a guess."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from allcell.errors import ImageError
from allcell.imaging.images import decode
from allcell.synth import FieldSpec, render

FIELD = render(FieldSpec(320, 240, red_cell_px=28, seed=11, blasts=2)).image
END = b"\xff\xd9"


def jpeg(**how: object) -> bytes:
    """The field as a JPEG file."""
    sink = io.BytesIO()
    Image.fromarray(FIELD).save(sink, "JPEG", quality=92, **how)
    return sink.getvalue()


def with_hole(data: bytes, start: float, length: int) -> bytes:
    """The file with zeros in place of some of its bytes."""
    at = int(start * len(data))
    return data[:at] + bytes(length) + data[at + length :]


def shuffled(data: bytes, start: float, length: int) -> bytes:
    """The file with other bytes in place of some, none of them a marker."""
    at = int(start * len(data))
    noise = np.random.default_rng(3).integers(0, 255, length, np.uint8).tobytes()
    return data[:at] + noise + data[at + length :]


DAMAGED = [
    pytest.param(with_hole(jpeg(restart_marker_rows=1), 0.4, 3000), id="a hole between restarts"),
    pytest.param(with_hole(jpeg(), 0.5, 2000), id="a hole"),
    pytest.param(shuffled(jpeg(), 0.4, 2000), id="other bytes"),
    pytest.param(with_hole(jpeg(progressive=True), 0.6, 2000), id="a hole in a progressive one"),
]


@pytest.mark.parametrize("data", DAMAGED)
def test_a_picture_with_a_guess_in_it_is_refused(
    data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cells lie elsewhere in it, or not at all; nothing of a library's is written meanwhile."""
    with pytest.raises(ImageError, match="damaged"):
        decode(data, name="a.jpg")
    assert capfd.readouterr() == ("", "")


WHOLE = [
    pytest.param(jpeg(), id="usual"),
    pytest.param(jpeg(restart_marker_rows=1), id="restart markers"),
    pytest.param(jpeg(progressive=True), id="progressive"),
    pytest.param(jpeg(subsampling="4:1:1"), id="colours at a quarter"),
    pytest.param(jpeg()[:-2] + 300 * b"\0" + END, id="zeros before the end, as some cameras have"),
    pytest.param(jpeg()[:-2] + 300 * b"\xff" + END, id="fill bytes before the end"),
    pytest.param(jpeg() + b"a thumbnail", id="bytes after the end"),
    pytest.param(
        bytes(imagecodecs.jpeg8_encode(FIELD, level=92, subsampling="440")), id="half the rows"
    ),
]


@pytest.mark.parametrize("data", WHOLE)
def test_an_intact_picture_is_read(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """With the pixels that OpenCV's libjpeg has."""
    found = decode(data, name="a.jpg")
    wanted = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    capfd.readouterr()
    assert np.array_equal(found, wanted)


def test_a_damaged_lzw_tiff_is_refused_without_a_librarys_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """libtiff writes on stderr what it thinks of it, without saying of which file."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIELD, photometric="rgb", compression="lzw", rowsperstrip=16)
    data = path.read_bytes()
    assert np.array_equal(decode(data, name="a.tif"), FIELD)
    with pytest.raises(ImageError, match="damaged"):
        decode(with_hole(data, 0.5, 512), name="a.tif")
    assert capfd.readouterr() == ("", "")
