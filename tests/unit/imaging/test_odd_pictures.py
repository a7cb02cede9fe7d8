"""Pictures as scanners, phones, microscopes and old programs write them, off the usual path."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allcell.errors import ImageError
from allcell.imaging.folders import find_pictures
from allcell.imaging.images import Limits, decode, pixel_count, size_px
from tests.picture_files import DEEP, DEEP_GREY, GREY, GREY_RGB, RGB, pil, tiff

LIMITS = Limits(min_side_px=8, max_pixels=10_000, max_bytes=10**6, max_images=9)
HEIGHT, WIDTH = GREY.shape
JPEG = pil(RGB, "JPEG", quality=95)


def with_height_behind(jpeg: bytes) -> bytes:
    """A JPEG that says its height only after its scan."""
    at = jpeg.index(b"\xff\xc0") + 5
    behind = b"\xff\xdc\x00\x04" + jpeg[at : at + 2]
    return jpeg[:at] + b"\0\0" + jpeg[at + 2 : -2] + behind + jpeg[-2:]


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


#: Intact JPEGs of the pixels of `JPEG`.
JPEGS = {
    "the height behind the scan": with_height_behind(JPEG),
    "a comment with a scan's bytes": with_segment(JPEG, 0xFE, b"\xff\xda" * 300),
    "a thumbnail of many scans": with_segment(JPEG, 0xE1, b"Exif\0\0" + b"\xff\xda\0\x08" * 300),
    "a film behind the end": JPEG + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 300,
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS.keys())
def test_odd_jpegs_have_their_pixels(data: bytes) -> None:
    np.testing.assert_array_equal(decode(data, limits=LIMITS), decode(JPEG, limits=LIMITS))
    assert size_px(data, limits=LIMITS) == (WIDTH, HEIGHT)


def test_a_jpeg_without_a_height_is_damaged() -> None:
    data = with_height_behind(JPEG).replace(b"\xff\xdc", b"\xff\xdd")
    for read in (decode, size_px):
        with pytest.raises(ImageError, match="damaged"):
            read(data, limits=LIMITS)


@pytest.mark.parametrize("largest", [255, 65535])
def test_a_palette_of_8_bits_is_not_black(largest: int) -> None:
    # Old programs wrote colours of 8 bits into a table of 16 (libtiff's checkcmap).
    indexed = Image.fromarray(RGB).quantize(200)
    colours = np.asarray(indexed.getpalette(), np.uint16).reshape(-1, 3)
    table = np.zeros((3, 256), np.uint16)
    table[:, : len(colours)] = colours.T
    data = tiff(
        np.asarray(indexed), photometric="palette", colormap=table * np.uint16(largest // 255)
    )
    np.testing.assert_array_equal(decode(data, limits=LIMITS), np.asarray(indexed.convert("RGB")))


def bare_tiff(samples: np.ndarray, **left_out: bool) -> bytes:
    """An uncompressed TIFF with no tags but those that it needs, and without some of these."""
    bits = 8 * samples.dtype.itemsize
    channels = samples.shape[2] if samples.ndim == 3 else 1
    pixels = samples.tobytes()
    tags = {
        "width": (256, WIDTH),
        "height": (257, HEIGHT),
        "bits": (258, bits),
        "compression": (259, 1),
        "photometric": (262, 2 if channels == 3 else 1),
        "offset": (273, 8),
        "channels": (277, channels),
        "rows": (278, HEIGHT),
        "bytes": (279, len(pixels)),
    }
    kept = [pair for name, pair in tags.items() if name not in left_out]
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in kept)
    directory = struct.pack("<H", len(kept)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + directory


@pytest.mark.parametrize(
    "samples", [RGB, DEEP, GREY, DEEP_GREY], ids=["RGB", "RGB, 16 bits", "grey", "grey, 16 bits"]
)
def test_a_tiff_that_does_not_say_its_colours_is_not_inverted(samples: np.ndarray) -> None:
    expected = RGB if samples.ndim == 3 else GREY_RGB
    for data in (bare_tiff(samples), bare_tiff(samples, photometric=False)):
        np.testing.assert_array_equal(decode(data, limits=LIMITS), expected)


@pytest.mark.parametrize("samples", [RGB, DEEP], ids=["8 bits", "16 bits"])
def test_colours_in_one_channel_are_refused(samples: np.ndarray) -> None:
    # Read as one channel of three times the width, or of a third of the rows, it would be noise.
    with pytest.raises(ImageError, match="in colour, but has 1 channel") as caught:
        decode(bare_tiff(samples, channels=False), limits=LIMITS)
    assert "damaged" not in str(caught.value)


def pages_with_ome(description: str) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for k in range(3):
            text = description.encode("latin-1") if k == 0 else None
            writer.write(RGB[..., k], description=text, metadata=None, photometric="minisblack")
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def apples_png() -> bytes:
    packer = zlib.compressobj(wbits=-15)
    rows = b"".join(b"\0" + b"\0\0\0\xff" * WIDTH for _ in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"CgBI", b"P\0 \2"),
            chunk(b"IHDR", header),
            chunk(b"IDAT", packer.compress(rows) + packer.flush()),
            chunk(b"IEND", b""),
        )
    )


def bmp(compression: int, body: bytes, bits: int = 24) -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, compression, len(body), *[0] * 4
    )
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + header + body


OME = '<?xml version="1.0"?><OME xmlns="a"><Image Name="{}"><Pixels SizeC="{}">'
#: What is intact and cannot be read: (file, words of the message, words of the remedy).
NAMED = {
    "ome cut off": (pages_with_ome(OME.format("5 \xb5m", 3)), "has 3 pages", "Merge"),
    "ome with a number that is none": (
        pages_with_ome(OME.format("", "") + "</Pixels></Image></OME>"),
        "has 3 pages",
        "Merge",
    ),
    "apple's png": (apples_png(), "a PNG as Apple packs them", "Preview"),
    "bmp around a png": (bmp(5, pil(RGB, "PNG"), bits=0), "a BMP of a rare kind", "as PNG"),
    "ppm": (b"P6\n64 48\n255\n" + RGB.tobytes(), "a PPM", "export"),
    "ppm with a comment": (b"P6\n# by GIMP\n64 48\n255\n" + RGB.tobytes(), "a PPM", "export"),
    "tga": (pil(RGB, "TGA") + bytes(8) + b"TRUEVISION-XFILE.\0", "a TGA", "export"),
    "fits": (b"SIMPLE  =                    T".ljust(2880), "a FITS", "export"),
    "jpeg xr": (b"II\xbc\x01" + bytes(99), "a JPEG XR", "export"),
    "open exr": (b"v/1\x01" + bytes(99), "an OpenEXR", "export"),
    "qoi": (b"qoif\0\0\0@\0\0\x000\3\0" + bytes(99), "a QOI picture", "export"),
    "a format of its own": (b"\x9bown1" + bytes(range(256)), "not a picture of a format", "JPEG"),
    "gimp": (b"gimp xcf v011\0" + bytes(99), "a GIMP document", "export"),
    "fuji raw": (b"FUJIFILMCCD-RAW 0201" + bytes(99), "a camera raw file", "export"),
    "olympus": (b"OLYMPUSRAWFORMAT" + bytes(99), "an Olympus OIR", "viewer"),
    "tar": (b"a.png".ljust(257, b"\0") + b"ustar\0" + bytes(99), "a tar archive", "Unpack"),
    "xz": (b"\xfd7zXZ\0" + bytes(99), "an xz archive", "Unpack"),
    "a shortcut": (b"L\0\0\0\x01\x14\x02\0" + bytes(99), "a shortcut of Windows", "leads to"),
    "old quicktime": (b"\0\0\0\x08wide\0\1\0\0mdat" + bytes(99), "a video", "one frame"),
}


@pytest.mark.parametrize(("data", "message", "remedy"), NAMED.values(), ids=NAMED.keys())
def test_what_is_intact_is_named_not_called_damaged(data: bytes, message: str, remedy: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, limits=LIMITS)
    assert "damaged" not in str(caught.value)
    assert remedy in caught.value.remedy
    assert pixel_count(data) >= 0


@pytest.mark.parametrize("text", [b"P6 is the sixth patient", b"P1\nis a patient", b"BZ is"])
def test_words_are_not_taken_for_a_format(text: bytes) -> None:
    with pytest.raises(ImageError, match="a text file"):
        decode(text, limits=LIMITS)


def test_pictures_that_are_still_in_icloud_are_named(tmp_path: Path) -> None:
    (tmp_path / ".IMG_1.HEIC.icloud").write_bytes(b"bplist00")
    (tmp_path / "a.png").write_bytes(pil(RGB, "PNG"))
    found = find_pictures([tmp_path])
    assert [path.name for path in found.files] == ["a.png"]
    ((_, error),) = found.failed
    assert f"{tmp_path / 'IMG_1.HEIC'} is in iCloud" in error.message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param("https://host/a.jpg", "download the picture", id="web"),
        pytest.param("file:///data/a.jpg", "without file://", id="file"),
        pytest.param("gone.jpg", "Check the path", id="a path"),
        pytest.param("smears/*.jpg", "give the folder itself", id="a pattern in quotes"),
    ],
)
def test_an_address_is_not_called_a_missing_file(given: str, words: str) -> None:
    ((_, error),) = find_pictures([Path(given)]).failed
    assert words in error.remedy
    assert given in error.message
