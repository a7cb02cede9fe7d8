"""Slides of squares, and a detector that finds squares: what lies where is known to the pixel."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.detector import Timing
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec, get_spec
from allcell.slides.arrays import ArraySlide
from allcell.slides.slide import Slide

RED_CELL_PX = 20.0
#: A small network: its windows are 320 px.
SPEC = replace(get_spec("live"), max_input_px=320, normalise_stain=False)
SIDE_PX = 24
WHITE, BLAST = (235, 230, 225), (90, 40, 120)


class FixedRulers:
    """Rulers that somebody knows."""

    def __init__(self, red_cell_px: float = RED_CELL_PX, stain: StainRuler | None = None) -> None:
        self.red_cell_px: float | None = red_cell_px
        self.stain = stain


def squares(
    size_px: tuple[int, int], corners: list[tuple[int, int]], *, half: bool = False
) -> Slide:
    """A slide with dark squares of `SIDE_PX` whose top left corners are given.

    Args:
        size_px: Width and height.
        corners: Where they are.
        half: Whether there is a level of half the size besides.
    """
    image = np.full((size_px[1], size_px[0], 3), WHITE, np.uint8)
    for x, y in corners:
        image[y : y + SIDE_PX, x : x + SIDE_PX] = BLAST
    arrays = [image]
    if half:
        size = (size_px[0] // 2, size_px[1] // 2)
        arrays.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
    return ArraySlide(arrays, "squares")


class FindsSquares:
    """Finds dark squares, also pieces of them; the more of one is seen, the surer."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.spec = spec
        self.seen: list[tuple[int, int]] = []

    def detect(
        self,
        image: npt.NDArray[np.uint8],
        *,
        red_cell_px: float | None = None,
        confidence: float | None = None,
        iou: float | None = None,
        every_class: bool = False,
        stain: StainRuler | None = None,
    ) -> tuple[Detections, Timing]:
        """See `allcell.detector.Detector.detect`."""
        self.seen.append((image.shape[1], image.shape[0]))
        dark = (image[..., 1] < 140).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
        boxes = stats[1:, :4].astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        area = stats[1:, 4].astype(np.float32)
        whole = area.max(initial=1.0)
        found = Detections(boxes, 0.5 + 0.49 * area / whole, np.zeros(len(boxes), np.int64))
        return found, Timing(0, 0, 0, 0)
