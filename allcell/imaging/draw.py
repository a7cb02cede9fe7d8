"""Image + Detections -> annotated image.

Classes differ by line style and label as well as by colour, for the colour-blind and for greyscale
prints; a dark edge under every line keeps it visible on any stain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from allcell.cautions import WITHHELD
from allcell.detections import Detections
from allcell.formats.pixels import RGBImage
from allcell.imaging.lettering import (
    DARK,
    SMALLEST_TEXT_PX,
    Colour,
    label_plate,
    text_px_for,
    text_size,
    text_strip,
)
from allcell.models.classes import CELL_CLASSES, LineStyle
from allcell.settings import RESEARCH_USE

#: RGB, 0 to 255, bright enough for dark text on them.
CLASS_COLOURS: dict[str, Colour] = {cell.name: cell.colour for cell in CELL_CLASSES}
#: The same for charts, such as "#ffd60a".
CLASS_COLOURS_HEX = {name: "#{:02x}{:02x}{:02x}".format(*c) for name, c in CLASS_COLOURS.items()}
#: How the box of each class is drawn.
CLASS_LINES: dict[str, LineStyle] = {cell.name: cell.line for cell in CELL_CLASSES}

#: Boxes whose class is withheld: grey, which no class is.
WITHHELD_COLOUR: Colour = (176, 176, 176)
WITHHELD_COLOUR_HEX = "#b0b0b0"
WITHHELD_LINE: LineStyle = "solid"

#: Outcome of a box or a cell against ground truth, each with its own symbol.
FOUND, FALSE_ALARM, MISSED = "✓ Found", "✗ False alarm", "○ Missed"
OUTCOME_COLOURS_HEX = {FOUND: "#6cc6ff", FALSE_ALARM: "#ff9f1c", MISSED: "#ffffff"}
OUTCOME_LINES: dict[str, LineStyle] = {FOUND: "solid", FALSE_ALARM: "dashed", MISSED: "dotted"}

_COLOURS = CLASS_COLOURS | {WITHHELD: WITHHELD_COLOUR}
_LINES = CLASS_LINES | {WITHHELD: WITHHELD_LINE}
_OTHER_COLOUR: Colour = (240, 240, 240)
#: Width of the dark edge on each side of a line.
_EDGE_PX = 1


@dataclass(frozen=True)
class Style:
    """How boxes and labels look.

    Attributes:
        line_px: Thickness of the coloured line; None adapts it to image and box.
        text_px: Height of the label's capitals; None adapts it to image and box.
        names: "long" writes 'blast 0.93', "short" 'B 0.93', "fit" the long form on all boxes of a
            picture if each has room for it, else the short one on all.
        confidence: Whether labels show the confidence (turn off for ground truth).
    """

    line_px: int | None = None
    text_px: int | None = None
    names: Literal["long", "short", "fit"] = "fit"
    confidence: bool = True


DEFAULT_STYLE = Style()


def draw(
    image: RGBImage,
    detections: Detections,
    classes: tuple[str, ...],
    *,
    style: Style = DEFAULT_STYLE,
    labels: bool = True,
    notice: bool = True,
    synthetic: bool = False,
    remark: str = "",
    numbered: bool = False,
    made: str = "",
) -> RGBImage:
    """A copy of an image with its boxes, and the research-use notice below it.

    Args:
        image: RGB uint8 (H, W, 3); not modified.
        detections: Boxes in pixels of this image; parts outside are cut off.
        classes: Names by class index. Names without a colour of their own are drawn in white.
        style: Thickness, text size and wording.
        labels: Whether to write class and confidence at each box.
        notice: Whether to add a strip with the research-use notice *below* the picture.
        synthetic: Whether the strip, which is then added in any case, says 'Synthetic image.'
        remark: What else the strip, which is then added in any case, has to say.
        numbered: Whether labels begin with the box's number, from 1.
        made: How the boxes came about; the strip, if there is one, ends with it.

    Returns:
        RGB uint8 (H + strip, W, 3).

    Raises:
        ValueError: If the image is not RGB uint8, or a class index has no name.
    """
    annotated = np.array(image, order="C")
    draw_into(annotated, detections, classes, style=style, labels=labels, numbered=numbered)
    said = ("Synthetic image." * synthetic, remark, RESEARCH_USE * notice, made * notice)
    if not (words := [text for text in said if text]):
        return annotated
    return np.concatenate([annotated, text_strip(" ".join(words), annotated.shape[1])])


def draw_into(
    image: RGBImage,
    detections: Detections,
    classes: tuple[str, ...],
    *,
    style: Style = DEFAULT_STYLE,
    labels: bool = True,
    numbered: bool = False,
) -> None:
    """Draw boxes into the image itself: for video, where a copy per frame is a waste.

    Args:
        image: RGB uint8 (H, W, 3), C-contiguous and writeable.
        detections: See `draw`.
        classes: See `draw`.
        style: See `draw`.
        labels: See `draw`.
        numbered: See `draw`.

    Raises:
        ValueError: If the image is of another type, or a class index has no name.
    """
    # Plain numbers: for a few boxes, numpy's calls cost more time than they save.
    xyxy, class_ids = detections.xyxy.tolist(), detections.class_id.tolist()
    confidence = detections.confidence.tolist()
    _check(image, class_ids, classes)
    height, width = image.shape[:2]
    names = [classes[c] for c in class_ids]
    corners = {}
    # The best come last: where cells overlap, the more confident box lies on top.
    for i in sorted(range(len(confidence)), key=confidence.__getitem__):
        placed = _corners(xyxy[i], width, height)
        if placed is not None:
            corners[i] = placed
    shown = list(corners)
    for i in shown:
        _box(image, corners[i], names[i], style)
    if not labels or not shown:
        return
    # After all boxes, so that no line crosses a label.
    scores = [f" {c:.2f}" if style.confidence else "" for c in confidence]
    heads = [f"{n} " if numbered else "" for n in range(1, len(confidence) + 1)]
    text_px = style.text_px or text_px_for(image.shape)
    texts = {i: f"{heads[i]}{names[i]}{scores[i]}" for i in shown}
    fits = style.names == "fit" and all(_has_room(texts[i], text_px, corners[i]) for i in shown)
    if not fits and style.names != "long":
        texts = {i: f"{heads[i]}{names[i][:1].upper()}{scores[i]}" for i in shown}
    shrinks = style.names == "fit" and not fits and style.text_px is None
    for i in shown:
        _label(image, corners[i], names[i], texts[i], text_px, shrinks=shrinks)


def _check(image: RGBImage, class_ids: list[int], classes: tuple[str, ...]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"expected (h, w, 3) uint8, got {image.shape} {image.dtype}")
    if not (image.flags.c_contiguous and image.flags.writeable):
        raise ValueError("expected a C-contiguous, writeable image to draw into")
    if class_ids and not 0 <= min(class_ids) <= max(class_ids) < len(classes):
        raise ValueError(
            f"class indices {min(class_ids)} to {max(class_ids)}: only {len(classes)} names given"
        )


def _corners(xyxy: list[float], width_px: int, height_px: int) -> list[int] | None:
    """Left, top, right, bottom in whole pixels, cut to the image; None if all of it is outside."""
    x1, y1, x2, y2 = xyxy
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    if round(right) < 0 or round(left) >= width_px or round(bottom) < 0 or round(top) >= height_px:
        return None
    return [
        max(0, round(left)),
        max(0, round(top)),
        min(width_px - 1, round(right)),
        min(height_px - 1, round(bottom)),
    ]


def _box(image: RGBImage, corners: list[int], name: str, style: Style) -> None:
    """Draw the four sides of a box, centred on its edges."""
    left, top, right, bottom = corners
    line_px = style.line_px or _line_px(image.shape, right - left, bottom - top)
    line_px = min(line_px, min(image.shape[:2]) - 2 * _EDGE_PX)
    if line_px < 1:
        return  # a picture of two pixels has no room for a line and its edges
    reach = line_px // 2 + _EDGE_PX
    band = line_px + 2 * _EDGE_PX
    # Kept whole inside the image; a box of no size becomes as large as its corners.
    x1 = max(0, min(left - reach, image.shape[1] - band))
    y1 = max(0, min(top - reach, image.shape[0] - band))
    x2 = max(x1 + band, min(right - reach + band, image.shape[1]))
    y2 = max(y1 + band, min(bottom - reach + band, image.shape[0]))
    colour = _COLOURS.get(name, _OTHER_COLOUR)
    line = _LINES.get(name, "solid")
    upper, lower, _ = _sides(x2 - x1, line_px, line, colour)
    _, _, upright = _sides(y2 - y1, line_px, line, colour)
    # Slices take half the time of OpenCV's lines, and a third for broken lines.
    image[y1 : y1 + band, x1:x2] = upper
    image[y2 - band : y2, x1:x2] = lower
    image[y1 + band : y2 - band, x1 : x1 + band] = upright
    image[y1 + band : y2 - band, x2 - band : x2] = upright


def _line_px(shape: tuple[int, ...], width_px: int, height_px: int) -> int:
    """Thick enough for the image, but no frame thicker than a twelfth of its box."""
    return max(1, min(round(min(shape[:2]) / 240), min(width_px, height_px) // 12))


@lru_cache(maxsize=512)
def _sides(
    length_px: int, line_px: int, line: LineStyle, colour: Colour
) -> tuple[RGBImage, RGBImage, RGBImage]:
    """Upper and lower side of a box with its corners, and an upright side between them.

    The dark edge surrounds the line even where it is broken; every corner is coloured.
    """
    band = line_px + 2 * _EDGE_PX
    upper = np.full((band, length_px, 3), DARK, np.uint8)
    for start, stop in _dashes(length_px - 2 * _EDGE_PX, line_px, line):
        upper[_EDGE_PX:-_EDGE_PX, _EDGE_PX + start : _EDGE_PX + stop] = colour
    # Copied before the corners are opened to the upright sides.
    upright = np.ascontiguousarray(upper[:, band : max(band, length_px - band)].transpose(1, 0, 2))
    upper[_EDGE_PX:, _EDGE_PX : band - _EDGE_PX] = colour
    upper[_EDGE_PX:, length_px - band + _EDGE_PX : length_px - _EDGE_PX] = colour
    return upper, np.ascontiguousarray(upper[::-1]), upright


def _dashes(length_px: int, line_px: int, line: LineStyle) -> list[tuple[int, int]]:
    """Start and stop of a line's dashes, evenly spaced, one at each end; a short line has two."""
    if line == "solid":
        return [(0, length_px)]
    on_px, off_px = (line_px, 2 * line_px) if line == "dotted" else (4 * line_px, 3 * line_px)
    gaps = max(1, round((length_px - on_px) / (on_px + off_px)))
    on_px = max(1, min(on_px, length_px // 3))
    step = (length_px - on_px) / gaps
    return [(round(k * step), round(k * step) + on_px) for k in range(gaps + 1)]


def _label(
    image: RGBImage, corners: list[int], name: str, text: str, text_px: int, *, shrinks: bool
) -> None:
    left, top, _, bottom = corners
    while shrinks and text_px > SMALLEST_TEXT_PX and not _has_room(text, text_px, corners):
        text_px -= 1
    plate = label_plate(text, text_px, _COLOURS.get(name, _OTHER_COLOUR))
    box_h, box_w = plate.shape[:2]
    # Above the box, else below it, else inside its top; never beyond the picture.
    inside_or_below = bottom + 1 if bottom + box_h < image.shape[0] else top
    y = top - box_h if top >= box_h else inside_or_below
    x = max(0, min(left, image.shape[1] - box_w))
    y = max(0, min(y, image.shape[0] - box_h))
    place = image[y : y + box_h, x : x + box_w]
    place[:] = plate[: place.shape[0], : place.shape[1]]


def _has_room(text: str, text_px: int, corners: list[int]) -> bool:
    """Whether a label is hardly wider than its box."""
    return text_size(text, text_px)[0] <= 1.2 * (corners[2] - corners[0])
