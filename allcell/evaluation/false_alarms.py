"""The false alarms of a class over a whole set, the surest first. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from allcell.evaluation.evidence import Evidence
from allcell.evaluation.outcomes import outcomes

#: A box this near the edge of its picture, in pixels, is of a cell that the edge may cut.
EDGE_PX = 3.0


@dataclass(frozen=True)
class FalseAlarm:
    """A box on no cell of its class, or a second one on a cell.

    Attributes:
        image: Index of the image.
        xyxy: Its corners in pixels of the image.
        confidence: 0 to 1.
        at_edge: Whether it touches the edge of the image, where cells are often left unlabelled.
    """

    image: int
    xyxy: tuple[float, float, float, float]
    confidence: float
    at_edge: bool


def false_alarms(
    evidence: Evidence, class_id: int, confidence: float, sizes_px: Sequence[tuple[int, int]]
) -> list[FalseAlarm]:
    """All false alarms of one class by the rules of `matching`, IoU 0.5, the surest first.

    Args:
        evidence: Of one model.
        class_id: The class.
        confidence: Threshold, 0 to 1.
        sizes_px: Width and height of each image.
    """
    found = []
    for index, (seen, (width, height)) in enumerate(zip(evidence.seen, sizes_px, strict=True)):
        wrong = outcomes(seen, class_id, confidence).false_alarms
        for (x1, y1, x2, y2), sure in zip(
            wrong.xyxy.tolist(), wrong.confidence.tolist(), strict=True
        ):
            inside = min(x1, y1, width - x2, height - y2)
            found.append(FalseAlarm(index, (x1, y1, x2, y2), sure, inside <= EDGE_PX))
    return sorted(found, key=lambda alarm: -alarm.confidence)
