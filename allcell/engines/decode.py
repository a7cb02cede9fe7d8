"""From a network's raw output to candidate boxes, for the three layouts that YOLOs export."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from allcell.detections import Detections, FloatArray
from allcell.errors import ModelError
from allcell.models.registry import OutputLayout


def _corners(cxcywh: FloatArray) -> FloatArray:
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)


def _anchor_based(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(N, 5 + classes): cx cy w h objectness classes, as YOLOv5 and YOLOv7 export it."""
    if output.ndim != 2 or output.shape[1] != 5 + classes:
        raise _misfit("anchor_based", f"(n, {5 + classes})", output)
    near = output[output[:, 4] >= floor]
    scores = near[:, 5:] * near[:, 4:5]
    return _named(near[:, :4], scores, floor, every)


def _anchor_free(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(4 + classes, N): cx cy w h classes, as YOLOv8 and YOLO11 export it."""
    if output.ndim != 2 or output.shape[0] != 4 + classes:
        raise _misfit("anchor_free", f"({4 + classes}, n)", output)
    scores = output[4:]
    near = np.flatnonzero(scores.max(axis=0) >= floor)
    return _named(output[:4, near].T, scores[:, near].T, floor, every)


def _end_to_end(output: FloatArray, classes: int, floor: float, every: bool) -> Detections:
    """(N, 6): x1 y1 x2 y2 score class, as NMS-free networks export it."""
    if output.ndim != 2 or output.shape[1] != 6:
        raise _misfit("end_to_end", "(n, 6)", output)
    near = output[output[:, 4] >= floor]
    class_id = near[:, 5].astype(np.int64)
    if len(class_id) and not (class_id.min() >= 0 and class_id.max() < classes):
        raise ModelError(
            f"The network answered with class {int(class_id.max())}, but {classes} are named.",
            "Check the class list of this model.",
        )
    return Detections(near[:, :4], near[:, 4], class_id)


def _named(cxcywh: FloatArray, scores: FloatArray, floor: float, every: bool) -> Detections:
    if every:
        row, class_id = np.nonzero(scores >= floor)
    else:
        class_id = scores.argmax(axis=1)
        row = np.flatnonzero(scores[np.arange(len(scores)), class_id] >= floor)
        class_id = class_id[row]
    confidence = np.clip(scores[row, class_id], 0, 1)
    return Detections(_corners(cxcywh[row]), confidence, class_id.astype(np.int64))


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
    """Candidate boxes in input pixels, before any suppression.

    Args:
        output: Raw output of one image.
        layout: How it is laid out.
        classes: Number of classes.
        floor: Lowest confidence (0 to 1) worth returning.
        every_class: Return a box once for each class that reaches the floor, not for its best
            class only. (An NMS-free network has made that choice already.)

    Raises:
        ModelError: If the shape does not fit the layout.
    """
    return _DECODERS[layout](output, classes, floor, every_class)
