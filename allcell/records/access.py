"""Who may do what with a case."""

from __future__ import annotations

from sqlalchemy import Connection, select

from allcell.errors import RecordError
from allcell.records.kept import Actor, CaseRole
from allcell.records.tables import cases, people

_ALLOWED: dict[str, tuple[CaseRole, ...]] = {
    "read": ("owner", "reviewer", "reader"),
    "change": ("owner", "reviewer"),
    "share or delete": ("owner",),
}


def role_in(connection: Connection, case_id: str, actor: Actor) -> CaseRole:
    """What someone may do with a case.

    Raises:
        RecordError: If there is no such case, which is also said of one that is not theirs.
    """
    owner = connection.execute(select(cases.c.owner).where(cases.c.id == case_id)).scalar()
    role: CaseRole | None = None
    if owner is not None:
        role = "owner" if not actor.logged_in or owner == actor.name else None
    if owner is not None and role is None:
        said = connection.execute(
            select(people.c.role).where(people.c.case_id == case_id, people.c.person == actor.name)
        ).scalar()
        role = "reviewer" if said == "reviewer" else "reader" if said else None
    if role is None:
        raise RecordError(
            f"There is no case {case_id[:32]}.",
            "It may have been deleted, or belong to someone else: look at the list of cases.",
        )
    return "reader" if actor.reader else role


def require(connection: Connection, case_id: str, actor: Actor, what: str) -> CaseRole:
    """The role of someone who may do that.

    Args:
        connection: Of a reader or a writer.
        case_id: The case.
        actor: Who.
        what: `read`, `change` or `share or delete`.

    Raises:
        RecordError: If there is no such case, or they may not.
    """
    role = role_in(connection, case_id, actor)
    if role not in _ALLOWED[what]:
        raise RecordError(
            f"You may not {what} this case: you are its {role}.",
            "Ask its owner.",
        )
    return role
