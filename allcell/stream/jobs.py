"""A frame on its way to the model, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from allcell.detections import Detections
from allcell.detector import Timing
from allcell.formats.pixels import RGBImage
from allcell.stream.live_settings import LiveSettings
from allcell.stream.motion import GreyImage, thumbnail


@dataclass(frozen=True, eq=False)
class InferenceJob:
    """A frame on its way to the model.

    Attributes:
        frame: RGB uint8 (H, W, 3), without boxes.
        number: Counts the jobs of the viewer from 1.
        asked_s: When it arrived, in seconds of the viewer's clock.
        settings: The settings at that time.
    """

    frame: RGBImage
    number: int
    asked_s: float
    settings: LiveSettings

    @cached_property
    def grey(self) -> GreyImage:
        """Its thumbnail, made on first use."""
        return thumbnail(self.frame)


@dataclass(frozen=True, eq=False)
class Inferred:
    """A frame with the model's results.

    Attributes:
        job: The frame.
        candidates: Boxes down to the detector's lowest confidence, in pixels of the frame.
        timing: Where the time went.
        red_cell_px: Red-cell diameter in the frame, measured or given; None if unknown.
        input_scale: Pixels of the network's input per pixel of the frame.
    """

    job: InferenceJob
    candidates: Detections
    timing: Timing
    red_cell_px: float | None
    input_scale: float

    @property
    def input_px(self) -> int:
        """Long side of the frame in the network's input, in input pixels."""
        longest_px: int = max(self.job.frame.shape)
        return round(longest_px * self.input_scale)
