"""What became of a picture: analysed, judged, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from allcell.classifier import FieldClass
from allcell.environment.provenance import Provenance

if TYPE_CHECKING:
    from allcell.analysis import Analysis


@dataclass(frozen=True, eq=False)
class Finished:
    """An analysis, and the times spent outside the detector.

    Attributes:
        analysis: What was found.
        decode_ms: Time from the bytes of the file to pixels.
        scale_ms: Time to measure the red cells.
        runtime: Runtime and device, in words.
    """

    analysis: Analysis
    decode_ms: float
    scale_ms: float
    runtime: str

    @property
    def total_ms(self) -> float:
        """Milliseconds from the bytes of the file to its cells."""
        return self.decode_ms + self.scale_ms + self.analysis.timing.total_ms


@dataclass(frozen=True)
class Judged:
    """A whole-field classifier's answer on a picture.

    Attributes:
        field: The suggested class.
        total_ms: Time from pixels to answer.
        made: How it came about.
    """

    field: FieldClass
    total_ms: float
    made: Provenance


@dataclass(frozen=True)
class Refused:
    """A picture that gave no result.

    Attributes:
        name: What the user calls the picture.
        message: What went wrong.
        remedy: What to do about it; may be empty.
    """

    name: str
    message: str
    remedy: str
