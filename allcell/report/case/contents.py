"""What every file of a case is made from, and the names that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from allcell.environment.provenance import record_of
from allcell.formats.pixels import RGBImage
from allcell.records.kept import KeptCase
from allcell.records.sharing import trail_head
from allcell.records.store import CaseStore
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview, ReviewedCell
from allcell.review.signing import ReviewSignature, content_hash, signing_obstacles

#: Keys of `provenance`, in the order of tables.
ORIGIN_COLUMNS = (
    *("model", "runtime", "red_cell_px", "um_per_px"),
    *("lowest_confidence", "largest_overlap", "allcell_version", "weights_sha256"),
    "analysed_at_utc",
)


@dataclass(frozen=True, eq=False)
class CaseContents:
    """A case that is to become a file.

    Attributes:
        review: Its fields, cells and edits.
        pictures: Loads a field's picture by its hash: RGB uint8 (H, W, 3).
        made_at: When the file is made, in UTC; the only thing in which two exports of one case
            differ.
        label: What the user calls the case; empty to leave it out.
        case_id: Its number in the records; empty if it is not kept.
        version: The version that is, or would be, signed.
        signatures: Those under the case as it stands.
        trail: Entries of the audit trail and the hash of the last one; None if it is not kept.
    """

    review: CaseReview
    pictures: Callable[[str], RGBImage]
    made_at: datetime
    label: str = ""
    case_id: str = ""
    version: int = 1
    signatures: tuple[ReviewSignature, ...] = ()
    trail: tuple[int, str] | None = None

    @cached_property
    def stems(self) -> Mapping[str, str]:
        """What the files of each field are called, by its hash: never as the file it came from."""
        fields = enumerate(self.review.fields, 1)
        return {one.sha256: f"field-{number:03d}" for number, one in fields}

    @cached_property
    def content_sha256(self) -> str:
        """What a signature covers."""
        return content_hash(self.review)

    @property
    def status(self) -> str:
        """Whether the case is signed, in one sentence."""
        if self.signatures:
            names = "; ".join(
                f"{s.meaning.lower()} by {s.printed_name} on {s.at:%d %B %Y, %H:%M} UTC"
                for s in self.signatures
            )
            return f"Version {self.version}, {names}."
        waiting = signing_obstacles(self.review)
        return f"Draft of version {self.version}, not signed. {' '.join(waiting)}".strip()


def contents_of(store: CaseStore, kept: KeptCase, *, named: bool = True) -> CaseContents:
    """What the files of a kept case are made from.

    Args:
        store: The records.
        kept: The case, with nothing unsaved.
        named: Whether the files have its label.

    Raises:
        RecordError: If the database cannot be used.
    """
    return CaseContents(
        kept.review,
        store.picture,
        store.clock(),
        kept.label if named else "",
        kept.id,
        kept.version,
        kept.signed,
        trail_head(store),
    )


def provenance(one: FieldReview) -> dict[str, Any]:
    """How the boxes of a field came about, by `ORIGIN_COLUMNS`."""
    origin = one.origin
    return {
        "model": origin.model,
        "runtime": origin.runtime,
        "red_cell_px": None if origin.red_cell_px is None else round(origin.red_cell_px, 2),
        "um_per_px": origin.um_per_px,
        **record_of(origin.made),
    }


def in_force(one: FieldReview) -> list[ReviewedCell]:
    """The cells of a field that are there and are cells, by number."""
    return [cell for cell in one.cells if cell.counts]
