"""allcell.imaging.images: every format, depth and orientation it promises, and every refusal."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image
from pydicom.uid import (
    JPEGBaseline8Bit,
    RLELossless,
)

from allcell.errors import ImageError
from allcell.formats.pixels import depth_in_use, flatten, orient, to_8_bit, to_rgb
from allcell.imaging import images
from allcell.imaging.images import Limits, decode, encode_jpeg, encode_png, size_px
from tests.picture_files import (
    DEEP,
    DEEP_GREY,
    GREY,
    GREY_RGB,
    ON_WHITE,
    OPACITY,
    RGB,
    RGBA,
    Array,
    dicom,
    lzw_16,
    pil,
    png_16,
    save,
    smear,
    tiff,
)

LIMITS = Limits(max_bytes=20 * 2**20, max_pixels=4_000_000, max_images=3)


def palette_dicom() -> bytes:
    levels = np.arange(256, dtype=np.uint16) * 257
    tables: dict[str, object] = {}
    for colour, table in (("Red", levels), ("Green", levels[::-1]), ("Blue", levels // 1285 * 257)):
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    return dicom(GREY, "PALETTE COLOR", **tables)


PLANAR = np.ascontiguousarray(DEEP.transpose(2, 0, 1))
PLANAR_8 = np.ascontiguousarray(RGB.transpose(2, 0, 1))
QUANTISED = Image.fromarray(RGB).quantize(16)
TWELVE_BIT = np.rint(RGB * (4095 / 255)).astype(np.uint16)

EXACT: dict[str, tuple[bytes, Array]] = {
    "png rgb": (pil(RGB, "PNG"), RGB),
    "png grey": (pil(GREY, "PNG"), GREY_RGB),
    "png one bit": (pil(GREY > 200, "PNG"), np.where(GREY_RGB > 200, 255, 0)),
    "png alpha on white": (pil(RGBA, "PNG"), ON_WHITE),
    "png grey alpha": (pil(np.dstack([GREY, np.full_like(GREY, 255)]), "PNG"), GREY_RGB),
    "png palette": (save(QUANTISED, "PNG"), np.asarray(QUANTISED.convert("RGB"))),
    "png 16-bit rgb": (png_16(DEEP), RGB),
    "png 16-bit grey": (png_16(DEEP_GREY), GREY_RGB),
    "png 16-bit rgba": (png_16(np.dstack([DEEP, OPACITY.astype(np.uint16) * 257])), ON_WHITE),
    "png 12-bit camera": (png_16(TWELVE_BIT), RGB),
    "bmp": (pil(RGB, "BMP"), RGB),
    "bmp grey": (pil(GREY, "BMP"), GREY_RGB),
    "bmp with an empty alpha channel": (pil(np.dstack([RGB, 0 * GREY]), "BMP"), RGB),
    "webp lossless": (pil(RGB, "WEBP", lossless=True), RGB),
    "webp alpha": (pil(RGBA, "WEBP", lossless=True, exact=True), ON_WHITE),
    "tiff": (tiff(RGB), RGB),
    "tiff big-endian": (tiff(RGB, byteorder=">"), RGB),
    "tiff bigtiff": (tiff(RGB, bigtiff=True), RGB),
    "tiff planar": (tiff(PLANAR_8, planarconfig="separate"), RGB),
    "tiff tiled deflate": (tiff(RGB, tile=(16, 16), compression="zlib"), RGB),
    "tiff lzw": (pil(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "tiff packbits": (pil(RGB, "TIFF", compression="packbits"), RGB),
    "tiff grey": (tiff(GREY), GREY_RGB),
    "tiff grey, white is zero": (tiff(255 - GREY, photometric="miniswhite"), GREY_RGB),
    "tiff alpha": (tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), ON_WHITE),
    "tiff 16-bit": (tiff(DEEP), RGB),
    "tiff 16-bit big-endian strips": (tiff(DEEP, byteorder=">", rowsperstrip=5), RGB),
    "tiff 16-bit planar": (tiff(PLANAR, planarconfig="separate"), RGB),
    "tiff 16-bit planar deflate": (
        tiff(PLANAR, planarconfig="separate", compression="zlib", predictor=2, tile=(16, 16)),
        RGB,
    ),
    "tiff 16-bit deflate": (tiff(DEEP, compression="zlib", predictor=2), RGB),
    "tiff 16-bit lzw": (lzw_16(DEEP), RGB),
    "tiff 16-bit grey": (tiff(DEEP_GREY), GREY_RGB),
    "tiff 16-bit grey, white is zero": (
        tiff(65535 - DEEP_GREY, photometric="miniswhite", compression="zlib"),
        GREY_RGB,
    ),
    "tiff 16-bit alpha": (
        tiff(
            np.dstack([DEEP, OPACITY.astype(np.uint16) * 257]),
            photometric="rgb",
            extrasamples=["unassalpha"],
        ),
        ON_WHITE,
    ),
    "tiff first of several pages": (
        tiff(np.stack([RGB, 255 - RGB, RGB // 2]), photometric="rgb"),
        RGB,
    ),
    "dicom rgb": (dicom(RGB), RGB),
    "dicom rgb planes": (dicom(PLANAR_8, PlanarConfiguration=1), RGB),
    "dicom run lengths": (dicom(RGB, syntax=RLELossless), RGB),
    "dicom grey": (dicom(GREY, "MONOCHROME2"), GREY_RGB),
    "dicom grey inverted": (dicom(255 - GREY, "MONOCHROME1"), GREY_RGB),
    "dicom 16-bit grey": (dicom(DEEP_GREY, "MONOCHROME2"), GREY_RGB),
    "dicom 12 of 16 bits": (
        dicom(TWELVE_BIT[..., 0], "MONOCHROME2", BitsStored=12, HighBit=11),
        GREY_RGB,
    ),
    "dicom signed grey": (
        dicom(
            (DEEP_GREY.astype(np.int32) - 32768).astype(np.int16),
            "MONOCHROME2",
            PixelRepresentation=1,
        ),
        GREY_RGB,
    ),
    "dicom window": (
        # PS3.3 C.11.2.1.2: 100 to 199 becomes black to white.
        dicom(GREY, "MONOCHROME2", WindowCenter=150, WindowWidth=100),
        np.clip(np.rint((GREY_RGB.astype(float) - 100) * 255 / 99), 0, 255),
    ),
    "dicom palette": (palette_dicom(), np.dstack([GREY, 255 - GREY, GREY // 5])),
}


@pytest.mark.parametrize(("data", "expected"), EXACT.values(), ids=EXACT.keys())
def test_lossless_formats_come_back_exactly(data: bytes, expected: Array) -> None:
    image = decode(data, limits=LIMITS)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert image.shape == RGB.shape
    assert np.abs(image.astype(int) - expected).max() == 0


BIG = smear(240, 320)
YBR = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
LOSSY: dict[str, tuple[bytes, Array]] = {
    "jpeg": (pil(BIG, "JPEG", quality=95), BIG),
    "jpeg progressive": (pil(BIG, "JPEG", quality=95, progressive=True), BIG),
    "jpeg grey": (pil(BIG[..., 0], "JPEG", quality=95), np.repeat(BIG[..., :1], 3, axis=2)),
    "jpeg cmyk": (pil(BIG, "JPEG", "CMYK", quality=95), BIG),
    "tiff jpeg": (pil(BIG, "TIFF", compression="jpeg", quality=95), BIG),
    "tiff cmyk": (pil(BIG, "TIFF", "CMYK"), BIG),
    "webp": (pil(BIG, "WEBP", quality=95), BIG),
    "dicom ybr": (dicom(YBR, "YBR_FULL"), RGB),
    "dicom jpeg": (
        dicom(pil(RGB, "JPEG", quality=95), "YBR_FULL_422", JPEGBaseline8Bit),
        RGB,
    ),
}


@pytest.mark.parametrize(("data", "expected"), LOSSY.values(), ids=LOSSY.keys())
def test_lossy_formats_come_back_nearly(data: bytes, expected: Array) -> None:
    image = decode(data, limits=LIMITS)
    assert image.shape == expected.shape
    # A swapped channel or an inverted ink would be off by 50 and more.
    assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize(
    ("brightest", "depth_bits"),
    [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (65535, 16)],
)
def test_depth_is_the_smallest_sensor_that_holds_the_brightest(
    brightest: int, depth_bits: int
) -> None:
    samples = np.array([[0, brightest]], np.uint16)
    assert depth_in_use(samples) == depth_bits
    assert to_8_bit(samples)[0, 1] == round(255 * brightest / (2**depth_bits - 1))


def test_a_wholly_transparent_picture_is_taken_as_opaque() -> None:
    data = pil(np.dstack([RGB, 0 * GREY]), "WEBP", lossless=True, exact=True)
    assert np.array_equal(decode(data, limits=LIMITS), RGB)


def test_a_given_depth_clips_larger_samples() -> None:
    assert to_8_bit(np.array([4095, 9000], np.uint16), 12).tolist() == [255, 255]


def test_premultiplied_colour_is_not_multiplied_again() -> None:
    half = np.array([[[50, 0, 128, 128]]], np.uint8)
    assert flatten(half, premultiplied=True)[0, 0].tolist() == [177, 127, 255]
    assert flatten(half)[0, 0].tolist() == [152, 127, 191]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8)],
    ids=["float", "five channels", "one dimension"],
)
def test_other_sample_layouts_are_refused(pixels: Array) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_rgb(pixels)


# --- orientation ---------------------------------------------------------------------------------

#: Where the stored top left corner belongs, as (row, column), by EXIF orientation.
CORNERS = {
    1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0),
}  # fmt: skip
MARKED = np.full((48, 64, 3), 200, np.uint8)
MARKED[:16, :16] = (255, 0, 0)
MARKED[:16, -16:] = (0, 0, 255)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[274] = orientation
    return tags


WRITERS: dict[str, Callable[[int], bytes]] = {
    "jpeg": lambda o: pil(MARKED, "JPEG", quality=95, exif=exif(o)),
    "jpeg cmyk": lambda o: pil(MARKED, "JPEG", "CMYK", quality=95, exif=exif(o)),
    "png": lambda o: pil(MARKED, "PNG", exif=exif(o)),
    "webp": lambda o: pil(MARKED, "WEBP", lossless=True, exif=exif(o)),
    "tiff": lambda o: tiff(MARKED, extratags=[(274, 3, 1, o, True)]),
    "tiff 16-bit": lambda o: tiff(MARKED.astype(np.uint16) * 257, extratags=[(274, 3, 1, o, True)]),
    "tiff 16-bit deflate": lambda o: tiff(
        MARKED.astype(np.uint16) * 257, compression="zlib", extratags=[(274, 3, 1, o, True)]
    ),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_pictures_are_upright(write: Callable[[int], bytes], orientation: int) -> None:
    image = decode(write(orientation), limits=LIMITS)
    assert image.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    row, column = CORNERS[orientation]
    red, green, blue = image[row, column].astype(int)
    assert red > 230
    assert green < 40
    assert blue < 40
    assert size_px(write(orientation), limits=LIMITS) == image.shape[1::-1]
    # The blue corner tells a mirrored picture from a turned one.
    expected = orient(MARKED, orientation)
    assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientations_are_ignored(orientation: int) -> None:
    assert decode(WRITERS["jpeg"](orientation), limits=LIMITS).shape == (48, 64, 3)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + zlib.crc32(kind + content).to_bytes(4)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(chunk(b"eXIf", exif(6).tobytes()[6:]), id="EXIF"),
        pytest.param(
            chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'), id="XMP"
        ),
    ],
)
def test_a_png_that_says_behind_its_pixels_how_it_lies(said: bytes) -> None:
    plain = pil(MARKED, "PNG")
    data = plain[:-12] + said + plain[-12:]
    assert decode(data, limits=LIMITS).shape[1::-1] == size_px(data, limits=LIMITS) == (48, 64)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_the_size_is_told_without_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pil(MARKED, kind)
    monkeypatch.setattr(
        "allcell.imaging.images.decode", lambda *_, **__: pytest.fail("it was decoded")
    )
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    assert size_px(data, limits=LIMITS) == (64, 48)


# --- limits --------------------------------------------------------------------------------------


def lying_png(width: int, height: int) -> bytes:
    """A sound little PNG whose header promises another size."""
    data = bytearray(pil(RGB, "PNG"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def lying_jpeg(width: int, height: int) -> bytes:
    data = bytearray(pil(RGB, "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def lying_bmp(width: int, height: int) -> bytes:
    data = bytearray(pil(RGB, "BMP"))
    data[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return bytes(data)


def lying_tiff(width: int, height: int, **options: object) -> bytes:
    data = bytearray(tiff(RGB, **options))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        tags = tif.pages.first.tags
        places = [(tags[256].valueoffset, width), (tags[257].valueoffset, height)]
    for place, value in places:
        data[place - 8 + 2 : place + 4] = (
            (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        )
    return bytes(data)


BOMBS: dict[str, bytes] = {
    "png": lying_png(60_000, 60_000),
    "png beyond Pillow's own limit": lying_png(2**31 - 1, 2**31 - 1),
    "jpeg": lying_jpeg(65_000, 65_000),
    "bmp": lying_bmp(60_000, 60_000),
    "tiff": lying_tiff(1_000_000, 1_000_000),
    "dicom": dicom(RGB, Rows=65_000, Columns=65_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("read", [decode, size_px])
@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_size_is_checked_before_decoding(data: bytes, read: Callable[..., object]) -> None:
    start = time.perf_counter()
    with pytest.raises(ImageError, match="pixels"):
        read(data, limits=LIMITS)
    assert time.perf_counter() - start < 2


def test_a_huge_tiled_tiff_is_called_a_slide() -> None:
    with pytest.raises(ImageError, match="whole slide") as caught:
        decode(lying_tiff(90_000, 80_000, tile=(16, 16)), limits=LIMITS)
    assert "field of view" in caught.value.remedy


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(100, 10**6, 1), "MB are accepted"),
        (Limits(10**6, 3071, 1), "64 x 48 pixels; at most 0.0 million"),
        (Limits(10**6, 10**6, 1, min_side_px=49), "each side needs at least 49"),
    ],
    ids=["bytes", "pixels", "too small"],
)
def test_limits_hold(limits: Limits, message: str, tmp_path: Path) -> None:
    data = pil(RGB, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for source in (data, path):
        for read in (decode, size_px):
            with pytest.raises(ImageError, match=message) as caught:
                read(source, limits=limits)
            assert caught.value.remedy


def test_limits_are_inclusive() -> None:
    data = pil(RGB, "PNG")
    assert decode(data, limits=Limits(len(data), 64 * 48, 1, min_side_px=48)).shape == RGB.shape


def test_count() -> None:
    images.check_count(3, LIMITS)
    with pytest.raises(ImageError, match="4 pictures were chosen; at most 3"):
        images.check_count(4, LIMITS)


def test_limits_come_from_the_settings() -> None:
    from allcell.settings import settings

    limits = Limits.from_settings()
    assert limits.max_bytes == settings().max_upload_bytes
    assert limits.max_pixels == settings().max_pixels
    images.check_count(settings().max_images)


# --- refusals ------------------------------------------------------------------------------------


def canon_raw() -> bytes:
    """A TIFF with Canon's mark where the first directory would be, and that directory last."""
    data = tiff(RGB)
    directory = data[8 : 8 + 2 + 12 * data[8] + 4]
    return data[:4] + len(data).to_bytes(4, "little") + b"CR" + data[10:] + directory


OTHERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "zeros": (bytes(5000), "filled with zeros"),
    "text": (b"Patient list\r\nM\xc3\xbcller;42\r\n", "a text file"),
    "text cut inside a letter": (b"x" * 4095 + "ü".encode() * 9, "a text file"),
    "text that begins like a bitmap": (b"BMI of 12 patients, in kg/m2", "a text file"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    "svg": (b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "zip": (b"PK\x03\x04\x14\x00", "ZIP"),
    "gif": (pil(GREY, "GIF"), "GIF"),
    "burst of a phone": (b"\x00\x00\x00\x18ftyphevc\x00\x00\x00\x00", "a series of pictures"),
    "avif": (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "AVIF"),
    "video": (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "a video"),
    "jpeg 2000": (pil(RGB, "JPEG2000"), "JPEG 2000"),
    "zeiss slide": (b"ZISRAWFILE" + bytes(40), "Zeiss CZI"),
    "aperio slide": (tiff(RGB, description="Aperio Image Library v12"), "whole-slide"),
    "camera raw": (canon_raw(), "camera raw"),
    "adobe raw": (tiff(RGB, extratags=[(50706, 1, 4, b"\1\4\0\0", True)]), "camera raw"),
    "tiff thumbnail": (tiff(RGB, subfiletype=1), "thumbnail"),
    "tiff of measurements": (
        tiff(GREY.astype(np.float32)),
        "decimal numbers of 32 bits",
    ),
    "tiff of seven channels": (
        tiff(np.zeros((48, 64, 7), np.uint8), photometric="minisblack", planarconfig="contig"),
        "7 channels",
    ),
    "animated webp": (
        pil(RGB, "WEBP", save_all=True, append_images=[Image.fromarray(255 - RGB)]),
        "an animation",
    ),
    "dicom film": (dicom(np.stack([RGB, RGB]), NumberOfFrames=2), "2 DICOM frames"),
    "dicom one bit": (dicom(GREY, "MONOCHROME2", BitsAllocated=1), "1 bits per pixel"),
    "random bytes": (np.random.default_rng(0).bytes(500), "not a picture"),
}


@pytest.mark.parametrize(("data", "message"), OTHERS.values(), ids=OTHERS.keys())
def test_other_files_are_named_for_what_they_are(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, name="field 7.jpg", limits=LIMITS)
    assert caught.value.message.startswith("'field 7.jpg' ")
    assert caught.value.remedy.endswith(".")


def test_dicom_without_a_picture() -> None:
    data = dicom(RGB)
    report = data[: data.index(b"\x28\x00\x02\x00US")]  # cut before the image elements
    with pytest.raises(ImageError, match="without a picture"):
        decode(report, limits=LIMITS)


def test_kind_is_decided_by_content_not_name(tmp_path: Path) -> None:
    path = tmp_path / "really a PNG.jpg"
    path.write_bytes(pil(RGB, "PNG"))
    assert np.array_equal(decode(path, limits=LIMITS), RGB)


# --- damage --------------------------------------------------------------------------------------

NOISE = np.random.default_rng(3).integers(0, 40, BIG.shape).astype(np.uint8)
GRAINY = BIG - NOISE
WHOLE: dict[str, bytes] = {
    "jpeg": pil(GRAINY, "JPEG"),
    "jpeg progressive": pil(GRAINY, "JPEG", progressive=True),
    "jpeg restart markers": pil(GRAINY, "JPEG", restart_marker_rows=1),
    "jpeg cmyk": pil(GRAINY, "JPEG", "CMYK"),
    "png": pil(GRAINY, "PNG"),
    "png 16-bit": png_16(GRAINY.astype(np.uint16) * 257),
    "bmp": pil(GRAINY, "BMP"),
    "webp": pil(GRAINY, "WEBP"),
    "tiff": tiff(GRAINY),
    "tiff deflate": tiff(GRAINY, compression="zlib"),
    "tiff 16-bit": tiff(GRAINY.astype(np.uint16) * 257),
    "tiff 16-bit strips": tiff(GRAINY.astype(np.uint16) * 257, rowsperstrip=7),
    "tiff 16-bit deflate": tiff(GRAINY.astype(np.uint16) * 257, compression="zlib"),
    "dicom": dicom(GRAINY[:48, :64]),
    "dicom jpeg": dicom(pil(GRAINY[:48, :64], "JPEG"), "YBR_FULL_422", JPEGBaseline8Bit),
}


@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())
def test_a_truncated_file_is_an_error(data: bytes, part: float) -> None:
    assert decode(data, limits=LIMITS).shape[2] == 3
    with pytest.raises(ImageError):
        decode(data[: int(part * len(data))], limits=LIMITS)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("kind", ["jpeg", "jpeg restart markers"])
def test_no_grey_bars_when_software_closed_a_truncated_jpeg(kind: str, part: float) -> None:
    cut = WHOLE[kind][: int(part * len(WHOLE[kind]))].rstrip(b"\xff")
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(cut + b"\xff\xd9", limits=LIMITS)


@pytest.mark.parametrize("kind", ["png", "png 16-bit"])
def test_a_wrong_checksum_is_an_error(kind: str) -> None:
    data = bytearray(WHOLE[kind])
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(bytes(data), limits=LIMITS)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg restart markers"])
def test_an_interrupted_copy_filled_with_zeros_is_an_error(kind: str) -> None:
    data = WHOLE[kind]
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(data[: len(data) // 2] + bytes(len(data)), limits=LIMITS)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_picture_that_is_grey_by_right_is_read(options: dict[str, bool]) -> None:
    grey = GRAINY.copy()
    grey[100:] = 128
    image = decode(pil(grey, "JPEG", quality=95, **options), limits=LIMITS)
    assert np.all(image[-16:] == 128)


def test_what_phones_append_to_a_jpeg_is_ignored() -> None:
    data = pil(BIG, "JPEG")
    appended = data + b"\x00\x00\x00\x18ftypmp42" + np.random.default_rng(1).bytes(70_000)
    assert np.array_equal(decode(appended, limits=LIMITS), decode(data, limits=LIMITS))


def test_a_jpeg_of_endless_scans_is_refused_quickly() -> None:
    data = WHOLE["jpeg progressive"]
    start = data.rindex(b"\xff\xda")
    with pytest.raises(ImageError):
        decode(data[:-2] + data[start:-2] * 300 + b"\xff\xd9", limits=LIMITS)


@pytest.mark.slow
def test_a_jpeg_of_endless_segments_is_refused_quickly() -> None:
    start = time.perf_counter()
    with pytest.raises(ImageError):
        decode(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5_000_000, limits=LIMITS)
    assert time.perf_counter() - start < 1


def test_a_deflate_bomb_in_a_planar_tiff_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(50 * 2**20), 9)
    data = bytearray(tiff(PLANAR, planarconfig="separate", compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        tags = tif.pages.first.tags
        offsets, counts = tags[273], tags[279]
        start = offsets.valueoffset
        item = int(counts.dtype.name == "LONG") * 2 + 2
        counts_start = counts.valueoffset
    data[start : start + 4] = len(data).to_bytes(4, "little")
    data[counts_start : counts_start + item] = len(bomb).to_bytes(4, "little")[:item]
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(bytes(data) + bomb, limits=LIMITS)


@pytest.mark.parametrize(
    "failure",
    [KeyError("x"), RecursionError(), MemoryError(), cv2.error("x"), SystemError("x")],
    ids=lambda e: type(e).__name__,
)
def test_whatever_a_library_raises_becomes_an_image_error(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("allcell.formats.table.read_jpeg", fail)
    caplog.set_level("INFO")
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(pil(RGB, "JPEG"), name="Jane Doe.jpg", limits=LIMITS)
    assert type(failure).__name__ in caplog.text
    assert "Jane" not in caplog.text


def test_what_the_decoder_made_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "allcell.formats.table.read_jpeg", lambda *_: np.zeros((3000, 3000, 3), np.uint8)
    )
    with pytest.raises(ImageError, match="3000 x 3000 pixels"):
        decode(pil(RGB, "JPEG"), limits=LIMITS)


# --- names, paths, metadata ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/jane/slides/a.jpg", "'a.jpg'"),
        ("C:\\slides\\a.jpg", "'a.jpg'"),
        ("a\x00\n\x1b[31m.jpg", "'a[31m.jpg'"),
        ("", "The file"),
        ("x" * 200 + ".jpg", f"'{'x' * 40}...{'x' * 11}.jpg'"),
    ],
    ids=["posix folders", "windows folders", "control characters", "no name", "long"],
)
def test_messages_show_the_plain_name_only(name: str, shown: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(b"", name=name, limits=LIMITS)
    assert caught.value.message == f"{shown} is empty (0 bytes)."


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"There is no file '.*/gone\.png'"):
        decode(tmp_path / "gone.png", limits=LIMITS)
    with pytest.raises(ImageError, match="is a folder"):
        decode(tmp_path, limits=LIMITS)
    with pytest.raises(ImageError, match="cannot be opened"):
        decode(Path("a\0b.png"), limits=LIMITS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not an ordinary file"):
        decode(tmp_path / "pipe.jpg", limits=LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        # Values that the libraries find invalid: they would quote them in a message.
        dicom(RGB).replace(b"Doe^Jane", b"Doe\x07=\xff=x"),
        tiff(DEEP, description="Doe Jane").replace(b"Doe ", b"Doe\x81"),
    ],
    ids=["dicom", "tiff"],
)
def test_messages_never_quote_what_a_file_says_about_a_patient(
    data: bytes, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    assert np.array_equal(decode(data, limits=LIMITS), RGB)
    assert "Doe" not in caplog.text + "".join(str(w.message) for w in recwarn)


@pytest.mark.child
def test_a_jpeg_needs_neither_tifffile_nor_pydicom() -> None:
    script = (
        "import sys; from allcell.imaging import images; import numpy as np;"
        "images.decode(images.encode_jpeg(np.full((64, 64, 3), 200, np.uint8)));"
        "sys.exit(bool({'tifffile', 'pydicom'} & set(sys.modules)))"
    )
    root = Path(images.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, timeout=20).returncode == 0


def test_png_round_trip_without_metadata() -> None:
    data = encode_png(RGB)
    assert np.array_equal(decode(data, limits=LIMITS), RGB)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info == {}


def test_jpeg_round_trip_without_metadata() -> None:
    data = encode_jpeg(BIG, quality=95)
    assert np.abs(decode(data, limits=LIMITS).astype(int) - BIG).mean() < 3
    with Image.open(io.BytesIO(data)) as image:
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert len(encode_jpeg(BIG, quality=30)) < len(data)


@pytest.mark.parametrize(
    "image",
    [GREY, RGB.astype(np.float32), RGBA, RGB[:0]],
    ids=["grey", "float", "rgba", "empty"],
)
def test_only_rgb_uint8_is_encoded(image: npt.NDArray[np.uint8]) -> None:
    for encode in (encode_png, encode_jpeg):
        with pytest.raises(ValueError, match="expected"):
            encode(image)


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_qualities_are_refused(quality: int) -> None:
    with pytest.raises(ValueError, match="quality"):
        encode_jpeg(RGB, quality)
