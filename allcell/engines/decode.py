"""From a network's raw output to candidate boxes, for the three layouts that YOLOs export."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from allcell.detections import Detections, FloatArray
from allcell.errors import ModelError
from allcell.models.registry import OutputLayout


def _anchor_based(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(N, 5 + classes): cx cy w h objectness classes, as YOLOv5 and YOLOv7 export it."""
    if output.ndim != 2 or output.shape[1] != 5 + classes:
        raise _misfit("anchor_based", f"(n, {5 + classes})", output)
    kept = output[output[:, 4] >= floor].T
    kept[5:] *= kept[4]
    return _named(kept[:4], kept[5:], floor, every)


def _anchor_free(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(4 + classes, N): cx cy w h classes, as YOLOv8 and YOLO11 export it."""
    if output.ndim != 2 or output.shape[0] != 4 + classes:
        raise _misfit("anchor_free", f"({4 + classes}, n)", output)
    return _named(output[:4], output[4:], floor, every)


def _end_to_end(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(N, 6): x1 y1 x2 y2 score class, as NMS-free networks export it."""
    if output.ndim != 2 or output.shape[1] != 6:
        raise _misfit("end_to_end", "(n, 6)", output)
    kept = output[output[:, 4] >= floor]
    class_id = kept[:, 5].astype(np.int64)
    if len(class_id) and not (class_id.min() >= 0 and class_id.max() < classes):
        raise ModelError(
            f"The network answered with class {int(class_id.max())}, but {classes} are named.",
            "Check the class list of this model.",
        )
    return Detections(kept[:, :4], kept[:, 4], class_id)


def _named(cxcywh: FloatArray, scores: FloatArray, floor: float, every: bool) -> Detections:
    """Boxes with their classes, from columns cx cy w h (4, N) and class scores (classes, N)."""
    if every:
        class_id, column = np.nonzero(scores >= floor)
        confidence = scores[class_id, column]
    else:
        best = scores.max(axis=0)
        column = np.flatnonzero(best >= floor)
        class_id, confidence = scores[:, column].argmax(axis=0), best[column]
    kept = cxcywh[:, column]
    half = 0.5 * kept[2:]
    xyxy = np.concatenate([kept[:2] - half, kept[:2] + half]).T
    return Detections(xyxy, np.minimum(confidence, 1), class_id)


def _misfit(layout: str, expected: str, output: FloatArray) -> ModelError:
    return ModelError(
        f"The network's output has shape {output.shape}, expected {expected} ({layout}).",
        "Choose the layout and the number of classes that this model was exported with.",
    )


_DECODERS: dict[OutputLayout, Callable[[FloatArray, int, float, bool], Detections]] = {
    "anchor_based": _anchor_based,
    "anchor_free": _anchor_free,
    "end_to_end": _end_to_end,
}


def decode(
    output: FloatArray,
    layout: OutputLayout,
    classes: int,
    floor: float,
    *,
    every_class: bool = False,
) -> Detections:
    """Candidate boxes in input pixels, before non-maximum suppression.

    Args:
        output: Raw output of one image, two-dimensional; its shape depends on the layout.
        layout: How it is laid out.
        classes: Number of classes.
        floor: Lowest confidence (0 to 1) worth returning.
        every_class: Return a box once for each class that reaches the floor, not for its best
            class only. (An NMS-free network has made that choice already.)

    Raises:
        ModelError: If the shape does not fit the layout, or a class number is out of range.
    """
    return _DECODERS[layout](output, classes, floor, every_class)
