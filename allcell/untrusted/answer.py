"""What an untrusted network answers: the run with its time limit, and the ways to read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.engines.base import Engine
from allcell.errors import ModelError
from allcell.models.registry import OutputLayout
from allcell.untrusted.time_limit import time_limit

#: A network with built-in non-maximum suppression answers with a few hundred boxes; others, with
#: thousands of candidates.
_MOST_FINISHED_BOXES = 1000
#: If no coordinate is larger than this, they are fractions of the picture, not pixels.
_FRACTIONS_PX = 2.0
#: Rounding may take scores this far outside 0 to 1.
_ROUNDING = 1e-3
#: Centres of a network's boxes exceed its input by no more than this share of it, or it answers in
#: pixels of a picture of another size. A few may: what it is unsure of may lie anywhere.
_BEYOND = 0.1
#: Rounding may make a box of no size this much smaller than nothing.
_ROUNDING_PX = 1.0
#: Fewer boxes than these do not tell in which way a network writes them.
_ENOUGH_BOXES = 10
#: Share of boxes that must agree.
_NEARLY_ALL = 0.99
#: Where all boxes of a network lie that answers before its last step: in this part of each side.
_CORNER = 0.125


@dataclass(frozen=True)
class Fit:
    """One way to read an output.

    Attributes:
        layout: How boxes and scores are laid out in it.
        classes: Number of classes it has room for; None for any number, as each box names its own.
        turned: Whether rows and columns are exchanged: one row for each box of YOLOv8.
        centred: Whether finished boxes are cx cy w h, not corners: ultralytics' RT-DETR since 8.4.
    """

    layout: OutputLayout
    classes: int | None
    turned: bool = False
    centred: bool = False


def answer(engine: Engine, picture: npt.NDArray[np.uint8]) -> FloatArray:
    """Run an untrusted network, whose graph may do anything, on one picture.

    Args:
        engine: The network.
        picture: As `Engine.run` takes it.

    Returns:
        Its answer, an array of any shape.

    Raises:
        ModelError: If it fails, takes too long, or answers with something else.
        RunInterrupted: If somebody interrupted it.
    """
    try:
        with time_limit(engine):
            return engine.run(picture)
    except (IndexError, TypeError, ValueError) as error:
        raise ModelError(
            "The network does not answer with one table of numbers for each picture.",
            "Export the detector alone, without further steps such as non-maximum suppression.",
        ) from error


def fits(shape: tuple[int, ...], input_px: tuple[int, int]) -> tuple[Fit, ...]:
    """The ways to read an output, the likeliest first.

    Args:
        shape: Of the answer to one picture.
        input_px: Width and height of that picture.
    """
    if len(shape) != 2:
        return ()
    rows, columns = shape
    # No grid is that small: the network has done its own non-maximum suppression, and found little.
    if columns == 6 and rows <= 6:
        return (Fit("end_to_end", None),)
    found: list[Fit] = []
    # There are more boxes than numbers for each box, which tells rows from columns.
    if 5 <= rows <= columns:
        found.append(Fit("anchor_free", rows - 4))
    if columns == 6 <= rows <= _MOST_FINISHED_BOXES:
        found.append(Fit("end_to_end", None))
    if 6 <= columns <= rows:
        found.append(Fit("anchor_based", columns - 5))
    # YOLOv5 has three boxes in each cell of its three grids, whose cells are 8, 16 and 32 pixels:
    # 3 w h (1/64 + 1/256 + 1/1024) = 63 w h / 1024. YOLOv8 has one.
    if 1024 * rows == 63 * input_px[0] * input_px[1]:
        found.sort(key=lambda fit: fit.layout != "anchor_based")
    elif 5 <= columns < rows:
        found.append(Fit("anchor_free", columns - 4, turned=True))
        if 1024 * rows == 21 * input_px[0] * input_px[1]:
            found.sort(key=lambda fit: fit.layout != "anchor_free")
        elif rows <= _MOST_FINISHED_BOXES:
            # No grid, but the few hundred queries of a transformer (RT-DETR).
            found.sort(key=lambda fit: fit.layout == "anchor_based")
    return tuple(found)


def are_fractions(
    output: FloatArray, layout: OutputLayout, input_px: tuple[int, int]
) -> bool | None:
    """Whether an answer has its boxes in fractions of the picture, as RT-DETR's is.

    Args:
        output: (rows, columns).
        layout: How to read it.
        input_px: Width and height of the input.

    Returns:
        None if there is no box to tell it by.
    """
    boxes, scores = _parts(output, layout)
    there = boxes[scores.max(axis=1, initial=0) > 0]
    largest = float(np.abs(there).max(initial=0))
    return largest <= _FRACTIONS_PX < min(input_px) / 8 if largest > 0 else None


def in_pixels(output: FloatArray, layout: OutputLayout, input_px: tuple[int, int]) -> FloatArray:
    """An answer in fractions of the picture as one in pixels; arguments as in `are_fractions`."""
    scaled = output.copy()
    boxes, _ = _parts(scaled, layout)
    boxes *= np.array([*input_px, *input_px], boxes.dtype)
    return scaled


def are_centred(output: FloatArray, input_px: tuple[int, int]) -> bool:
    """Whether finished boxes are centre and size: not all can be corners, and each lies inside.

    Args:
        output: (rows, 6), boxes in pixels.
        input_px: Width and height of the input.
    """
    boxes = output[output[:, 4] > 0, :4]
    if not np.isfinite(boxes).all():
        return False
    share = boxes.reshape(-1, 2, 2) / np.array(input_px)
    first, size = share[:, 0], share[:, 1]
    is_inside = (first - size / 2 > -_BEYOND) & (first + size / 2 < 1 + _BEYOND) & (size >= 0)
    return (
        len(boxes) >= _ENOUGH_BOXES
        and bool((boxes[:, 2:] - boxes[:, :2] < -_ROUNDING_PX).any())
        and float(is_inside.all(axis=1).mean()) >= _NEARLY_ALL
    )


def as_corners(output: FloatArray) -> FloatArray:
    """Finished boxes (rows, 6) whose centre and size are made corners."""
    centre, half = output[:, :2], output[:, 2:4] / 2
    return np.hstack([centre - half, centre + half, output[:, 4:]])


def is_mute(output: FloatArray, fit: Fit) -> bool:
    """Whether all scores of an answer are exactly 0, which those of a sigmoid never are.

    Quantised to 8 bits in one table with boxes of some hundred pixels, they are rounded to 0.

    Args:
        output: As the network answers.
        fit: How to read it.
    """
    boxes, scores = _parts(output.T if fit.turned else output, fit.layout)
    return fit.layout != "end_to_end" and len(boxes) >= _ENOUGH_BOXES and not scores.any()


def _parts(output: FloatArray, layout: OutputLayout) -> tuple[FloatArray, FloatArray]:
    """Views of the boxes (N, 4) and the scores (N, any) of an answer."""
    rows = output.T if layout == "anchor_free" else output
    return rows[:, :4], rows[:, 4:5] if layout == "end_to_end" else rows[:, 4:]


def check_values(output: FloatArray, layout: OutputLayout, input_px: tuple[int, int]) -> None:
    """Refuse numbers that a detector of this layout would not answer with.

    Args:
        output: (rows, columns).
        layout: How to read it.
        input_px: Width and height of the input.

    Raises:
        ModelError: If a score is not within 0 to 1, a class number is not whole, or a box is not
            in pixels, ends before it begins or is two corners where a centre belongs.
    """
    if not np.isfinite(output).all():
        raise ModelError(
            "The network answers with numbers that are infinite or NaN.",
            "Export it again, in full precision.",
        )
    boxes, scores = _parts(output, layout)
    check_scores(output, layout)
    check_extent(boxes, scores, layout)
    if layout != "end_to_end":
        _check_centres(boxes, scores, layout, input_px)
    there = boxes[scores.max(axis=1, initial=0) > 0] if layout == "end_to_end" else boxes
    centres = (there[:, :2] + there[:, 2:]) / 2 if layout == "end_to_end" else there[:, :2]
    share = centres / np.array(input_px)
    outside = ((share < -_BEYOND) | (share > 1 + _BEYOND)).any(axis=1)
    if 2 * int(outside.sum()) > len(there):
        width, height = input_px
        raise ModelError(
            f"Read as {layout}, {int(outside.sum())} of {len(there)} boxes lie outside the "
            f"{width} x {height} pixels of the input.",
            "Export it with boxes in pixels of the input, or choose another layout.",
        )


def check_scores(output: FloatArray, layout: OutputLayout) -> None:
    """Refuse scores that are none, and class numbers that are not whole.

    Args:
        output: (rows, columns).
        layout: How to read it.

    Raises:
        ModelError: If there are such.
    """
    _, scores = _parts(output, layout)
    low, high = float(scores.min(initial=0)), float(scores.max(initial=0))
    if layout == "end_to_end":
        classes = output[output[:, 4] > 0, 5]
        if len(classes) and not (np.equal(classes, np.rint(classes)).all() and classes.min() >= 0):
            raise ModelError(
                "Read as end_to_end, the sixth number of a box should be its class, but it is not "
                "a whole number.",
                "Export it with rows of x1 y1 x2 y2 score class, or choose another layout.",
            )
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ModelError(
            f"Read as {layout}, the scores go from {low:.3g} to {high:.3g}, expected 0 to 1.",
            "Choose another layout, or export it with its last step (the sigmoid).",
        )


def check_extent(boxes: FloatArray, scores: FloatArray, layout: OutputLayout) -> None:
    """Refuse boxes that end before they begin: they are read in another way than they are meant.

    Args:
        boxes: Shape (N, 4), as the layout has them.
        scores: Shape (N, any): boxes without a score above 0 are none.
        layout: How the answer is read.

    Raises:
        ModelError: If there is such a box.
    """
    sizes = boxes[:, 2:] - boxes[:, :2] if layout == "end_to_end" else boxes[:, 2:]
    wrong = (sizes.min(axis=1) < -_ROUNDING_PX) & (scores.max(axis=1, initial=0) > 0)
    if wrong.any():
        width, height = sizes[wrong][0]
        meant = "x1 y1 x2 y2" if layout == "end_to_end" else "cx cy w h"
        raise ModelError(
            f"Read as {layout}, {int(wrong.sum())} of {len(boxes)} boxes have a negative width or "
            f"height, the first {width:.4g} x {height:.4g} pixels.",
            f"Export it with boxes as {meant} in pixels, or choose another layout.",
        )


def _check_centres(
    boxes: FloatArray, scores: FloatArray, layout: OutputLayout, input_px: tuple[int, int]
) -> None:
    """Refuse boxes that are two corners, and a class number where its score belongs.

    Read as centre and size, boxes of corners lie elsewhere and are far too large.
    """
    whole = np.equal(scores, np.rint(scores)).all(axis=0)
    if layout == "anchor_free" and not whole.all() and scores[:, whole].any():
        raise ModelError(
            "Read as anchor_free, one of the scores is a whole number in every box, as the number "
            "of a class is.",
            "Export it with rows of x1 y1 x2 y2 score class, or with a score for each class.",
        )
    there = boxes[scores.max(axis=1, initial=0) > 0]
    share = there.reshape(-1, 2, 2) / np.array(input_px)
    first, second = share[:, 0], share[:, 1]
    if len(there) >= _ENOUGH_BOXES and first.max() < _CORNER:
        width, height = there[:, :2].max(axis=0)
        raise ModelError(
            f"Read as {layout}, all {len(there)} boxes have their centre within {width:.3g} x "
            f"{height:.3g} pixels of the corner: they seem to be places in a grid, not in pixels.",
            "Export it with its last step (YOLOX: with --decode_in_inference).",
        )
    ordered = ((second >= first) & (second <= 1 + _BEYOND)).all(axis=1)
    beyond = (first + second / 2 > 1 + _BEYOND).any(axis=1)
    if len(there) >= _ENOUGH_BOXES and ordered.mean() >= _NEARLY_ALL and beyond.any():
        raise ModelError(
            f"Read as {layout}, the third and fourth number of the boxes always exceed the first "
            "two: they seem to be x1 y1 x2 y2, not centre and size.",
            "Export it with boxes as cx cy w h in pixels.",
        )
