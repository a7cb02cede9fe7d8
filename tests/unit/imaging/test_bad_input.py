"""Damaged and hostile files: each ends in a picture or an ImageError, fast and in little memory."""

from __future__ import annotations

import io
import random
import sys
import time
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from allcell.errors import ImageError
from allcell.imaging.images import Limits, decode
from tests.picture_files import HEIC

pytestmark = pytest.mark.slow

LIMITS = Limits(max_bytes=2**20, max_pixels=1_000_000, max_images=1)
SECONDS_EACH = 2.0
MEMORY_MB = 300
SEED = 20

FIELD = (
    np.random.default_rng(SEED).integers(-12, 12, (80, 96, 3)) + np.array([225, 190, 210])
).astype(np.uint8)
PATIENT = "Mustermann"
DEEP = FIELD.astype(np.uint16) * 257


def pil(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(FIELD).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="rgb", description=PATIENT, **options)
    return buffer.getvalue()


def dicom(jpeg: bytes | None) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.PatientName = PATIENT
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 80, 96, 3, 0
    ds.PhotometricInterpretation = "YBR_FULL_422" if jpeg else "RGB"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = encapsulate([jpeg]) if jpeg else FIELD.tobytes()
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = bool(jpeg)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


SOUND: dict[str, bytes] = {
    "jpeg": pil("JPEG"),
    "jpeg progressive": pil("JPEG", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "jpeg cmyk": pil("JPEG", "CMYK"),
    "png": pil("PNG"),
    "png palette": pil("PNG", "P"),
    "bmp": pil("BMP"),
    "webp": pil("WEBP"),
    "webp lossless": pil("WEBP", lossless=True),
    "tiff": tiff(FIELD),
    "tiff deflate": tiff(FIELD, compression="zlib", predictor=2),
    "tiff lzw": pil("TIFF", compression="tiff_lzw"),
    "tiff jpeg": pil("TIFF", compression="jpeg"),
    "tiff tiles": tiff(FIELD, tile=(32, 32), bigtiff=True),
    "tiff 16-bit": tiff(DEEP, rowsperstrip=9),
    "tiff 16-bit deflate": tiff(DEEP, compression="zlib"),
    "tiff 16-bit planes": tiff(
        np.ascontiguousarray(DEEP.transpose(2, 0, 1)), planarconfig="separate", compression="zlib"
    ),
    "tiff jpeg 2000": tiff(FIELD, compression="jpeg2000"),
    "tiff jpeg xl": tiff(FIELD, compression="jpegxl"),
    "tiff webp": tiff(FIELD, compression="webp"),
    "tiff packed 12 bit": tiff(DEEP >> 4, bitspersample=12),
    "tiff 16-bit lzw": tiff(DEEP, compression="lzw"),
    "tiff pages": tiff(np.stack([FIELD, FIELD])),
    "jpeg 12 bit": imagecodecs.jpeg8_encode(DEEP >> 4, bitspersample=12),
    "jpeg lossless": imagecodecs.jpeg8_encode(FIELD, lossless=True),
    "jpeg-ls": imagecodecs.jpegls_encode(FIELD),
    "heic": HEIC,
    "dicom": dicom(None),
    "dicom jpeg": dicom(pil("JPEG")),
    "dicom without preamble": dicom(None)[132:],
}
MAGIC: dict[str, bytes] = {
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "bmp": b"BM" + bytes(12) + (40).to_bytes(4, "little"),
    "webp": b"RIFF\x00\x10\x00\x00WEBPVP8 ",
    "webp lossless": b"RIFF\x00\x10\x00\x00WEBPVP8L",
    "tiff": b"II*\x00\x08\x00\x00\x00",
    "tiff big-endian": b"MM\x00*\x00\x00\x00\x08",
    "bigtiff": b"II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00",
    "dicom": bytes(128) + b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00",
    "heif": b"\x00\x00\x00\x18ftyp",
    "none": b"",
}


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 60))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_header(data: bytes, rng: random.Random) -> bytes:
    head = rng.randrange(20, 400)
    return flip_bits(data[:head], rng) + data[head:]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def huge_number(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a number somewhere in the header with an extreme one."""
    place = rng.randrange(4, min(len(data) - 8, 600))
    number = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)))
    return data[:place] + number + data[place + 4 :]


def huge_size(data: bytes, rng: random.Random) -> bytes:
    """Replace the declared width or height (both are below 256 and few other bytes are)."""
    sizes = ((80).to_bytes(2, "little"), (96).to_bytes(2, "little"))
    sizes += ((80).to_bytes(2, "big"), (96).to_bytes(2, "big"))
    places = [i for i in range(600) if data[i : i + 2] in sizes]
    place = rng.choice(places or [16])
    return data[:place] + rng.choice((b"\xff\xff", b"\x00\x00", b"\x40\x9c")) + data[place + 2 :]


def swap_magic(data: bytes, rng: random.Random) -> bytes:
    magic = rng.choice([m for m in MAGIC.values() if m])
    return magic + data[len(magic) :]


def nest(data: bytes, rng: random.Random) -> bytes:
    """One file inside another, at a random place."""
    other = rng.choice(list(SOUND.values()))
    place = rng.randrange(len(data))
    return data[:place] + other + data[place:]


def remove_piece(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 300) :]


def zero_tail(data: bytes, rng: random.Random) -> bytes:
    keep = rng.randrange(1, len(data))
    return data[:keep] + bytes(len(data) - keep)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits, flip_header, truncate, huge_number, huge_size, swap_magic, nest, remove_piece,
    zero_tail,
)  # fmt: skip


def mutated_files(count: int) -> list[tuple[str, bytes]]:
    """Every format with every mutation in turn, until there are enough."""
    rng = random.Random(SEED)
    pairs = [(kind, mutate) for mutate in MUTATIONS for kind in SOUND]
    files = []
    for i in range(count):
        kind, mutate = pairs[i % len(pairs)]
        files.append((f"{i} {kind}: {mutate.__name__}", mutate(SOUND[kind], rng)))
    return files


def end_of(data: bytes) -> str:
    """Decode and check the promise: a picture, an ImageError, nothing else; and in time."""
    start = time.perf_counter()
    refusal = image = None
    try:
        image = decode(data, name="field.jpg", limits=LIMITS)
    except ImageError as error:
        refusal = error
    assert time.perf_counter() - start < SECONDS_EACH
    if image is None:
        assert refusal is not None
        assert refusal.message
        assert refusal.remedy
        return "refused"
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert min(image.shape[:2]) >= LIMITS.min_side_px
    assert image.shape[0] * image.shape[1] <= LIMITS.max_pixels
    return "read"


def peak_memory_mb() -> float:
    resource = pytest.importorskip("resource", reason="peak memory is not known on this system")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / unit


@pytest.mark.parametrize("data", SOUND.values(), ids=SOUND.keys())
def test_the_undamaged_file_is_read(data: bytes) -> None:
    assert end_of(data) == "read"


FILES = mutated_files(324)


@pytest.mark.parametrize("data", [f[1] for f in FILES], ids=[f[0] for f in FILES])
def test_a_damaged_file_ends_in_a_picture_or_an_image_error(
    data: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    end_of(data)
    # Neither Python's nor the C libraries' messages may quote what a file says about a patient.
    output = "".join(capfd.readouterr()) + caplog.text + "".join(str(w.message) for w in recwarn)
    assert PATIENT not in output


def test_damage_is_found_more_often_than_not() -> None:
    # A decoder that shrugged everything off would pass the test above.
    outcomes = [end_of(data) for _, data in FILES]
    assert outcomes.count("refused") > len(outcomes) / 2


def test_damaged_files_take_little_memory() -> None:
    for _, data in FILES[:5]:
        end_of(data)  # imports and pools are not what is measured
    before = peak_memory_mb()
    for _, data in FILES:
        end_of(data)
    assert peak_memory_mb() - before < MEMORY_MB


def chunk(kind: bytes, body: bytes) -> bytes:
    sum_ = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + sum_


def png_bomb() -> bytes:
    """A small picture whose pixel and text chunks unpack to 200 MB of zeros each."""
    header = (64).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    packer = zlib.compressobj(9)  # piece by piece: the test itself must not take the memory
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    text = chunk(b"zTXt", b"Comment\0\0" + bomb) + chunk(b"iCCP", b"icc\0\0" + bomb)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + text
        + chunk(b"IDAT", bomb)
        + chunk(b"IEND", b"")
    )


def dicom_nested_sequences() -> bytes:
    """Sequences in sequences, deeper than Python's stack."""
    head = dicom(None)
    start = head.index(b"\x28\x00\x02\x00US")
    opened = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return head[:start] + opened * 20_000


def tiff_directory_loop() -> bytes:
    """A first directory that names itself as the next one."""
    data = bytearray(tiff(FIELD))
    place = 8 + 2 + 12 * data[8]
    data[place : place + 4] = (8).to_bytes(4, "little")
    return bytes(data)


def tiff_of_many_widths() -> bytes:
    """A list of 200 widths and a height of 300,000: Python would repeat the list that often."""
    data = bytearray(tiff(FIELD))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        width, height = (tif.pages.first.tags[code].offset for code in (256, 257))
    for tag, count, value in ((width, 200, 1000), (height, 1, 300_000)):
        numbers = (4, 2), (count, 4), (value, 4)
        data[tag + 2 : tag + 12] = b"".join(n.to_bytes(size, "little") for n, size in numbers)
    return bytes(data)


HOSTILE: dict[str, bytes] = {
    "png bomb": png_bomb(),
    "dicom nested sequences": dicom_nested_sequences(),
    "tiff directory loop": tiff_directory_loop(),
    "tiff of many widths": tiff_of_many_widths(),
    "tiff of tags only": b"II*\x00\x08\x00\x00\x00\xff\xff"
    + b"\x00\x01\x04\x00\xff\xff\xff\x0f" * 9,
    "jpeg of markers only": b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000,
    "jpeg of fill bytes": b"\xff\xd8" + b"\xff" * 900_000,
    "a thousand soi": b"\xff\xd8\xff" * 1000,
    "webp with a length of nothing": b"RIFF\xff\xff\xff\xffWEBPVP8X\xff\xff\xff\xff",
    "angle brackets": b"<" * 900_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_cost_little(data: bytes) -> None:
    before = peak_memory_mb()
    end_of(data)
    assert peak_memory_mb() - before < MEMORY_MB


@pytest.mark.parametrize("magic", MAGIC.values(), ids=MAGIC.keys())
@given(noise=st.binary(max_size=600))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_random_bytes_behind_any_magic_are_refused(magic: bytes, noise: bytes) -> None:
    with pytest.raises(ImageError):
        decode(magic + noise, limits=LIMITS)
