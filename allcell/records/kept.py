"""What the records hand out: a kept case, a line of the list of cases, and who acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from allcell.errors import RecordError
from allcell.review.case_review import CaseReview
from allcell.review.signing import ReviewSignature, content_hash

#: What a person may do with a case. `owner` may also share and delete it.
CaseRole = Literal["owner", "reviewer", "reader"]


@dataclass(frozen=True)
class Actor:
    """Who acts.

    Attributes:
        name: As the login says, or as they call themselves; it stands in the trail.
        logged_in: Whether a login says so. Without one, allcell has one user, who owns every case.
        reader: Whether they may only read, whatever a case says.
    """

    name: str
    logged_in: bool = False
    reader: bool = False


@dataclass(frozen=True)
class CaseLine:
    """A case in a list.

    Attributes:
        id: Its number in the records: 32 hexadecimal digits.
        label: What the user calls it.
        owner: Whose it is; empty for one that was kept without a login.
        role: What the reader of the list may do with it.
        created_at: When it was first kept, in UTC.
        changed_at: When it was last saved, in UTC.
        changed_by: By whom.
        fields: Pictures in it.
        cells: Cells in it, without those removed.
        unreviewed: Cells that nobody has confirmed or removed, in all its fields.
        signed: Whether it is signed as it stands.
    """

    id: str
    label: str
    owner: str
    role: CaseRole
    created_at: datetime
    changed_at: datetime
    changed_by: str
    fields: int
    cells: int
    unreviewed: int
    signed: bool


@dataclass(frozen=True, eq=False)
class KeptCase:
    """A case as it is in the records.

    Attributes:
        id: Its number in the records: 32 hexadecimal digits.
        label: What the user calls it.
        owner: Whose it is; empty for one that was kept without a login.
        role: What the one who opened it may do.
        created_at: When it was first kept, in UTC.
        changed_at: When it was last saved, in UTC.
        revision: Grows by one with each save.
        review: Its fields, cells and edits.
        signatures: All that were ever given, in order.
    """

    id: str
    label: str
    owner: str
    role: CaseRole
    created_at: datetime
    changed_at: datetime
    revision: int
    review: CaseReview
    signatures: tuple[ReviewSignature, ...] = ()

    @property
    def signed(self) -> tuple[ReviewSignature, ...]:
        """The signatures under the case as it stands; none if it was changed since."""
        now = content_hash(self.review)
        last = self.signatures[-1].version if self.signatures else 0
        return tuple(s for s in self.signatures if s.version == last and s.content_sha256 == now)

    @property
    def version(self) -> int:
        """The version that is signed, or that the next signature will be under; from 1."""
        last = self.signatures[-1].version if self.signatures else 0
        return last if self.signed else last + 1


class CaseChangedError(RecordError):
    """Someone else saved the case in the meantime; nothing was overwritten.

    Attributes:
        by: Who saved it last.
        at: When, in UTC.
    """

    def __init__(self, by: str, at: datetime) -> None:
        self.by = by
        self.at = at
        super().__init__(
            f"{by or 'Someone else'} changed this case at {at:%H:%M} UTC on {at:%d %B %Y}, after "
            "you had opened it.",
            "Nothing was overwritten, and your last change was not saved. Open the case again and "
            "repeat it there.",
        )
