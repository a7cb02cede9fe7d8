"""Words on pictures: labels of boxes and the strip below a picture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from allcell.formats.pixels import RGBImage

#: RGB, 0 to 255.
Colour = tuple[int, int, int]

#: Text, and the edges of lines and labels.
DARK: Colour = (20, 20, 20)
#: Capitals lower than this cannot be read.
SMALLEST_TEXT_PX = 9
_STRIP: Colour = (244, 244, 244)
_STRIP_TEXT: Colour = (70, 70, 70)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def text_px_for(shape: tuple[int, ...]) -> int:
    """Height of a label's capitals on an image of this shape (H, W, ...), in pixels."""
    return max(SMALLEST_TEXT_PX, min(40, round(min(shape[:2]) / 60)))


@lru_cache(maxsize=1024)
def label_plate(text: str, text_px: int, colour: Colour) -> RGBImage:
    """A label to copy onto a picture; cached, since video shows the same few again and again.

    Args:
        text: What it says.
        text_px: Height of its capitals.
        colour: Background colour, bright enough for dark text.

    Returns:
        RGB uint8 (h, w, 3), shared and not writeable.
    """
    width, height, baseline = text_size(text, text_px)
    pad = max(2, text_px // 4)
    plate = np.full((height + baseline + 2 * pad, width + 2 * pad, 3), colour, np.uint8)
    cv2.rectangle(plate, (0, 0), (plate.shape[1] - 1, plate.shape[0] - 1), DARK, 1)
    _write(plate, text, pad, pad + height, text_px, DARK)
    plate.flags.writeable = False
    return plate


@lru_cache(maxsize=64)
def _font_scale(text_px: int) -> float:
    """OpenCV's font scale at which capitals are this high."""
    (_, height), _ = cv2.getTextSize("H", _FONT, 10.0, 1)
    return 10.0 * text_px / height


@lru_cache(maxsize=4096)
def text_size(text: str, text_px: int) -> tuple[int, int, int]:
    """Width, height above and below the baseline, in pixels."""
    (width, height), baseline = cv2.getTextSize(text, _FONT, _font_scale(text_px), _weight(text_px))
    return width, height, baseline


def _weight(text_px: int) -> int:
    return max(1, text_px // 12)


def _write(image: RGBImage, text: str, x: int, y: int, text_px: int, colour: Colour) -> None:
    cv2.putText(
        image, text, (x, y), _FONT, _font_scale(text_px), colour, _weight(text_px), cv2.LINE_AA
    )


def text_strip(text: str, width_px: int) -> RGBImage:
    """A bar, RGB uint8 (h, W, 3), with the text, in as many lines as the width needs."""
    text_px = max(SMALLEST_TEXT_PX, min(28, width_px // 90))
    margin = text_px
    room = max(1, width_px - 2 * margin)
    longest = max(text.split(), key=lambda word: text_size(word, text_px)[0])
    while text_px > 4 and text_size(longest, text_px)[0] > room:
        text_px -= 1
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_size(joined, text_px)[0] <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    line_px = round(1.7 * text_px)
    strip = np.full((len(lines) * line_px + text_px, width_px, 3), _STRIP, np.uint8)
    for i, line in enumerate(lines):
        y = round(0.5 * text_px) + i * line_px + round(1.25 * text_px)
        _write(strip, line, min(margin, width_px // 20), y, text_px, _STRIP_TEXT)
    return strip
