"""Sample values: any depth, any channels -> RGB uint8. Pure arrays, no files."""

from __future__ import annotations

import io
import logging
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

RGBImage = npt.NDArray[np.uint8]

#: Depths (bits) of the sensors found behind 16-bit files, the smallest first.
SENSOR_DEPTHS = (8, 10, 12, 14, 16)


#: What is burnt into a picture (a scale bar, its text) is white in the file, not for the sensor: at
#: least the top 8-bit level. It covers less than this share, and hot pixels less than that one.
_BURNT_IN_FROM, _BURNT_IN_SHARE, _HOT_SHARE = 0xFF00, 0.03, 1e-5
_AT_A_TIME = 2**20
#: Larger profiles are not of a camera or a screen.
_MOST_PROFILE_BYTES = 2**22


def depth_in_use(samples: npt.NDArray[np.uint16], stated_largest: int | None = None) -> int:
    """How many bits the sensor behind 16-bit samples has: 8, 10, 12, 14 or 16.

    Microscope cameras store 10, 12 or 14 bits in 16-bit files without saying so; the largest
    sample tells, since the background of a stained smear nearly saturates the sensor. A scale bar
    that was burnt in as white, or a hot pixel, does not count.

    Args:
        samples: Any shape.
        stated_largest: What the file gives as its largest sample, which is believed if the samples
            bear it out.
    """
    counts = np.zeros(65536, np.int64)
    flat = np.ravel(samples)
    for start in range(0, flat.size, _AT_A_TIME):  # each sample takes eight bytes meanwhile
        counts += np.bincount(flat[start : start + _AT_A_TIME], minlength=65536)
    outside = {bits: int(counts[2**bits :].sum()) for bits in SENSOR_DEPTHS}
    if stated_largest is not None and 0 < stated_largest < 65535:
        stated = next(bits for bits in SENSOR_DEPTHS if stated_largest < 2**bits)
        if outside[stated] <= _BURNT_IN_SHARE * flat.size:
            return stated
    burnt_in = int(counts[_BURNT_IN_FROM:].sum())
    for bits, larger in outside.items():
        if larger <= _HOT_SHARE * flat.size:
            return bits
        # Where the text of a scale bar is smooth, its edges have values in between.
        if larger <= _BURNT_IN_SHARE * flat.size and 2 * burnt_in >= larger:
            return bits
    return SENSOR_DEPTHS[-1]


def to_8_bit(samples: npt.NDArray[np.uint16], depth_bits: int | None = None) -> RGBImage:
    """16-bit samples as 8-bit ones: the full range of the *sensor* becomes 0 to 255.

    The scale depends on the depth only, never on the picture's own darkest and brightest value,
    so two fields of one camera keep their brightness relative to each other.

    Args:
        samples: Any shape.
        depth_bits: 1 to 16; None takes `depth_in_use`. Larger samples are clipped.

    Returns:
        uint8 of the same shape.
    """
    top = 2 ** (depth_bits or depth_in_use(samples)) - 1
    table = np.minimum(np.arange(65536, dtype=np.float64) * (255 / top), 255)
    return np.asarray(np.rint(table).astype(np.uint8)[samples])


def to_srgb(rgb: RGBImage, profile: object) -> RGBImage:
    """Colours as on the screens that the models' smears were made for.

    Phones save Display P3, Lightroom ProPhoto RGB: taken for sRGB, their colours are dull.

    Args:
        rgb: (H, W, 3).
        profile: The ICC profile of the file. What is none of RGB, is sRGB itself, or cannot be
            read changes nothing: it is no reason to refuse a sound picture.
    """
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MOST_PROFILE_BYTES:
        return rgb
    try:
        stated = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(stated)
        if stated.profile.xcolor_space.strip() != "RGB" or "sRGB" in name:
            return rgb
        change = ImageCms.buildTransform(
            stated,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        picture = Image.fromarray(np.ascontiguousarray(rgb))
        ImageCms.applyTransform(picture, change, inPlace=True)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        log.info("a colour profile was not used: %s", type(error).__name__)
        return rgb
    return np.asarray(picture, dtype=np.uint8)


def flatten(rgba: npt.NDArray[np.uint8], *, premultiplied: bool = False) -> RGBImage:
    """RGBA (H, W, 4) composited on white, on black where a field was cut out: RGB (H, W, 3).

    With two corners transparent, or more, what is around the field is no paper but a rim, and
    dark rims are left out of all that is measured.

    Args:
        rgba: uint8; the fourth channel is opacity, 255 is opaque.
        premultiplied: Whether the colours already carry their opacity (TIFF's "associated").
    """
    opacity = rgba[..., 3]
    # All transparent: a program left the alpha channel empty (common in BMP).
    if int(opacity.min(initial=255)) == 255 or int(opacity.max(initial=0)) == 0:
        return np.ascontiguousarray(rgba[..., :3])
    alpha = rgba[..., 3:].astype(np.uint16)
    is_cut_out = np.count_nonzero(opacity[[0, 0, -1, -1], [0, -1, 0, -1]] == 0) >= 2
    paper = np.zeros_like(alpha) if is_cut_out else 255 - alpha
    if premultiplied:
        return np.asarray(np.minimum(rgba[..., :3] + paper, 255), dtype=np.uint8)
    # 255 * 255 + 127 still fits 16 bits.
    blended = (rgba[..., :3] * alpha + 255 * paper + 127) // 255
    return np.asarray(blended, dtype=np.uint8)


def to_rgb(
    pixels: npt.NDArray[np.generic],
    *,
    depth_bits: int | None = None,
    stated_largest: int | None = None,
    alpha: bool = True,
    premultiplied: bool = False,
) -> RGBImage:
    """Grey, grey + alpha, RGB or RGBA samples as RGB uint8 (H, W, 3), C-contiguous.

    Args:
        pixels: uint8 or uint16, shape (H, W) or (H, W, 1 to 4).
        depth_bits: For uint16: see `to_8_bit`.
        stated_largest: For uint16 of unknown depth: see `depth_in_use`.
        alpha: Whether a second or fourth channel is opacity (else it is ignored).
        premultiplied: See `flatten`.

    Raises:
        ValueError: If the type or shape is any other.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected uint8 or uint16 samples, got {pixels.dtype}")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ValueError(f"expected (height, width) or (height, width, 1-4), got {pixels.shape}")
    channels = pixels.shape[2]
    split = 1 if channels <= 2 else 3
    colour, opacity = pixels[..., :split], pixels[..., split:]
    if colour.dtype == np.uint16 and depth_bits is None:
        depth_bits = depth_in_use(np.asarray(colour, dtype=np.uint16), stated_largest)
    colour8, opacity8 = _eight(colour, depth_bits), _eight(opacity, None)
    if split == 1:
        colour8 = np.repeat(colour8, 3, axis=2)
    if alpha and opacity8.shape[2]:
        return flatten(np.concatenate([colour8, opacity8], axis=2), premultiplied=premultiplied)
    return np.ascontiguousarray(colour8)


def _eight(samples: npt.NDArray[Any], depth_bits: int | None) -> RGBImage:
    if samples.dtype == np.uint8:
        return np.asarray(samples, dtype=np.uint8)
    return to_8_bit(samples, depth_bits)


def orient(image: RGBImage, orientation: int) -> RGBImage:
    """Turn and mirror stored pixels as the EXIF or TIFF orientation says.

    Args:
        image: (H, W, 3).
        orientation: 1 to 8 (CIPA DC-008, 4.6.5.1.6); anything else counts as 1.

    Returns:
        The upright picture, C-contiguous; (W, H, 3) for 5 to 8.
    """
    if orientation in (5, 6, 7, 8):
        image = np.asarray(cv2.transpose(image), dtype=np.uint8)
    axis = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    if axis is not None:
        image = np.asarray(cv2.flip(image, axis), dtype=np.uint8)
    return np.ascontiguousarray(image)
