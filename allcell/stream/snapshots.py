"""Frames that the user kept, and the strip that holds those of a session."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from allcell.cautions import Cautioned
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.formats.pixels import RGBImage
from allcell.models.registry import ModelSpec
from allcell.stream.jobs import Inferred
from allcell.stream.live_settings import LiveSettings

#: A strip of 1280x720 frames then stays below 100 MB.
MAX_SNAPSHOTS = 36


@dataclass(frozen=True, eq=False)
class Snapshot(Cautioned):
    """A frame at full resolution with its own boxes, and how they came about.

    Attributes:
        frame: RGB uint8 (H, W, 3), without boxes.
        detections: Boxes as they were shown, in pixels of the frame.
        spec: The model.
        runtime: Runtime, version and device.
        confidence: Lowest confidence that was shown.
        iou: Overlap above which two boxes were one cell.
        hidden_classes: Names of classes that were not shown.
        red_cell_px: Red-cell diameter in the frame; None if unknown.
        timing: Where the time of the detection went.
        taken_at: When it was kept.
        weights_sha256: SHA-256 of the model's weights; empty if unknown.
    """

    frame: RGBImage
    detections: Detections
    spec: ModelSpec
    runtime: str
    confidence: float
    iou: float
    hidden_classes: tuple[str, ...]
    red_cell_px: float | None
    timing: Timing
    taken_at: datetime
    weights_sha256: str = ""

    @classmethod
    def of(cls, settings: LiveSettings, inferred: Inferred) -> Snapshot:
        """An inferred frame as it is shown now.

        Args:
            settings: The current settings.
            inferred: The frame and its boxes.
        """
        spec = settings.spec
        return cls(
            inferred.job.frame,
            settings.visible(inferred.candidates),
            spec,
            settings.worker.detector.engine.description,
            spec.confidence if settings.confidence is None else settings.confidence,
            spec.iou if settings.iou is None else settings.iou,
            tuple(set(spec.classes) - settings.classes) if settings.classes is not None else (),
            inferred.red_cell_px,
            inferred.timing,
            datetime.now(UTC),
            settings.worker.detector.weights_sha256,
        )

    @property
    def name(self) -> str:
        """File name: the time in UTC, never a patient's name."""
        return f"{self.taken_at:%Y%m%d-%H%M%S}-{self.taken_at.microsecond // 1000:03d}.png"


class Strip:
    """The snapshots of one session; the oldest is dropped for a new one. Thread-safe.

    Args:
        limit: Maximum number of snapshots kept.
    """

    def __init__(self, limit: int = MAX_SNAPSHOTS) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Snapshot] = deque(maxlen=limit)

    def add(self, snapshot: Snapshot) -> None:
        """Add a snapshot."""
        with self._lock:
            self._kept.append(snapshot)

    def remove(self, snapshot: Snapshot) -> None:
        """Remove a snapshot; nothing happens if it is not there."""
        with self._lock:
            if snapshot in self._kept:
                self._kept.remove(snapshot)

    def clear(self) -> None:
        """Remove all snapshots."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """All of them, oldest first."""
        with self._lock:
            return tuple(self._kept)
