"""The list of cases, and the search in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select

from allcell.records.kept import Actor, CaseLine, CaseRole
from allcell.records.store import CaseStore
from allcell.records.tables import audit, cases, cells, fields, people
from allcell.text.words import one_line


def list_cases(store: CaseStore, actor: Actor, search: str = "") -> list[CaseLine]:
    """The cases that someone may see, the one that was saved last first.

    Args:
        store: The records.
        actor: Who.
        search: Part of a label, or the first digits of a case's number or of a picture's hash,
            upper and lower case alike; all cases if empty.

    Raises:
        RecordError: If the database cannot be used.
    """
    with store.database.read() as connection:
        return [_line(row, actor) for row in connection.execute(_asked(actor, one_line(search)))]


def _asked(actor: Actor, search: str) -> Select[Any]:
    of_cells = (
        select(
            cells.c.case_id,
            func.sum(case((cells.c.state != "removed", 1), else_=0)).label("cells"),
            func.sum(case((cells.c.state == "suggested", 1), else_=0)).label("unreviewed"),
        )
        .group_by(cells.c.case_id)
        .subquery()
    )
    of_fields = (
        select(fields.c.case_id, func.count().label("fields")).group_by(fields.c.case_id).subquery()
    )
    signed = exists().where(
        audit.c.case_id == cases.c.id,
        audit.c.what == "sign",
        audit.c.content_sha256 == cases.c.content_sha256,
    )
    asked = (
        select(
            *(cases.c.id, cases.c.label, cases.c.owner, cases.c.created_at),
            *(cases.c.changed_at, cases.c.changed_by, people.c.role),
            of_cells.c.cells,
            of_cells.c.unreviewed,
            of_fields.c.fields,
            signed.label("signed"),
        )
        .outerjoin(of_cells, of_cells.c.case_id == cases.c.id)
        .outerjoin(of_fields, of_fields.c.case_id == cases.c.id)
        .outerjoin(people, and_(people.c.case_id == cases.c.id, people.c.person == actor.name))
        .order_by(cases.c.changed_at.desc(), cases.c.id)
    )
    if actor.logged_in:
        asked = asked.where(or_(cases.c.owner == actor.name, people.c.role.is_not(None)))
    if search:
        has_picture = exists().where(
            fields.c.case_id == cases.c.id,
            fields.c.sha256.startswith(search.lower(), autoescape=True),
        )
        asked = asked.where(
            or_(
                cases.c.label.icontains(search, autoescape=True),
                cases.c.id.startswith(search.lower(), autoescape=True),
                has_picture,
            )
        )
    return asked


def _line(row: Any, actor: Actor) -> CaseLine:
    role: CaseRole = "owner" if not actor.logged_in or row.owner == actor.name else row.role
    return CaseLine(
        id=row.id,
        label=row.label,
        owner=row.owner,
        role="reader" if actor.reader else role,
        created_at=datetime.fromisoformat(row.created_at),
        changed_at=datetime.fromisoformat(row.changed_at),
        changed_by=row.changed_by,
        fields=row.fields or 0,
        cells=row.cells or 0,
        unreviewed=row.unreviewed or 0,
        signed=bool(row.signed),
    )
