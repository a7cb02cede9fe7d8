"""What a viewer may change while the video runs."""

from __future__ import annotations

from dataclasses import dataclass

from allcell.detections import Detections
from allcell.detector import choose
from allcell.imaging.draw import DEFAULT_STYLE, Style
from allcell.models.registry import ModelSpec
from allcell.stream.model_worker import ModelWorker


@dataclass(frozen=True)
class LiveSettings:
    """A viewer's choices: replaced as a whole, in effect from the next frame on.

    Attributes:
        worker: The loaded model.
        confidence: Lowest confidence (0 to 1) shown; the model's operating threshold if None.
        iou: Overlap above which two boxes are one cell, up to `MAX_IOU`; the model's if None.
        classes: Names of the classes to show; all if None.
        style: How boxes look.
        labels: Whether boxes carry their class and confidence.
        long_side_px: Long side of the network's input; None brings the red cells to the size that
            the model was trained for.
        red_cell_px: Red-cell diameter in pixels of the frame; measured repeatedly if None.
        frozen: Whether the picture stands still.
    """

    worker: ModelWorker
    confidence: float | None = None
    iou: float | None = None
    classes: frozenset[str] | None = None
    style: Style = DEFAULT_STYLE
    labels: bool = True
    long_side_px: int | None = None
    red_cell_px: float | None = None
    frozen: bool = False

    @property
    def spec(self) -> ModelSpec:
        """The model's description."""
        return self.worker.detector.spec

    def visible(self, candidates: Detections) -> Detections:
        """The candidates to show: by confidence, non-maximum suppression and class."""
        return choose(
            self.spec,
            candidates,
            confidence=self.confidence,
            iou=self.iou,
            classes=self.classes,
        )
