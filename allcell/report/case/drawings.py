"""The pictures of a case: fields with their boxes and a scale bar, and crops of its cells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from allcell.formats.pixels import RGBImage
from allcell.report.case.contents import CaseContents
from allcell.review.cells import Box, FieldReview, ReviewedCell
from allcell.review.labels import NOT_A_CELL
from allcell.settings import RESEARCH_USE

FONTS = Path(__file__).resolve().parent.parent / "fonts"
_DARK = (20, 20, 20)
_OTHER = (240, 240, 240)
#: Lengths of a scale bar in micrometres.
_BARS_UM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@lru_cache(maxsize=64)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has most alphabets; OpenCV's letters are English alone."""
    return ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), size_px)


def annotated(contents: CaseContents, one: FieldReview, image: RGBImage) -> RGBImage:
    """A field with its boxes, a scale bar if its scale is known, and a strip with what to say.

    A confirmed cell has a solid box, a suggested one a dashed box; what was removed or is no cell
    has none. Labels are the cells' numbers on the screen, and their classes where there is room.

    Args:
        contents: The case.
        one: The field.
        image: Its picture, RGB uint8 (H, W, 3); not modified.

    Returns:
        RGB uint8 (H + strip, W, 3).
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    text_px = max(11, min(40, round(min(image.shape[:2]) / 50)))
    line_px = max(2, round(min(image.shape[:2]) / 300))
    shown = [cell for cell in one.cells if cell.counts]
    for cell in shown:
        _box(pen, cell.xyxy, _colour(contents, cell), line_px, dashed=cell.state == "suggested")
    for cell in shown:
        _label(pen, cell, _colour(contents, cell), text_px, picture.size)
    if one.origin.um_per_px:
        _scale_bar(pen, one.origin.um_per_px, text_px, picture.size)
    said = [RESEARCH_USE, one.why_not_counted, f"{one.origin.model}: {one.origin.made.sentence}"]
    return np.concatenate(
        [np.asarray(picture), _strip(" ".join(filter(None, said)), *picture.size)]
    )


def _colour(contents: CaseContents, cell: ReviewedCell) -> tuple[int, int, int]:
    label = contents.review.labels.by_name.get(cell.label)
    return label.colour if label else _OTHER


def _box(
    pen: ImageDraw.ImageDraw,
    xyxy: Box,
    colour: tuple[int, int, int],
    line_px: int,
    *,
    dashed: bool,
) -> None:
    x1, y1, x2, y2 = (round(side) for side in xyxy)
    # A dark line below keeps it visible on any stain.
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=_DARK, width=line_px + 2)
    if not dashed:
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=line_px)
        return
    step = 4 * line_px
    for start in range(x1, x2, 2 * step):
        for y in (y1, y2):
            pen.line((start, y, min(start + step, x2), y), fill=colour, width=line_px)
    for start in range(y1, y2, 2 * step):
        for x in (x1, x2):
            pen.line((x, start, x, min(start + step, y2)), fill=colour, width=line_px)


def _label(
    pen: ImageDraw.ImageDraw,
    cell: ReviewedCell,
    colour: tuple[int, int, int],
    text_px: int,
    size: tuple[int, int],
) -> None:
    x1, y1, x2, y2 = cell.xyxy
    letters = font(text_px)
    text = f"{cell.number} {cell.label}"
    if letters.getlength(text) > 1.3 * (x2 - x1):
        text = str(cell.number)
    left, top, right, bottom = letters.getbbox(text)
    pad = max(2, text_px // 5)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0, min(x1, size[0] - width))
    y = y1 - height if y1 >= height else min(y2, size[1] - height)
    pen.rectangle((x, y, x + width, y + height), fill=colour, outline=_DARK)
    pen.text((x + pad - left, y + pad - top), text, fill=_DARK, font=letters)


def bar_um(um_per_px: float, width_px: int) -> int:
    """The length of a scale bar: a round number, about a sixth of the picture's width or less."""
    fitting = [length for length in _BARS_UM if length / um_per_px <= width_px / 6]
    return fitting[-1] if fitting else _BARS_UM[0]


def _scale_bar(
    pen: ImageDraw.ImageDraw, um_per_px: float, text_px: int, size: tuple[int, int]
) -> None:
    length_um = bar_um(um_per_px, size[0])
    length_px = length_um / um_per_px
    letters, pad = font(text_px), max(4, text_px // 2)
    text = f"{length_um} µm"
    width = max(length_px, letters.getlength(text)) + 2 * pad
    height = 2 * text_px + 2 * pad
    right, bottom = size[0] - pad, size[1] - pad
    pen.rectangle((right - width, bottom - height, right, bottom), fill=(255, 255, 255))
    x, y = right - width + (width - length_px) / 2, bottom - pad
    pen.rectangle((x, y - max(3, text_px // 4), x + length_px - 1, y), fill=_DARK)
    middle = right - width / 2 - letters.getlength(text) / 2
    pen.text((middle, bottom - height + pad // 2), text, fill=_DARK, font=letters)


def _strip(text: str, width: int, height: int) -> RGBImage:
    """Text below a picture, broken into lines."""
    size = max(10, min(28, min(width, height) // 45))
    letters, pad = font(size), max(4, size // 2)
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and letters.getlength(longer) > width - 2 * pad:
            lines.append(line)
            longer = word
        line = longer
    lines.append(line)
    step = round(1.35 * size)
    strip = Image.new("RGB", (width, 2 * pad + step * len(lines)), (244, 244, 244))
    pen = ImageDraw.Draw(strip)
    for number, words in enumerate(lines):
        pen.text((pad, pad + number * step), words, fill=(70, 70, 70), font=letters)
    return np.asarray(strip)


def gallery(
    contents: CaseContents,
) -> Iterable[tuple[str, list[tuple[FieldReview, ReviewedCell]]]]:
    """The cells of counted fields by the class that stands, in the order of the classes."""
    for label in contents.review.labels.all:
        if label.name == NOT_A_CELL:
            continue
        cells = [
            (one, cell)
            for one in contents.review.counted
            for cell in one.cells
            if cell.counts and cell.label == label.name
        ]
        if cells:
            yield label.name, cells
