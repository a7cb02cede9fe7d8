"""Detections: the one type that flows between all layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes found in (or drawn on) one image.

    Attributes:
        xyxy: Shape (N, 4), float32: left, top, right, bottom in pixels of the *source* image.
        confidence: Shape (N,), float32, 0 to 1; ground truth has 1.
        class_id: Shape (N,), int64: an index into the classes of the model or dataset.

    Raises:
        ValueError: If a shape does not fit or a value is not finite.
    """

    xyxy: FloatArray
    confidence: FloatArray
    class_id: IntArray

    def __post_init__(self) -> None:
        xyxy = np.ascontiguousarray(self.xyxy, dtype=np.float32)
        confidence = np.ascontiguousarray(self.confidence, dtype=np.float32)
        class_id = np.ascontiguousarray(self.class_id, dtype=np.int64)
        if xyxy.ndim != 2 or xyxy.shape[1] != 4:
            raise ValueError(f"xyxy: expected shape (n, 4), got {xyxy.shape}")
        for name, values in (("confidence", confidence), ("class_id", class_id)):
            if values.shape != (len(xyxy),):
                raise ValueError(f"{name}: expected shape ({len(xyxy)},), got {values.shape}")
        if not (np.isfinite(xyxy).all() and np.isfinite(confidence).all()):
            raise ValueError("boxes and confidences must be finite")
        object.__setattr__(self, "xyxy", xyxy)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "class_id", class_id)

    @classmethod
    def empty(cls) -> Detections:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    @classmethod
    def truth(cls, xyxy: npt.ArrayLike, class_id: npt.ArrayLike) -> Detections:
        """Ground truth: boxes (N, 4) and classes (N,), with confidence 1."""
        boxes = np.asarray(xyxy, dtype=np.float32).reshape(-1, 4)
        return cls(boxes, np.ones(len(boxes), np.float32), np.asarray(class_id, dtype=np.int64))

    @classmethod
    def concatenate(cls, parts: Iterable[Detections]) -> Detections:
        """All boxes of several results, in order."""
        items = list(parts)
        if not items:
            return cls.empty()
        return cls(
            np.concatenate([d.xyxy for d in items]),
            np.concatenate([d.confidence for d in items]),
            np.concatenate([d.class_id for d in items]),
        )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: npt.NDArray[np.generic] | slice) -> Detections:
        """The boxes at an index array, boolean mask or slice."""
        # Not checked again: a part of valid boxes is valid, and video has no time to spare.
        part = object.__new__(Detections)
        for name in ("xyxy", "confidence", "class_id"):
            object.__setattr__(part, name, np.ascontiguousarray(getattr(self, name)[index]))
        return part

    def of(self, class_id: int) -> Detections:
        """The boxes of one class."""
        return self[self.class_id == class_id]

    def at_least(self, confidence: float) -> Detections:
        """The boxes with at least this confidence (0 to 1)."""
        return self[self.confidence >= confidence]
