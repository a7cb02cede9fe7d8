"""The audit trail: who did what when, from what to what. It only grows, and it is chained by hash.

Each entry holds the hash of the one before it, so a changed, missing or added entry shows, except
at the very end: the hash of the last entry, noted elsewhere (each signed report prints it), shows
that, too. The order is that of the numbers; a clock that was set back is remarked.

The trail stays when a case is deleted. So it holds no label, title or reason that a person typed
and no picture: only names of people and classes, numbers, boxes and hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from allcell import __version__
from allcell.records.tables import audit
from allcell.review.case_review import CaseReview, Edit
from allcell.review.cells import CellChange, FieldChange, FieldReview, ReviewedCell

#: What the first entry has in place of the hash before it.
START = "0" * 64
#: A clock that is corrected by a little is no news.
_TOLERATED = timedelta(seconds=2)


@dataclass(frozen=True)
class TrailEntry:
    """One entry.

    Attributes:
        number: From 1, without gaps.
        case_id: The case.
        at: When it was done, as the clock said, in UTC (ISO 8601).
        kept_at: When it was written.
        by: Who.
        what: The kind of edit, or `keep`, `rename`, `share`, `sign`, `export`, `delete`.
        field: SHA-256 of the picture; empty if it is about none or several.
        changed_from: What was before, as JSON: by cell number, or by attribute.
        changed_to: What is now, likewise.
        model: Name of the model that suggested the cells.
        weights_sha256: SHA-256 of its weights.
        version: Version of allcell that wrote the entry.
        content_sha256: Hash of the case after the step that the entry is part of (see
            `allcell.review.signing.content_hash`).
        remark: What has to be said, such as that the clock was set back.
        previous: Hash of the entry before.
        hash: SHA-256 of all the others.
    """

    number: int
    case_id: str
    at: str
    kept_at: str
    by: str
    what: str
    field: str
    changed_from: str
    changed_to: str
    model: str
    weights_sha256: str
    version: str
    content_sha256: str
    remark: str
    previous: str
    hash: str

    @property
    def own_hash(self) -> str:
        """What `hash` has to be."""
        return _hash(astuple(self)[:-1])


COLUMNS = tuple(one.name for one in fields(TrailEntry))


@dataclass(frozen=True)
class TrailDraft:
    """What an entry says, before it has its place in the chain."""

    case_id: str
    at: datetime
    by: str
    what: str
    content_sha256: str
    field: str = ""
    changed_from: Mapping[str, Any] | None = None
    changed_to: Mapping[str, Any] | None = None
    model: str = ""
    weights_sha256: str = ""


def iso(at: datetime) -> str:
    """A time as the records hold it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _hash(values: Sequence[object]) -> str:
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _json(values: Mapping[str, Any] | None) -> str:
    return json.dumps(values or {}, ensure_ascii=False, separators=(",", ":"))


def append(connection: Connection, drafts: Sequence[TrailDraft], now: datetime) -> None:
    """Add entries to the chain.

    Args:
        connection: Of a writer, so that nobody else adds any at the same time.
        drafts: In order.
        now: What the clock says.
    """
    last = connection.execute(
        select(audit.c.number, audit.c.hash, audit.c.kept_at)
        .order_by(audit.c.number.desc())
        .limit(1)
    ).first()
    number, previous, remark = (last.number, last.hash, "") if last else (0, START, "")
    if last and (back := datetime.fromisoformat(last.kept_at) - now) > _TOLERATED:
        remark = f"The clock was set back by {back.total_seconds():.0f} s or more."
    rows = []
    for draft in drafts:
        number += 1
        values = (
            *(number, draft.case_id, iso(draft.at), iso(now), draft.by, draft.what, draft.field),
            *(_json(draft.changed_from), _json(draft.changed_to)),
            *(draft.model, draft.weights_sha256, __version__, draft.content_sha256),
            *(remark, previous),
        )
        previous, remark = _hash(values), ""
        rows.append(dict(zip(COLUMNS, (*values, previous), strict=True)))
    if rows:
        connection.execute(insert(audit), rows)


def entries(connection: Connection, case_id: str | None = None) -> Iterator[TrailEntry]:
    """The trail in order.

    Args:
        connection: Of a reader.
        case_id: Only that case's; all if None.
    """
    asked = select(*(audit.c[name] for name in COLUMNS)).order_by(audit.c.number)
    if case_id is not None:
        asked = asked.where(audit.c.case_id == case_id)
    for row in connection.execute(asked):
        yield TrailEntry(*row)


def head(connection: Connection) -> tuple[int, str]:
    """How many entries there are, and the hash of the last."""
    count = connection.execute(select(func.count()).select_from(audit)).scalar_one()
    last = connection.execute(
        select(audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    ).scalar()
    return count, last or START


def drafts_of(
    case_id: str, review: CaseReview, edits: Sequence[Edit], content: str
) -> list[TrailDraft]:
    """What the trail says of edits: an entry for each and each picture that it touches.

    Args:
        case_id: The case.
        review: The case after the edits.
        edits: What was done, in order.
        content: Hash of the case after them.
    """
    drafts = []
    for edit in edits:
        touched = dict.fromkeys(
            [*(change.sha256 for change in edit.fields), *(change.field for change in edit.cells)]
        )
        undone = review.log[edit.of] if edit.of is not None else None
        what = f"{edit.kind}: {undone.kind}" if undone else edit.kind
        for sha256 in touched:
            before, after = _difference(edit, sha256)
            facts = next(
                (c.after or c.before for c in edit.fields if c.sha256 == sha256),
                review.by_sha256.get(sha256),
            )
            drafts.append(
                TrailDraft(
                    *(case_id, edit.at, edit.by, what, content, sha256, before, after),
                    facts.origin.model if facts else "",
                    facts.origin.weights_sha256 if facts else "",
                )
            )
    return drafts


def _difference(edit: Edit, sha256: str) -> tuple[dict[str, Any], dict[str, Any]]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for cell in edit.cells:
        if cell.field == sha256:
            before[str(cell.number)] = _cell(cell.before, cell)
            after[str(cell.number)] = _cell(cell.after, cell)
    for whole in edit.fields:
        if whole.sha256 == sha256:
            before["field"] = _facts(whole.before, whole)
            after["field"] = _facts(whole.after, whole)
    return before, after


def _cell(cell: ReviewedCell | None, change: CellChange) -> str:
    """A cell in a few words; its box only where that changed."""
    if cell is None:
        return "none"
    said = f"{cell.label}, {cell.state}"
    if change.before and change.after and change.before.xyxy == change.after.xyxy:
        return said
    return f"{said}, {' '.join(f'{side:.1f}' for side in cell.xyxy)}"


def _facts(one: FieldReview | None, change: FieldChange) -> dict[str, Any] | str:
    """What changed of a field; of what people typed only that it is there."""
    if one is None:
        return "none"
    other = change.before if one is change.after else change.after
    said: dict[str, Any] = {
        "left out": bool(one.left_out),
        "withheld": bool(one.withheld),
        "insisted": one.insisted,
        "model": one.origin.model,
        "threshold": one.origin.threshold,
        "overlap": one.origin.overlap,
    }
    if other is not None and other.title != one.title:
        said["title"] = "new" if one is change.after else "old"
    return said
