"""Cases that are deleted: their rows, their pictures, and what both leave behind."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, exists, insert, select

from allcell.records import access, trail
from allcell.records.database import faults
from allcell.records.kept import Actor
from allcell.records.store import CaseStore
from allcell.records.tables import cases, doomed_pictures, fields
from allcell.records.trail import TrailDraft

#: A picture takes less to be written; what is older was left by a process that was killed.
_PART_S = 3600


@dataclass(frozen=True)
class CaseDeletion:
    """What became of a deletion.

    Attributes:
        pictures: Pictures that were deleted.
        kept_pictures: Pictures that stay because another case has them.
        overwritten: Whether the database's files were rewritten without the rows, too. If not,
            others were reading; deleting another case does it later.
    """

    pictures: int
    kept_pictures: int
    overwritten: bool


def delete_case(store: CaseStore, case_id: str, actor: Actor) -> CaseDeletion:
    """Delete a case: label, fields, cells, edits, signatures, and the pictures only it has.

    The trail stays, with an entry that says who deleted it. It holds no label and no picture.
    Backups are not reached.

    Raises:
        RecordError: If there is no such case, they may not, or nothing can be deleted.
    """
    at = store.clock()
    with store.database.write() as connection:
        access.require(connection, case_id, actor, "share or delete")
        hashes = set(
            connection.execute(select(fields.c.sha256).where(fields.c.case_id == case_id)).scalars()
        )
        content = connection.execute(
            select(cases.c.content_sha256).where(cases.c.id == case_id)
        ).scalar_one()
        connection.execute(delete(cases).where(cases.c.id == case_id))
        trail.append(connection, [TrailDraft(case_id, at, actor.name, "delete", content)], at)
        doomed = set(connection.execute(select(doomed_pictures.c.sha256)).scalars())
        if new := sorted(hashes - doomed):
            connection.execute(insert(doomed_pictures), [{"sha256": one} for one in new])
    dropped = drop_doomed(store)
    gone = len(hashes & dropped)
    return CaseDeletion(gone, len(hashes) - gone, store.database.forget_deleted())


def drop_doomed(store: CaseStore) -> set[str]:
    """Delete the pictures that no case has any longer.

    They go after the rows are gone for good: to lose a picture of a case that is still there would
    be worse than to find one too many. A process that is killed in between leaves them to the next.

    Returns:
        Their hashes.

    Raises:
        RecordError: If one cannot be deleted.
    """
    with store.database.write() as connection, faults(str(store.pictures.folder)):
        still_used = exists().where(fields.c.sha256 == doomed_pictures.c.sha256)
        doomed = set(
            connection.execute(select(doomed_pictures.c.sha256).where(~still_used)).scalars()
        )
        for sha256 in sorted(doomed):
            store.pictures.drop(sha256)
        store.pictures.drop_parts(time.time() - _PART_S)
        connection.execute(delete(doomed_pictures))
    return doomed
