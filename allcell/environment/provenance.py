"""How an answer came about: settings, version, weights, date. Every export of it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

#: Columns of every table that leaves allcell.
PROVENANCE_COLUMNS = (
    *("lowest_confidence", "largest_overlap", "allcell_version"),
    *("weights_sha256", "analysed_at_utc"),
)
#: As many digits of a hash as tell two models apart, where there is no room for all of them.
SHORT_HASH = 12


def _version() -> str:
    # Imported here: the package imports its modules.
    from allcell import __version__

    return __version__


def now() -> datetime:
    """The present time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Provenance:
    """How the boxes of one image, or the answer on it, came about.

    Attributes:
        confidence: Lowest confidence of a box, or the probability from which a field is called
            cancerous, 0 to 1.
        iou: Overlap (intersection over union, 0 to 1) above which two boxes are one cell; None if
            there are no boxes.
        weights_sha256: SHA-256 of the weights, hexadecimal: of the checkpoint for models of the
            registry, of the file for others; empty if unknown.
        analysed_at: When the model ran, in UTC.
        version: Version of allcell.
    """

    confidence: float
    iou: float | None
    weights_sha256: str
    analysed_at: datetime = field(default_factory=now)
    version: str = field(default_factory=_version)

    @property
    def values(self) -> tuple[str, ...]:
        """One text for each of `PROVENANCE_COLUMNS`."""
        return (
            f"{self.confidence:.2f}",
            "" if self.iou is None else f"{self.iou:.2f}",
            self.version,
            self.weights_sha256,
            f"{self.analysed_at:%Y-%m-%dT%H:%M:%S}Z",
        )

    @property
    def record(self) -> dict[str, float | str | None]:
        """The same for JSON."""
        overlap = None if self.iou is None else round(self.iou, 2)
        numbers = (round(self.confidence, 2), overlap)
        return dict(zip(PROVENANCE_COLUMNS, (*numbers, *self.values[2:]), strict=True))

    @property
    def sentence(self) -> str:
        """The same for people: in pictures and notices."""
        weights = self.weights_sha256[:SHORT_HASH]
        parts = [
            f"allcell {self.version}",
            *([f"weights {weights}"] if weights else []),
            f"lowest confidence {self.confidence:.2f}",
            *([] if self.iou is None else [f"largest overlap {self.iou:.2f}"]),
            f"{self.analysed_at:%Y-%m-%d}",
        ]
        return f"{', '.join(parts)}."


def values_of(made: Provenance | None) -> tuple[str, ...]:
    """One text for each of `PROVENANCE_COLUMNS`; blank if nothing is known."""
    return ("",) * len(PROVENANCE_COLUMNS) if made is None else made.values


def record_of(made: Provenance | None) -> dict[str, float | str | None]:
    """The same for JSON; empty if nothing is known."""
    return {} if made is None else made.record
