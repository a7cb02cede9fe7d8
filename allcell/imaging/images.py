"""Bytes or path -> RGB uint8, and back to bytes. Every picture enters allcell here.

The kind is decided by the first bytes, limits are checked from the header before anything is
decoded, orientation is applied, metadata never leaves this module, and nothing is written to disk.
"""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from allcell.errors import ImageError
from allcell.formats.kinds import identify
from allcell.formats.pixels import RGBImage
from allcell.formats.raster import SizeCheck, turns
from allcell.formats.remedies import COPY_AGAIN
from allcell.formats.sizes import stretch
from allcell.formats.table import SUFFIXES, SUPPORTED, ImageFormat
from allcell.imaging.limits import SMALLER, Limits, check_count

__all__ = [
    "SUFFIXES",
    "SUPPORTED",
    "Limits",
    "RGBImage",
    "check_count",
    "decode",
    "decoded_bytes",
    "encode_jpeg",
    "encode_png",
    "is_turned",
    "note",
    "pixel_count",
    "pixel_stretch",
    "size_px",
]

log = logging.getLogger(__name__)

#: Formats whose orientation Pillow reads.
_BY_PILLOW = ("JPEG", "PNG", "WebP", "TIFF")


def decode(source: bytes | Path, *, name: str = "", limits: Limits | None = None) -> RGBImage:
    """Read a picture in one of `allcell.formats.table.IMAGE_FORMATS`; see `note` for what of it.

    Transparency is composited by `allcell.formats.pixels.flatten`; grey, palette and CMYK become
    RGB; 16 bits become 8 by `allcell.formats.pixels.to_8_bit`. Colours with a profile of RGB
    become sRGB, but for DICOM's.

    Args:
        source: The file's bytes, or its path.
        name: What messages call it; only its last part is shown. Default: the path as given.
        limits: Default: `Limits.from_settings()`.

    Returns:
        (H, W, 3) uint8, C-contiguous, writeable, upright.

    Raises:
        ImageError: For anything that cannot be read as a picture within the limits; no other
            error leaves this function, whatever the bytes.
    """
    found, data, label, limits = _identified(source, name, limits)
    with _explained(found, label):
        image = found.decode(data, label, _size_check(limits, label))
        # Header and decoder may disagree in a damaged file.
        limits.check_size(image.shape[1], image.shape[0], label)
    return np.require(image, np.uint8, ["C", "W"])


def size_px(
    source: bytes | Path, *, name: str = "", limits: Limits | None = None
) -> tuple[int, int]:
    """Width and height in pixels of what `decode` returns, from the header where possible.

    Args:
        source: The file's bytes, or its path.
        name: See `decode`.
        limits: See `decode`.

    Raises:
        ImageError: As `decode` does, though damage after the header may go unnoticed.
    """
    found, data, label, limits = _identified(source, name, limits)
    size = None
    if found.size_px is not None:
        with _explained(found, label):
            size = found.size_px(data, _size_check(limits, label))
    if size is None:
        height, width = decode(data, name=name, limits=limits).shape[:2]
        size = (width, height)
    return size


def note(source: bytes | Path) -> str:
    """What the user has to know about which part of a file `decode` reads; empty as a rule.

    Args:
        source: The bytes of a file that `decode` has read, or its path.

    Raises:
        ImageError: As `decode` does.
    """
    found, data, label, _ = _identified(source, "", None)
    if found.tell is None:
        return ""
    with _explained(found, label):
        return found.tell(data, label)


def pixel_stretch(source: bytes | Path) -> float:
    """How many times as long one side of a pixel is as the other, by the file's own word.

    Args:
        source: The bytes of a file that `decode` has read, or its path.

    Returns:
        1 if they are square or nothing that could be believed is said.

    Raises:
        ImageError: If there is no such file.
    """
    found, data, label, _ = _identified(source, "", None)
    if found.density is None:
        return 1.0
    try:
        with _explained(found, label):
            return stretch(found.density(data, label))
    except ImageError:
        return 1.0  # the pixels are sound: what is said about them is damaged


def is_turned(source: bytes | Path) -> bool:
    """Whether a file says that its pixels have to be turned or mirrored to be upright.

    Args:
        source: The bytes of a file that `decode` has read, or its path.

    Raises:
        ImageError: If there is no such file.
    """
    found, data, _, _ = _identified(source, "", None)
    return turns(data) if found.name in _BY_PILLOW else False


def decoded_bytes(
    source: bytes | Path, *, name: str = "", limits: Limits | None = None
) -> int | None:
    """Memory that the pixels from `decode` take, from the header; None if only decoding tells.

    Args:
        source: The file's bytes, or its path.
        name: See `decode`.
        limits: See `decode`.

    Raises:
        ImageError: As `size_px` does.
    """
    found, data, label, limits = _identified(source, name, limits)
    if found.size_px is None:
        return None
    with _explained(found, label):
        size = found.size_px(data, _size_check(limits, label))
    return size and 3 * size[0] * size[1]


def pixel_count(source: bytes | Path) -> int:
    """How many pixels `decode` will return; where only that tells, the most that it may.

    Args:
        source: The file's bytes, or its path; of what cannot be read, 0.
    """
    try:
        size = decoded_bytes(source)
    except ImageError:
        return 0
    return Limits.from_settings().max_pixels if size is None else size // 3


def _identified(
    source: bytes | Path, name: str, limits: Limits | None
) -> tuple[ImageFormat, bytes, str, Limits]:
    limits = limits or Limits.from_settings()
    label = _path_label(source) if isinstance(source, Path) and not name else _label(name)
    data = _read(source, label, limits) if isinstance(source, Path) else bytes(source)
    limits.check_bytes(len(data), label)
    return identify(data, label), data, label, limits


@contextmanager
def _explained(found: ImageFormat, label: str) -> Iterator[None]:
    """Turn whatever the libraries raise into ImageError."""
    try:
        with warnings.catch_warnings():
            # Of pixels beyond Pillow's own limit, ours being checked, and of damaged tags.
            warnings.filterwarnings("ignore", module="PIL")
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{label} has more pixels than can be read.", SMALLER) from error
    # On damaged bytes Pillow, OpenCV, tifffile and pydicom raise whatever the bytes lead to
    # (struct.error, KeyError, IndexError, RecursionError, MemoryError, cv2.error, ...), and all
    # of it means the same to the user. Names and messages may hold patient data: log the type.
    except Exception as error:
        # For an operator's log; whoever gave the file is told by the error itself.
        log.info("%s file could not be decoded: %s", found.name, type(error).__name__)
        raise ImageError(
            f"{label} is damaged or incomplete: it cannot be read as {found.name}.", COPY_AGAIN
        ) from error


def _label(name: str) -> str:
    """A file's plain name in quotes, without directories and control characters."""
    plain = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    plain = "".join(c for c in plain if c.isprintable())
    if len(plain) > 60:
        plain = f"{plain[:40]}...{plain[-15:]}"
    return f"'{plain}'" if plain else "The file"


def _path_label(path: Path) -> str:
    """A path in quotes, with the folders that tell it from others of its name."""
    label = _label(path.name)
    folders = "".join(c for c in str(path.parent) if c.isprintable())
    return label if folders == "." or label == "The file" else f"'{folders}{os.sep}{label[1:]}"


def _read(path: Path, label: str, limits: Limits) -> bytes:
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(f"{label} is not an ordinary file.", f"Choose a {SUPPORTED} file.")
            limits.check_bytes(found.st_size, label)
            return file.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {label}.", "Check the path.") from error
    except IsADirectoryError as error:
        raise ImageError(f"{label} is a folder.", "Choose the pictures in it.") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{label} cannot be opened: {getattr(error, 'strerror', None) or 'invalid path'}.",
            "Check that it still exists and that you may read it.",
        ) from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Open so that a pipe without a writer does not block for ever (no such flag on Windows)."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size_check(limits: Limits, label: str) -> SizeCheck:
    return lambda width_px, height_px: limits.check_size(width_px, height_px, label)


def encode_png(image: RGBImage) -> bytes:
    """An RGB uint8 picture (H, W, 3) as a PNG file without metadata.

    Raises:
        ValueError: If the array is of another type or shape, or empty.
    """
    return _encode(image, ".png", [])


def encode_jpeg(image: RGBImage, quality: int = 90) -> bytes:
    """An RGB uint8 picture (H, W, 3) as a JPEG file without metadata.

    Args:
        image: The picture.
        quality: 1 (worst) to 100.

    Raises:
        ValueError: If the array is of another type or shape, or empty, or the quality out of range.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality: expected 1 to 100, got {quality}")
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encode(image: RGBImage, suffix: str, options: list[int]) -> bytes:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"expected (h, w, 3) uint8, got {image.shape} {image.dtype}")
    ok, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise ValueError(f"a picture of shape {image.shape} does not fit into {suffix}")
    return encoded.tobytes()
