"""What concerns a case beside its content: who may see it, what left allcell, what happened."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from allcell.errors import RecordError
from allcell.records import access, trail
from allcell.records.kept import Actor, CaseRole, KeptCase
from allcell.records.store import CaseStore
from allcell.records.tables import cases, people
from allcell.records.trail import TrailDraft
from allcell.text.words import one_line


def share_case(
    store: CaseStore, case_id: str, person: str, role: CaseRole | None, actor: Actor
) -> None:
    """Let someone else review or read a case, make them its owner, or (None) no longer.

    Args:
        store: The records.
        case_id: The case.
        person: As their login says.
        role: What they may do.
        actor: Who shares it: its owner.

    Raises:
        RecordError: If they may not, or nothing can be saved.
    """
    at, name = store.clock(), one_line(person)
    if not name:
        raise RecordError("Nobody is named.", "Give the name that their login says.")
    with store.database.write() as connection:
        access.require(connection, case_id, actor, "share or delete")
        of_person = (people.c.case_id == case_id, people.c.person == name)
        connection.execute(delete(people).where(*of_person))
        if role == "owner":
            connection.execute(update(cases).where(cases.c.id == case_id).values(owner=name))
        elif role is not None:
            row = {"case_id": case_id, "person": name, "role": role}
            connection.execute(insert(people), row)
        content = connection.execute(
            select(cases.c.content_sha256).where(cases.c.id == case_id)
        ).scalar_one()
        said = {name: role or "none"}
        draft = TrailDraft(case_id, at, actor.name, "share", content, changed_to=said)
        trail.append(connection, [draft], at)


def note_export(store: CaseStore, kept: KeptCase, what: str, actor: Actor) -> None:
    """Put into the trail that a case left allcell.

    Args:
        store: The records.
        kept: The case.
        what: The kind of file.
        actor: Who.

    Raises:
        RecordError: If nothing can be saved.
    """
    at = store.clock()
    with store.database.write() as connection:
        access.require(connection, kept.id, actor, "read")
        content = connection.execute(
            select(cases.c.content_sha256).where(cases.c.id == kept.id)
        ).scalar_one()
        said = {"file": one_line(what), "revision": kept.revision}
        draft = TrailDraft(kept.id, at, actor.name, "export", content, changed_to=said)
        trail.append(connection, [draft], at)


def trail_head(store: CaseStore) -> tuple[int, str]:
    """How many entries the trail has, and the hash of the last (see `verifying.verify`).

    Raises:
        RecordError: If the database cannot be used.
    """
    with store.database.read() as connection:
        return trail.head(connection)


def trail_of(store: CaseStore, case_id: str, actor: Actor) -> list[trail.TrailEntry]:
    """What happened to a case, in order.

    Raises:
        RecordError: If there is no such case, or it is not theirs.
    """
    with store.database.read() as connection:
        access.require(connection, case_id, actor, "read")
        return list(trail.entries(connection, case_id))
