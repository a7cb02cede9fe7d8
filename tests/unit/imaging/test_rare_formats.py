"""Pictures in rare encodings: read to the right values, or named for what they are."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from pydicom import dcmread, uid
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from allcell.errors import ImageError
from allcell.formats.pixels import depth_in_use
from allcell.formats.sizes import jpeg2000_size, jpegxl_size
from allcell.imaging.images import Limits, decode, note, size_px
from tests.picture_files import (
    DEEP,
    GREY,
    GREY_RGB,
    HEIC,
    HEIC_TURNED,
    RGB,
    Array,
    dicom,
    pil,
    png_16,
    tiff,
)

LIMITS = Limits(max_bytes=20 * 2**20, max_pixels=4_000_000, max_images=3)
TWELVE = np.rint(RGB * (4095 / 255)).astype(np.uint16)
PAGES = np.ascontiguousarray(RGB.transpose(2, 0, 1))


def with_bar(samples: Array) -> Array:
    """A scale bar, white for the file and not for the sensor, as microscopes burn it in."""
    marked = samples.copy()
    marked[-4:-2, -20:-4] = 65535
    return marked


def middle(image: Array) -> Array:
    """What a scale bar leaves of the field."""
    return image[: -len(image) // 8]


def without_adobe(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4]) :]


def without_jfif(data: bytes) -> bytes:
    return data[:2] + data[4 + int.from_bytes(data[4:6]) :]


def lab_tiff() -> bytes:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(Image.fromarray(RGB), srgb, lab, outputMode="LAB")
    assert picture is not None
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF")
    return buffer.getvalue()


def inks() -> bytes:
    """A CMYK JPEG whose inks are not inverted and that does not claim to be Adobe's."""
    cmyk = np.asarray(Image.fromarray(RGB).convert("CMYK"))
    buffer = io.BytesIO()
    # Pillow inverts them while it writes, as Adobe does.
    Image.fromarray(255 - cmyk, "CMYK").save(buffer, "JPEG", quality=97)
    return without_adobe(buffer.getvalue())


def pages(*each: Array, **options: object) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as target:
        for page in each:
            photometric = "rgb" if page.ndim == 3 else "minisblack"
            target.write(page, photometric=photometric, metadata=None, **options)
    return buffer.getvalue()


def channels(stack: Array, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, stack, photometric="minisblack", **options)
    return buffer.getvalue()


def table(*primaries: int) -> Array:
    """A lookup table of ImageJ for a channel of that colour."""
    lut = np.zeros((3, 256), np.uint8)
    lut[list(primaries)] = np.arange(256, dtype=np.uint8)
    return lut


def no_meta(implicit: bool) -> bytes:
    """A DICOM file that begins with its data, as some old programs write them."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, implicit
    write_dataset(stream, dcmread(io.BytesIO(dicom(RGB))))
    return bytes(stream.getvalue())


STORED_12 = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
GREY_12 = np.ascontiguousarray(TWELVE[..., 0])
JPEG_RGB = imagecodecs.jpeg8_encode(RGB, level=98, colorspace="RGB", outcolorspace="RGB")
JPEG_YCBCR = pil(RGB, "JPEG", quality=97, subsampling=0)
LOSSLESS = imagecodecs.jpeg8_encode(RGB, lossless=True)
OME = {"ome": True, "metadata": {"axes": "CYX"}}
COMPOSITE = {"axes": "CYX", "mode": "composite"}

#: What was read wrongly or called damaged before: (file, the right values).
READ: dict[str, tuple[bytes, Array]] = {
    "12 bits in a 16-bit TIFF": (tiff(TWELVE), RGB),
    "tiff jpeg 2000": (tiff(RGB, compression="jpeg2000"), RGB),
    "tiff jpeg 2000, tiles": (tiff(RGB, compression="jpeg2000", tile=(32, 32)), RGB),
    "tiff webp": (tiff(RGB, compression="webp"), RGB),
    "tiff jpeg xl": (tiff(RGB, compression="jpegxl"), RGB),
    "tiff jpeg, lossless": (
        tiff(RGB, compression="jpeg", compressionargs={"lossless": True}),
        RGB,
    ),
    "tiff packed 12 bit": (tiff(TWELVE, bitspersample=12), RGB),
    "tiff packed 12 bit grey": (tiff(GREY_12, bitspersample=12), GREY_RGB),
    "tiff 16-bit lzw": (tiff(DEEP, compression="lzw", predictor=2), RGB),
    "tiff 16-bit zstandard": (tiff(DEEP, compression="zstd"), RGB),
    "tiff 16-bit jpeg 2000": (tiff(DEEP, compression="jpeg2000"), RGB),
    "tiff int16": (tiff(RGB.astype(np.int16) * 128 + RGB.astype(np.int16) // 2), RGB),
    "tiff int16 of 12 bits": (tiff(TWELVE.astype(np.int16)), RGB),
    "tiff float": (tiff(RGB.astype(np.float32) / 255), RGB),
    "tiff double, grey": (tiff(GREY / 255.0), GREY_RGB),
    "tiff lab": (lab_tiff(), RGB),
    "tiff of two samples": (
        tiff(np.dstack([255 - GREY, GREY]), photometric="miniswhite", planarconfig="contig"),
        GREY_RGB,
    ),
    "tiff of three samples, not called rgb": (
        tiff(RGB, photometric="minisblack", planarconfig="contig"),
        RGB,
    ),
    "jpeg lossless": (LOSSLESS, RGB),
    "jpeg-ls": (imagecodecs.jpegls_encode(RGB), RGB),
    "jpeg lossless 16 bit": (
        imagecodecs.jpeg8_encode(DEEP, lossless=True, bitspersample=16),
        RGB,
    ),
    "jpeg 12 bit": (imagecodecs.jpeg8_encode(TWELVE, bitspersample=12, level=99), RGB),
    "jpeg of inks without adobe's mark": (inks(), RGB),
    "jpeg of inks, adobe's": (pil(RGB, "JPEG", "CMYK", quality=97), RGB),
    "heic": (HEIC, RGB),
    "heic on its side": (HEIC_TURNED, np.rot90(RGB, -1)),
    "ome, a page a channel": (channels(PAGES, **OME), RGB),
    "ome, 12 bits": (channels(np.ascontiguousarray(TWELVE.transpose(2, 0, 1)), **OME), RGB),
    "ome, named the other way round": (
        channels(
            PAGES[::-1],
            ome=True,
            metadata={"axes": "CYX", "Channel": {"Name": ["Blue", "Green", "Red"]}},
        ),
        RGB,
    ),
    "ome, coloured the other way round": (
        channels(
            PAGES[::-1],
            ome=True,
            metadata={"axes": "CYX", "Channel": {"Color": [0xFFFF, 0xFF00FF, -16776961]}},
        ),
        RGB,
    ),
    "imagej composite": (channels(PAGES, imagej=True, metadata=COMPOSITE), RGB),
    "imagej composite, coloured the other way round": (
        channels(
            PAGES[::-1],
            imagej=True,
            metadata=COMPOSITE | {"LUTs": [table(2), table(1), table(0)]},
        ),
        RGB,
    ),
    "dicom grey, 12 of 16 bits unsaid": (dicom(GREY_12, "MONOCHROME2"), GREY_RGB),
    "dicom colour, 12 of 16 bits unsaid": (dicom(TWELVE), RGB),
    "dicom ycbcr jpeg called rgb": (dicom(JPEG_YCBCR, "RGB", uid.JPEGBaseline8Bit), RGB),
    "dicom ycbcr jpeg without jfif called rgb": (
        dicom(without_jfif(pil(RGB, "JPEG", quality=97)), "RGB", uid.JPEGBaseline8Bit),
        RGB,
    ),
    "dicom rgb jpeg called ybr": (dicom(JPEG_RGB, "YBR_FULL_422", uid.JPEGBaseline8Bit), RGB),
    "dicom rgb jpeg": (dicom(JPEG_RGB, "RGB", uid.JPEGBaseline8Bit), RGB),
    "dicom lossless .70": (dicom(LOSSLESS, "RGB", uid.JPEGLosslessSV1), RGB),
    "dicom lossless .57, grey, 12 bit": (
        dicom(
            imagecodecs.ljpeg_encode(GREY_12, bitspersample=12),
            *("MONOCHROME2", uid.JPEGLossless),
            **STORED_12,
        ),
        GREY_RGB,
    ),
    "dicom jpeg-ls": (dicom(imagecodecs.jpegls_encode(RGB), "RGB", uid.JPEGLSLossless), RGB),
    "dicom 12-bit jpeg": (
        dicom(
            imagecodecs.jpeg8_encode(GREY_12, bitspersample=12, level=99),
            *("MONOCHROME2", uid.JPEGExtended12Bit),
            **STORED_12,
        ),
        GREY_RGB,
    ),
    "dicom jpeg 2000": (
        dicom(
            imagecodecs.jpeg2k_encode(RGB, level=0, codecformat="j2k"),
            *("YBR_RCT", uid.JPEG2000Lossless),
        ),
        RGB,
    ),
    "dicom without preamble": (dicom(RGB)[132:], RGB),
    "dicom of data alone": (no_meta(implicit=False), RGB),
    "dicom of data alone, implicit": (no_meta(implicit=True), RGB),
}


@pytest.mark.parametrize(("data", "expected"), READ.values(), ids=READ.keys())
def test_rare_encodings_have_the_right_values(data: bytes, expected: Array) -> None:
    image = decode(data, name="field.jpg", limits=LIMITS)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 1.5
    assert size_px(data, limits=LIMITS) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tiff(with_bar(TWELVE)), id="tiff"),
        pytest.param(png_16(with_bar(TWELVE)), id="png"),
        pytest.param(tiff(with_bar(GREY_12)), id="grey tiff"),
        pytest.param(png_16(with_bar(GREY_12)), id="grey png"),
        pytest.param(
            tiff(with_bar(TWELVE), extratags=[(281, 3, 3, (4095,) * 3, True)]), id="said by a tag"
        ),
        pytest.param(dicom(with_bar(GREY_12), "MONOCHROME2"), id="dicom"),
        pytest.param(dicom(with_bar(TWELVE)), id="dicom in colour"),
        pytest.param(tiff(with_bar(DEEP)), id="16 bits, all in use"),
        pytest.param(tiff(with_bar(TWELVE * 16)), id="12 bits, moved up"),
    ],
)
def test_a_burnt_in_scale_bar_darkens_nothing(data: bytes) -> None:
    image = decode(data, limits=LIMITS)
    expected = GREY_RGB if np.all(image[..., 0] == image[..., 1]) else RGB
    assert np.abs(middle(image).astype(int) - middle(expected)).max() <= 1
    assert np.all(image[-3, -10] == 255)


@pytest.mark.parametrize(
    ("samples", "stated", "bits"),
    [
        pytest.param([900] * 199_999 + [60_000], None, 10, id="a hot pixel"),
        pytest.param([900] * 999 + [60_000], None, 16, id="too few samples to tell"),
        pytest.param([900] * 970 + [65535] * 20 + [30_000] * 10, None, 10, id="smooth text"),
        pytest.param([900] * 970 + [30_000] * 30, None, 16, id="bright, but not white"),
        pytest.param([900] * 900 + [65535] * 100, None, 16, id="too much for a scale bar"),
        pytest.param([900] * 1000, 4095, 12, id="a dark picture of a stated depth"),
        pytest.param([900] * 1000, 65535, 10, id="all bits are always stated"),
        pytest.param([900] * 900 + [9000] * 100, 4095, 14, id="stated, and not true"),
    ],
)
def test_depth(samples: list[int], stated: int | None, bits: int) -> None:
    assert depth_in_use(np.array(samples, np.uint16), stated) == bits


#: What is intact and cannot be read: (file, words of the message).
NAMED: dict[str, tuple[bytes, str]] = {
    "tiff jpeg xr": (tiff(RGB, compression="jpegxr"), "cannot be read: JPEGXR"),
    "tiff lerc": (tiff(RGB, compression="lerc"), "cannot be read: LERC"),
    "tiff of negative numbers": (
        tiff(RGB.astype(np.int16) - 100),
        "signed whole numbers of 16 bits, from -",
    ),
    "tiff of floats to 255": (tiff(RGB.astype(np.float32)), "decimal numbers of 32 bits, from"),
    "tiff of no numbers": (tiff(RGB * np.float32("nan")), "from nan to nan"),
    "tiff of 32 bits": (tiff(RGB.astype(np.uint32)), "numbers of 32 bits"),
    "two channels": (channels(PAGES[:2], **OME), "2 channels in pages of their own"),
    "a stack in colour": (
        channels(np.stack([PAGES, PAGES]), ome=True, metadata={"axes": "ZCYX"}),
        "a stack of 6 planes",
    ),
    "colours of fluorescence": (
        channels(
            PAGES,
            imagej=True,
            metadata=COMPOSITE | {"LUTs": [table(1, 2), table(0, 2), table(0, 1)]},
        ),
        "colours are not red, green and blue",
    ),
    "dicom jpeg xl": (
        dicom(RGB).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4X"),
        "cannot be read: an unknown transfer syntax",
    ),
}


@pytest.mark.parametrize(("data", "message"), NAMED.values(), ids=NAMED.keys())
def test_what_is_intact_is_not_called_damaged(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, limits=LIMITS)
    assert "damaged" not in str(caught.value)
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize(
    ("data", "said", "expected"),
    [
        pytest.param(tiff(RGB), "", RGB, id="one page"),
        pytest.param(pil(RGB, "PNG"), "", RGB, id="no pages"),
        pytest.param(pages(RGB, 255 - RGB, RGB), "page 1 of 3 in the file.", RGB, id="three"),
        pytest.param(pages(GREY, 255 - GREY), "page 1 of 2", GREY_RGB, id="two, grey"),
        pytest.param(
            pages(RGB[:20, :24], RGB), "page 2 of 2 in the file, the largest.", RGB, id="a label"
        ),
        pytest.param(
            pages(RGB[:20, :24], DEEP, compression="lzw"), "page 2 of 2", RGB, id="a label, deep"
        ),
        pytest.param(pages(RGB, RGB[::2, ::2]), "page 1 of 2", RGB, id="a smaller copy"),
        pytest.param(pages(*[RGB] * 80), "page 1 of 64 or more", RGB, id="a film"),
        pytest.param(channels(PAGES, **OME), "", RGB, id="channels of one picture"),
    ],
)
def test_the_page_that_was_read_is_said(data: bytes, said: str, expected: Array) -> None:
    assert np.array_equal(decode(data, limits=LIMITS), expected)
    assert said in note(data)
    assert bool(said) == bool(note(data))


@pytest.mark.parametrize("kind", ["jpeg2000", "webp", "jpegxl", "lzw", "zstd"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_tiff_is_damaged(kind: str, part: float) -> None:
    noisy = np.random.default_rng(5).integers(0, 65536, (64, 64, 3)).astype(np.uint16)
    data = tiff(noisy if kind != "webp" else noisy.astype(np.uint8), compression=kind)
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: int(part * len(data))], limits=LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(imagecodecs.jpeg8_encode(TWELVE, bitspersample=12), id="12 bit"),
        pytest.param(LOSSLESS, id="lossless"),
    ],
)
def test_a_rare_jpeg_that_was_cut_and_closed_is_damaged(data: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: int(0.8 * len(data))].rstrip(b"\xff") + b"\xff\xd9", limits=LIMITS)


def put(data: bytearray, tag: tifffile.TiffTag, value: int) -> None:
    """Overwrite a tag of one number."""
    size = {3: 2, 4: 4}[int(tag.dtype)]
    data[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")


@pytest.mark.parametrize("kind", ["jpeg2000", "jpegxl", "webp"])
def test_a_strip_may_not_be_larger_than_the_picture(kind: str) -> None:
    data, large = tiff(RGB, compression=kind), tiff(np.tile(RGB, (2, 2, 1)), compression=kind)
    with tifffile.TiffFile(io.BytesIO(large)) as tif:
        start, count = tif.pages.first.dataoffsets[0], tif.pages.first.databytecounts[0]
    changed = bytearray(data + large[start : start + count])
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        put(changed, tif.pages.first.tags[273], len(data))
        put(changed, tif.pages.first.tags[279], count)
    with pytest.raises(ImageError, match="damaged"):
        decode(bytes(changed), limits=LIMITS)


@pytest.mark.parametrize(("width", "height"), [(48, 64), (64, 64), (300, 225), (1000, 37)])
def test_sizes_of_coded_pictures(width: int, height: int) -> None:
    grey = np.zeros((height, width), np.uint8)
    assert jpeg2000_size(imagecodecs.jpeg2k_encode(grey, level=0)) == (width, height)
    for container in (False, True):
        coded = imagecodecs.jpegxl_encode(grey, usecontainer=container)
        assert jpegxl_size(coded) == (width, height)


def test_a_large_picture_within_the_limits_warns_of_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 9_000)).save(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        size_px(path, limits=Limits(2**20, 100_000_000, 1))
        with pytest.raises(ImageError, match="at most 80"):
            decode(path, limits=Limits(2**20, 80_000_000, 1))
    assert not caught
