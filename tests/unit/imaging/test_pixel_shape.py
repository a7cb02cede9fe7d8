"""What files say of the shape of their pixels: the models know cells that are as wide as high."""

import zlib

import pytest

from allcell.analysis import file_cautions
from allcell.imaging.images import pixel_stretch
from tests.picture_files import RGB, dicom, pil, tiff


def jpeg(x: int, y: int, unit: int = 1) -> bytes:
    data = pil(RGB, "JPEG")
    at = data.index(b"JFIF\0") + 7
    return data[:at] + bytes([unit]) + x.to_bytes(2) + y.to_bytes(2) + data[at + 5 :]


def png(x: int, y: int, unit: int = 1) -> bytes:
    data = pil(RGB, "PNG")
    chunk = b"pHYs" + x.to_bytes(4) + y.to_bytes(4) + bytes([unit])
    whole = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    # Behind the header, which is the first chunk.
    return data[:33] + whole + data[33:]


def bmp(x: int, y: int) -> bytes:
    data = pil(RGB, "BMP")
    return data[:38] + x.to_bytes(4, "little") + y.to_bytes(4, "little") + data[46:]


def tiff_of(x: float, y: float, unit: str = "inch") -> bytes:
    return tiff(RGB, resolution=(x, y), resolutionunit=unit)


DICOM = dicom(RGB, "RGB")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(jpeg(100, 150), 1.5, id="JFIF, by the inch"),
        pytest.param(jpeg(2, 1, unit=0), 2, id="JFIF, a ratio alone"),
        pytest.param(png(3780, 5670), 1.5, id="PNG, by the metre"),
        pytest.param(png(1, 2, unit=0), 2, id="PNG, a ratio alone"),
        pytest.param(bmp(3780, 5670), 1.5, id="BMP"),
        pytest.param(tiff_of(204, 98), 2.08, id="TIFF, as a fax"),
        pytest.param(tiff_of(3, 2, "none"), 1.5, id="TIFF, a ratio alone"),
        pytest.param(dicom(RGB, "RGB", PixelAspectRatio=["2", "1"]), 2, id="DICOM, a ratio"),
        pytest.param(dicom(RGB, "RGB", PixelSpacing=["0.2", "0.3"]), 1.5, id="DICOM, in mm"),
        pytest.param(jpeg(100, 104), 1, id="within 5 %"),
        pytest.param(jpeg(72, 72), 1, id="square"),
        pytest.param(pil(RGB, "PNG"), 1, id="a PNG that does not say"),
        pytest.param(tiff(RGB), 1, id="a TIFF that does not say"),
        pytest.param(DICOM, 1, id="a DICOM that does not say"),
        pytest.param(pil(RGB, "WebP"), 1, id="a format that cannot say"),
        pytest.param(jpeg(0, 72), 1, id="no density"),
        pytest.param(jpeg(1, 300), 1, id="a density that nothing has"),
        pytest.param(dicom(RGB, "RGB", PixelSpacing=["0", "0.3"]), 1, id="no spacing"),
    ],
)
def test_pixels_that_are_not_square_by_the_files_own_word_are_said(data, expected):
    assert pixel_stretch(data) == pytest.approx(expected, abs=0.005)
    said = [caution for caution in file_cautions(data) if caution.kind == "not_square"]
    assert bool(said) == (expected > 1)
    for caution in said:
        assert f"{expected:.2f} times" in caution.message
        assert "square pixels" in caution.remedy


def test_several_things_are_said_of_one_file():
    kinds = [caution.kind for caution in file_cautions(jpeg(100, 150)[:-2])]
    assert kinds == ["cut_off", "not_square"]


def test_damage_in_what_is_said_leaves_the_picture_readable():
    broken = dicom(RGB, "RGB", PixelSpacing=["0.2", "0.3"]).replace(b"0.2\\0.3", b"x.2\\0.3")
    assert b"x.2" in broken
    assert pixel_stretch(broken) == 1
