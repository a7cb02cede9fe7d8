"""Files whose pixels are all there are read, whatever else is wrong with them."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from pydicom.uid import DeflatedExplicitVRLittleEndian

from allcell.analysis import file_cautions
from allcell.errors import ImageError
from allcell.imaging.images import decode, size_px
from tests.picture_files import DEEP_GREY, GREY_RGB, RGB, dicom, pil, png_16, smear

PNG = pil(RGB, "PNG")
DEEP_PNG = png_16(RGB.astype(np.uint16) * 257)
LARGE = bytes(range(64)) * 24_000
#: Noise fills the coded data up to its last bits.
NOISE = np.random.default_rng(3).integers(0, 256, (61, 83, 3), dtype=np.uint8)


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def with_chunk(added: bytes, data: bytes = PNG, *, last: bool = False) -> bytes:
    at = len(data) - 12 if last else 33
    return data[:at] + added + data[at:]


PROFILE = chunk(b"iCCP", b"scanner\0\0" + zlib.compress(LARGE))
XMP = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LARGE))
ZTXT = chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(LARGE))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_chunk(PROFILE), id="large profile"),
        pytest.param(with_chunk(PROFILE, DEEP_PNG), id="large profile, 16 bit"),
        pytest.param(with_chunk(XMP), id="large compressed iTXt"),
        pytest.param(with_chunk(ZTXT), id="large zTXt"),
        pytest.param(with_chunk(ZTXT, last=True), id="large zTXt behind the pixels"),
        pytest.param(with_chunk(ZTXT + XMP + PROFILE), id="all three"),
        pytest.param(
            with_chunk(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))), id="bomb"
        ),
        pytest.param(with_chunk(chunk(b"tEXt", b"a\0" + LARGE) * 50), id="more text than memory"),
        pytest.param(with_chunk(chunk(b"tEXt", b"a\0bcd", 0)), id="bad CRC of text"),
        pytest.param(with_chunk(chunk(b"iTXt", b"a\0\0\0\0\0b", 0), last=True), id="bad CRC, last"),
        pytest.param(with_chunk(chunk(b"tIME", b"\0" * 7, 0)), id="bad CRC of the time"),
    ],
)
def test_a_png_is_read_without_what_is_not_of_its_pixels(data):
    assert np.array_equal(decode(data), RGB)
    assert size_px(data) == (RGB.shape[1], RGB.shape[0])


def test_small_text_keeps_its_orientation():
    on_its_side = pil(
        RGB,
        "PNG",
        exif=b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    )
    assert decode(with_chunk(ZTXT, on_its_side)).shape == (RGB.shape[1], RGB.shape[0], 3)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG[:29] + b"\0\0\0\0" + PNG[33:], id="CRC of the header"),
        pytest.param(PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], id="bit of the pixels"),
        pytest.param(with_chunk(ZTXT)[:-400], id="cut"),
    ],
)
def test_a_png_with_damaged_pixels_is_refused(data):
    with pytest.raises(ImageError, match="damaged"):
        decode(data)


JPEGS = {
    "baseline": pil(NOISE, "JPEG", quality=95),
    "smooth": pil(smear(), "JPEG"),
    "progressive": pil(NOISE, "JPEG", quality=95, progressive=True),
    "grey": pil(NOISE, "JPEG", "L"),
    "halved": pil(NOISE, "JPEG", subsampling=2),
}


@pytest.mark.parametrize("lacking", [1, 2])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_only_its_end_marker_is_read_and_says_so(kind, lacking):
    data = JPEGS[kind]
    assert np.array_equal(decode(data[:-lacking]), decode(data))
    (said,) = file_cautions(data[:-lacking])
    assert said.kind == "cut_off"
    assert "all pixels are there" in said.message
    assert not file_cautions(data)


@pytest.mark.parametrize("lacking", [5, 12, 200, 2000])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "halved"])
def test_a_jpeg_that_lacks_pixels_is_refused(kind, lacking):
    with pytest.raises(ImageError, match="damaged"):
        decode(JPEGS[kind][:-lacking])


@pytest.mark.parametrize("kind", ["baseline", "smooth", "progressive"])
def test_an_interrupted_copy_filled_with_zeros_is_refused(kind):
    data = JPEGS[kind]
    half = len(data) - 300
    with pytest.raises(ImageError, match="damaged"):
        decode(data[:half] + bytes(5000))


def test_a_progressive_jpeg_without_its_last_scan_is_refused():
    data = JPEGS["progressive"]
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: data.rfind(b"\xff\xda")])


def pages(*pictures: tuple[np.ndarray, int], **options: object) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for picture, kind in pictures:
            file.write(picture, photometric="rgb", subfiletype=kind, metadata=None, **options)
    return buffer.getvalue()


def test_the_field_behind_a_flagged_thumbnail_is_read():
    data = pages((RGB[::4, ::4], 1), (RGB, 0))
    assert np.array_equal(decode(data), RGB)
    (said,) = file_cautions(data)
    assert "page 2 of 2" in said.message


def test_a_thumbnail_before_raw_data_is_refused():
    with pytest.raises(ImageError, match="camera raw"):
        decode(pages((smear(), 1), (smear()[::2, ::2], 1)))


@pytest.mark.parametrize(
    ("pixels", "photometric", "expected"),
    [
        pytest.param(RGB, "RGB", RGB, id="colour"),
        pytest.param(DEEP_GREY, "MONOCHROME2", GREY_RGB, id="16-bit grey"),
    ],
)
def test_deflated_dicom_is_read(pixels, photometric, expected):
    data = dicom(pixels, photometric, DeflatedExplicitVRLittleEndian)
    assert np.array_equal(decode(data), expected)


def test_deflated_dicom_of_far_more_than_its_picture_is_not_inflated():
    data = dicom(
        RGB, syntax=DeflatedExplicitVRLittleEndian, EncapsulatedDocument=bytes(100_000_000)
    )
    tracemalloc.start()
    with pytest.raises(ImageError):
        decode(data)
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def test_damaged_deflated_dicom_is_refused():
    with pytest.raises(ImageError, match="damaged"):
        decode(dicom(RGB, syntax=DeflatedExplicitVRLittleEndian)[:-400])


def test_a_file_that_cannot_be_read_is_told_once(caplog):
    with caplog.at_level("WARNING"), pytest.raises(ImageError, match="damaged"):
        decode(PNG[:200])
    assert not caplog.records
