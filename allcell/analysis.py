"""One still image through the whole way: scale, detection, and what is then shown of it.

The model runs once; confidence, overlap and classes are chosen afterwards, as often as one likes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.detector import MAX_IOU, Detector, Timing, choose
from allcell.models.registry import ModelSpec
from allcell.result import STAGES, ImageResult
from allcell.scale import Scale, resolve_scale


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything a model had to say of one image.

    Attributes:
        name: What the user calls the image.
        width_px: Width of the image.
        height_px: Height of the image.
        spec: The model.
        candidates: All boxes down to the detector's floor, overlapping ones included.
        scale: The red-cell size used, and where it came from.
        timing: Where the time went.
    """

    name: str
    width_px: int
    height_px: int
    spec: ModelSpec
    candidates: Detections
    scale: Scale
    timing: Timing

    def result(
        self,
        *,
        confidence: float | None = None,
        iou: float | None = None,
        classes: Collection[str] | None = None,
    ) -> ImageResult:
        """What is shown and exported at a setting.

        Args:
            confidence: Lowest confidence (0 to 1); the model's operating threshold if None.
            iou: Overlap above which two boxes are one cell, up to `MAX_IOU`; the model's if None.
            classes: Names of the classes to keep; all if None.
        """
        shown = choose(self.spec, self.candidates, confidence=confidence, iou=iou, classes=classes)
        timing = asdict(self.timing)
        return ImageResult(
            self.name,
            self.width_px,
            self.height_px,
            self.spec.name,
            shown,
            self.spec.classes,
            {stage: timing[f"{stage}_ms"] for stage in STAGES},
            self.scale.red_cell_px,
        )


def analyse(
    detector: Detector,
    image: npt.NDArray[np.uint8],
    name: str,
    *,
    red_cell_px: float | None = None,
    confidence: float | None = None,
) -> Analysis:
    """Measure the scale of an image and run the model once.

    Args:
        detector: The model.
        image: RGB uint8 (H, W, 3).
        name: What the user calls the image.
        red_cell_px: Red-cell diameter in pixels that the user insists on; measured if None.
        confidence: Lowest confidence of a candidate; the detector's floor if None.

    Raises:
        ModelError: If the network fails.
    """
    scale = resolve_scale(image, red_cell_px)
    candidates, timing = detector.detect(
        image, red_cell_px=scale.red_cell_px, confidence=confidence, iou=MAX_IOU
    )
    height, width = image.shape[:2]
    return Analysis(name, width, height, detector.spec, candidates, scale, timing)
