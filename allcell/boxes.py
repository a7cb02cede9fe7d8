"""Geometry of axis-aligned boxes in pixels, x1 y1 x2 y2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import BoolArray, Detections, FloatArray, IntArray

_Doubles = npt.NDArray[np.float64]


def area(xyxy: FloatArray) -> FloatArray:
    """Areas (N,) in square pixels of boxes (N, 4); a degenerate box has 0."""
    wh = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    return np.asarray(wh[:, 0] * wh[:, 1], dtype=np.float32)


def intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection areas (N, M) in square pixels of boxes (N, 4) and (M, 4)."""
    ax1, ay1, ax2, ay2 = a.T[:, :, None]
    bx1, by1, bx2, by2 = b.T
    width = np.minimum(ax2, bx2) - np.maximum(ax1, bx1)
    height = np.minimum(ay2, by2) - np.maximum(ay1, by1)
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0), dtype=np.float32)


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection over union (N, M), 0 to 1, of boxes (N, 4) and (M, 4)."""
    both = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - both
    return np.asarray(both / np.maximum(union, 1e-9), dtype=np.float32)


def clip(xyxy: FloatArray, width_px: float, height_px: float) -> FloatArray:
    """Boxes (N, 4) clipped to an image of the given size."""
    limits = np.array([width_px, height_px, width_px, height_px], np.float32)
    # Not np.clip, which takes twice as long on a few boxes.
    return np.asarray(np.minimum(np.maximum(xyxy, 0), limits), dtype=np.float32)


#: From this many boxes on, comparing only neighbours is faster than OpenCV, which compares all.
_MANY = 300
#: With more candidate pairs than this, OpenCV is faster again.
_MOST_PAIRS = 4_000_000
#: Most bands that neighbours are looked for in; boxes spread wider than this fit no picture.
_MOST_BANDS = 100_000


def nms(xyxy: FloatArray, confidence: FloatArray, iou_threshold: float) -> IntArray:
    """Greedy non-maximum suppression.

    OpenCV does it for a few boxes: for a hundred, numpy's array of all pairs takes four times as
    long. OpenCV compares each box with all that are kept, which takes seconds for thousands of
    cells, so from `_MANY` boxes on only those that overlap are compared: the result is identical.

    Args:
        xyxy: Boxes (N, 4).
        confidence: Scores (N,), 0 to 1.
        iou_threshold: A box that overlaps a better one by more than this IoU is dropped.

    Returns:
        Indices (K,) of the kept boxes, best first; boxes with a score of 0 are dropped.
    """
    wh = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    if len(xyxy) >= _MANY:
        order = np.argsort(-confidence, kind="stable")
        order = order[confidence[order] > 0]
        kept_of = _kept(xyxy[order, :2].astype(float), wh[order].astype(float), iou_threshold)
        if kept_of is not None:
            return order[kept_of]
    xywh = np.concatenate([xyxy[:, :2], wh], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), confidence.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def _kept(xy: _Doubles, wh: _Doubles, iou_threshold: float) -> BoolArray | None:
    """Mask (N,) of the boxes, best first, that stay; None if too many overlap.

    In double precision, as OpenCV computes.
    """
    low, high = xy, xy + wh
    pairs = _meeting(low, high)
    if pairs is None:
        return None
    better, worse = np.minimum(*pairs), np.maximum(*pairs)
    size = wh[:, 0] * wh[:, 1]
    sides = np.minimum(high[better], high[worse]) - np.maximum(low[better], low[worse])
    both = sides[:, 0] * sides[:, 1]
    distance = 1.0 - both / (size[better] + size[worse] - both)
    close = np.float32(1) - distance.astype(np.float32) > np.float32(iou_threshold)
    better, worse = better[close], worse[close]
    kept = np.ones(len(xy), bool)
    # OpenCV gives two boxes without area (clipped from the padding) an IoU of 1.
    kept[np.flatnonzero(size <= np.finfo(float).eps)[1:]] = iou_threshold >= 1
    while len(better):
        challenged = np.zeros(len(xy), bool)
        challenged[worse] = True
        kept[worse[~challenged[better]]] = False
        still_open = kept[better] & kept[worse] & challenged[better]
        better, worse = better[still_open], worse[still_open]
    return kept


def _meeting(low: _Doubles, high: _Doubles) -> tuple[IntArray, IntArray] | None:
    """Each pair of overlapping boxes, once; None if finding them is too expensive.

    The picture is cut into bands about two boxes high; within each, boxes are sorted by their left
    edges. A pair is counted in the band where its overlap begins.
    """
    if len(low) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    band_px = 2 * float(np.median(high[:, 1] - low[:, 1])) + 1
    low, high = low - low.min(axis=0), high - low.min(axis=0)
    if not high[:, 1].max() < _MOST_BANDS * band_px:
        return None
    first, last = (low[:, 1] // band_px).astype(np.int64), (high[:, 1] // band_px).astype(np.int64)
    times = last - first + 1
    if times.sum() > 8 * len(low) + _MANY:
        return None
    box = np.repeat(np.arange(len(low)), times)
    band = _count_up(times) + first[box]
    # Bands laid end to end, so that one sort and one search serve them all.
    start = band * (high[:, 0].max() + 1)
    order = np.argsort(start + low[box, 0], kind="stable")
    box, band, start = box[order], band[order], start[order]
    ends = np.searchsorted(start + low[box, 0], start + high[box, 0])
    after = np.maximum(ends - np.arange(len(box)) - 1, 0)
    if after.sum() > _MOST_PAIRS:
        return None
    one = np.repeat(np.arange(len(box)), after)
    other = one + 1 + _count_up(after)
    a, b = box[one], box[other]
    top = np.maximum(low[a, 1], low[b, 1])
    meets = (top < np.minimum(high[a, 1], high[b, 1])) & (top // band_px == band[one])
    return a[meets], b[meets]


def _count_up(times: IntArray) -> IntArray:
    """0, 1 ... n - 1 for each n in `times`, concatenated."""
    return np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)


def suppress(
    detections: Detections, iou_threshold: float, *, across_classes: bool = True
) -> Detections:
    """Keep the best of overlapping boxes, best first.

    Args:
        detections: Candidates.
        iou_threshold: See `nms`.
        across_classes: Whether boxes of different classes compete, since one cell has one class.
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
    """How a source image lies in a network input: scaled, then padded at the right and bottom.

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
        """Input pixels per source pixel, vertically."""
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


def unscaled(width_px: int, height_px: int) -> Letterbox:
    """A picture that is the network's input as it is."""
    return Letterbox(width_px, height_px, width_px, height_px, width_px, height_px)


#: A picture may shrink by this fraction more than asked, to save a stride of padding.
SHRINK_TOLERANCE = 0.045


def letterbox(width_px: int, height_px: int, scale: float, stride_px: int) -> Letterbox:
    """Fit an image at a scale into the smallest rectangle of whole strides.

    If a side only just exceeds a multiple of the stride, both are shrunk, by at most
    `SHRINK_TOLERANCE`, until it fits: the padding would only cost time.

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
