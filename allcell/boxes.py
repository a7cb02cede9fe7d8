"""Geometry of axis-aligned boxes in pixels, x1 y1 x2 y2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from allcell.detections import Detections, FloatArray, IntArray


def area(xyxy: FloatArray) -> FloatArray:
    """Areas (N,) in square pixels of boxes (N, 4); a degenerate box has 0."""
    wh = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    return np.asarray(wh[:, 0] * wh[:, 1], dtype=np.float32)


def intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection areas (N, M) of boxes (N, 4) and (M, 4)."""
    ax1, ay1, ax2, ay2 = a.T[:, :, None]
    bx1, by1, bx2, by2 = b.T
    width = np.minimum(ax2, bx2) - np.maximum(ax1, bx1)
    height = np.minimum(ay2, by2) - np.maximum(ay1, by1)
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0), dtype=np.float32)


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection over union (N, M), 0 to 1."""
    both = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - both
    return np.asarray(both / np.maximum(union, 1e-9), dtype=np.float32)


def clip(xyxy: FloatArray, width_px: float, height_px: float) -> FloatArray:
    """Boxes cut to an image of the given size."""
    limits = np.array([width_px, height_px, width_px, height_px], np.float32)
    # Not np.clip, which takes twice as long on a few boxes.
    return np.asarray(np.minimum(np.maximum(xyxy, 0), limits), dtype=np.float32)


def nms(xyxy: FloatArray, confidence: FloatArray, iou_threshold: float) -> IntArray:
    """Greedy non-maximum suppression.

    OpenCV's: the array of all pairs, in numpy, takes four times as long on a hundred boxes.

    Args:
        xyxy: Boxes (N, 4).
        confidence: Scores (N,), 0 to 1.
        iou_threshold: A box that overlaps a better one by more than this IoU is dropped.

    Returns:
        Indices of the kept boxes, best first; none of a score of 0.
    """
    xywh = np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), confidence.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def suppress(
    detections: Detections, iou_threshold: float, *, across_classes: bool = True
) -> Detections:
    """Keep the best of overlapping boxes, best first.

    Args:
        detections: Candidates.
        iou_threshold: See `nms`.
        across_classes: One cell has one class: boxes of different classes compete too.
    """
    if len(detections) == 0:
        return detections
    xyxy = detections.xyxy
    if not across_classes:
        span = float(xyxy.max() - xyxy.min()) + 1.0
        xyxy = xyxy + (detections.class_id[:, None] * span).astype(np.float32)
    return detections[nms(xyxy, detections.confidence, iou_threshold)]


@dataclass(frozen=True)
class Letterbox:
    """How a source image lies in a network input: scaled, then padded at right and bottom.

    Attributes:
        source_width_px: Width of the source image.
        source_height_px: Height of the source image.
        width_px: Width of the scaled image inside the input.
        height_px: Height of the scaled image inside the input.
        input_width_px: Width of the network input.
        input_height_px: Height of the network input.
    """

    source_width_px: int
    source_height_px: int
    width_px: int
    height_px: int
    input_width_px: int
    input_height_px: int

    @property
    def scale_x(self) -> float:
        """Input pixels per source pixel, horizontally."""
        return self.width_px / self.source_width_px

    @property
    def scale_y(self) -> float:
        """Likewise vertically."""
        return self.height_px / self.source_height_px

    @cached_property
    def _factors(self) -> FloatArray:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)

    def to_source(self, xyxy: FloatArray) -> FloatArray:
        """Boxes in input pixels (N, 4) as boxes in source pixels."""
        return np.asarray(xyxy / self._factors, dtype=np.float32)

    def to_input(self, xyxy: FloatArray) -> FloatArray:
        """Boxes in source pixels (N, 4) as boxes in input pixels."""
        return np.asarray(xyxy * self._factors, dtype=np.float32)


#: A picture may shrink by this much more than asked, to save a row of padding blocks.
SHRINK_TOLERANCE = 0.045


def letterbox(width_px: int, height_px: int, scale: float, stride_px: int) -> Letterbox:
    """Fit an image at a scale into the smallest rectangle of whole strides.

    A side that only just spills over a multiple of the stride shrinks to it (by at most
    `SHRINK_TOLERANCE`, both sides alike): the padding it saves is pure time.

    Args:
        width_px: Source width.
        height_px: Source height.
        scale: Wanted input pixels per source pixel, above 0.
        stride_px: The network's largest stride.

    Raises:
        ValueError: If a size, the scale or the stride is not positive.
    """
    if min(width_px, height_px, stride_px) <= 0 or not scale > 0:
        raise ValueError(
            f"expected positive sizes, got {width_px}x{height_px}, scale {scale}, "
            f"stride {stride_px}"
        )
    factor = 1.0
    for side in (width_px * scale, height_px * scale):
        whole = max(stride_px, int(side // stride_px) * stride_px)
        if whole < side <= whole / (1 - SHRINK_TOLERANCE):
            factor = min(factor, whole / side)
    inner_w = max(1, round(width_px * scale * factor))
    inner_h = max(1, round(height_px * scale * factor))
    return Letterbox(
        width_px,
        height_px,
        inner_w,
        inner_h,
        -(-inner_w // stride_px) * stride_px,
        -(-inner_h // stride_px) * stride_px,
    )
