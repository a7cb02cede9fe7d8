"""The steps of a save: whose turn it is, and pictures that are there before their case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from allcell.errors import RecordError, ReviewError
from allcell.imaging.images import RGBImage
from allcell.records import access, rows
from allcell.records.database import Database, faults
from allcell.records.kept import Actor, CaseChangedError, KeptCase
from allcell.records.pictures import PictureFolder
from allcell.records.tables import cases, doomed_pictures, fields
from allcell.records.trail import iso
from allcell.review.case_review import CaseReview, Edit
from allcell.review.cells import FieldReview
from allcell.review.signing import content_hash


@contextmanager
def pictures_for(
    database: Database,
    folder: PictureFolder,
    new: Sequence[FieldReview],
    images: Mapping[str, RGBImage],
) -> Iterator[Callable[[Connection], None]]:
    """Write the pictures of new fields, before the transaction: others need not wait for it.

    What is given is called within the transaction, while nobody else can delete any: it makes
    sure of them. If the transaction fails, those that no case has go again.
    """
    written: list[str] = []

    def make_sure(connection: Connection) -> None:
        hashes = [one.sha256 for one in new]
        connection.execute(delete(doomed_pictures).where(doomed_pictures.c.sha256.in_(hashes)))
        for one in new:
            if one.sha256 in images:
                folder.put(one.sha256, images[one.sha256])
            elif not folder.path(one.sha256).exists():
                raise RecordError(
                    f"The picture of {one.title} is missing, so the case cannot be kept.",
                    "Add the picture again.",
                )

    try:
        with faults(str(folder.folder)):
            for one in new:
                if one.sha256 in images and not folder.path(one.sha256).exists():
                    folder.put(one.sha256, images[one.sha256])
                    written.append(one.sha256)
        yield make_sure
    except BaseException:
        if written:
            with suppress(RecordError):
                _drop_unused(database, folder, written)
        raise


def _drop_unused(database: Database, folder: PictureFolder, written: Sequence[str]) -> None:
    """Delete those of some pictures that no case has."""
    with database.write() as connection:
        used = set(
            connection.execute(
                select(fields.c.sha256).where(fields.c.sha256.in_(written))
            ).scalars()
        )
        for sha256 in set(written) - used:
            folder.drop(sha256)


def check_names(done: tuple[Edit, ...], actor: Actor) -> None:
    """Let nobody who is logged in sign corrections with another's name.

    Raises:
        RecordError: If they would.
    """
    if actor.logged_in and (others := {edit.by for edit in done} - {actor.name}):
        raise RecordError(
            f"These corrections are signed as {', '.join(sorted(others))}, and {actor.name} is "
            "logged in.",
            "Open the case again and repeat them.",
        )


def claim(
    connection: Connection, kept: KeptCase, actor: Actor, at: datetime, values: Mapping[str, Any]
) -> bool:
    """Whether nobody has saved the case since; if so, it is ours to write."""
    claimed = connection.execute(
        update(cases)
        .where(cases.c.id == kept.id, cases.c.revision == kept.revision)
        .values(revision=kept.revision + 1, changed_at=iso(at), changed_by=actor.name, **values)
    )
    return claimed.rowcount == 1


def changed(connection: Connection, case_id: str) -> CaseChangedError:
    """The error that says who saved a case last."""
    row = connection.execute(
        select(cases.c.changed_by, cases.c.changed_at).where(cases.c.id == case_id)
    ).one()
    return CaseChangedError(row.changed_by, datetime.fromisoformat(row.changed_at))


def saved_before(
    connection: Connection, kept: KeptCase, review: CaseReview, actor: Actor
) -> KeptCase:
    """The case if what is there is what was to be saved: the answer to an earlier try was lost.

    Raises:
        CaseChangedError: If it is not.
    """
    there = read_case(connection, kept.id, actor)
    if (there.review.log, content_hash(there.review)) == (review.log, content_hash(review)):
        return there
    raise changed(connection, kept.id)


def read_case(connection: Connection, case_id: str, actor: Actor) -> KeptCase:
    """A case as it is in the records.

    Raises:
        RecordError: If there is none, it is not theirs, or its rows cannot be read.
    """
    role = access.require(connection, case_id, actor, "read")
    row = connection.execute(select(cases).where(cases.c.id == case_id)).one()
    try:
        return KeptCase(
            *(case_id, row.label, row.owner, role),
            datetime.fromisoformat(row.created_at),
            datetime.fromisoformat(row.changed_at),
            row.revision,
            rows.read_review(connection, case_id),
            tuple(given for given, _ in rows.read_signatures(connection, case_id)),
        )
    except (ReviewError, ValueError):
        raise RecordError(
            f"The case {case_id} cannot be read: its rows were changed or are damaged.",
            "`allcell cases verify` says more. Put back the last backup.",
        ) from None
