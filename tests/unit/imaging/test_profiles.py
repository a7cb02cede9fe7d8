"""Pictures in other colours than sRGB, as phones and photo programs save them."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from allcell.imaging.images import decode
from allcell.synth import FieldSpec, render

SMEAR = render(FieldSpec(96, 64, red_cell_px=16, seed=3, blasts=1)).image
#: Columns: red, green and blue of ProPhoto RGB (ISO 22028-2) and of sRGB in XYZ under D50.
WIDE = np.array([[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8252]])
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7142]])
GAMMA = 1.8
OWN_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile() -> bytes:
    """ICC.1:2001-04: a header of 128 bytes, the table of tags, the tags."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ " + bytes(4) + np.rint(values * 65536).astype(">i4").tobytes()

    curve = b"curv" + struct.pack(">IIHH", 0, 1, round(GAMMA * 256), 0)
    name = b"desc" + struct.pack(">II", 0, 5) + b"wide\0" + bytes(79)
    white = xyz(np.array([0.9642, 1, 0.8249]))
    tags = {b"desc": name, b"cprt": b"text" + bytes(8), b"wtpt": white}
    for channel, column in zip((b"r", b"g", b"b"), WIDE.T, strict=True):
        tags |= {channel + b"XYZ": xyz(column), channel + b"TRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content
    rest = table + body
    head = struct.pack(">I4sI", 128 + len(rest), b"lcms", 0x02400000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white[8:]
    return head.ljust(128, b"\0") + rest


PROFILE = wide_profile()


def in_wide(rgb: np.ndarray) -> np.ndarray:
    """Colours of sRGB as the profile has them, 0 to 1."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.clip(linear @ SRGB.T @ np.linalg.inv(WIDE).T, 0, 1) ** (1 / GAMMA)


STORED = np.rint(255 * in_wide(SMEAR)).astype(np.uint8)
DEEP = np.rint(65535 * in_wide(SMEAR)).astype(np.uint16)


def pil(kind: str, profile: bytes = PROFILE, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(STORED).convert(mode).save(out, kind, icc_profile=profile, **options)
    return out.getvalue()


def tiff(samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, photometric="rgb", iccprofile=PROFILE)
    return out.getvalue()


def deep_png() -> bytes:
    """OpenCV writes 16 bits, Pillow a profile: its chunk goes behind the header, of 33 bytes."""
    plain, other = cv2.imencode(".png", DEEP[..., ::-1])[1].tobytes(), pil("PNG")
    at = other.index(b"iCCP") - 4
    length = int.from_bytes(other[at : at + 4]) + 12
    return plain[:33] + other[at : at + length] + plain[33:]


@pytest.mark.parametrize(
    ("data", "within"),
    [
        pytest.param(pil("JPEG", quality=100, subsampling=0), 8, id="JPEG, as of phones"),
        pytest.param(pil("PNG"), 5, id="PNG"),
        pytest.param(pil("WEBP", lossless=True), 5, id="WebP"),
        pytest.param(pil("PNG", mode="RGBA"), 5, id="PNG with opacity"),
        pytest.param(deep_png(), 5, id="PNG of 16 bits"),
        pytest.param(tiff(STORED), 5, id="TIFF"),
        pytest.param(tiff(DEEP), 5, id="TIFF of 16 bits, as of Lightroom"),
    ],
)
def test_colours_of_another_space_become_srgb(data: bytes, within: int) -> None:
    assert np.abs(STORED.astype(int) - SMEAR).max() > 20
    assert np.abs(decode(data).astype(int) - SMEAR).max() <= within


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(pil("PNG", OWN_SRGB), id="sRGB itself"),
        pytest.param(pil("PNG", b"no profile"), id="not a profile"),
        pytest.param(pil("PNG", PROFILE[:200]), id="a profile that was cut off"),
        pytest.param(
            pil("PNG", PROFILE.replace(b"mntrRGB ", b"mntrCMYK")), id="a profile of other colours"
        ),
    ],
)
def test_what_says_nothing_of_the_colours_changes_none(data: bytes) -> None:
    np.testing.assert_array_equal(decode(data), STORED)
