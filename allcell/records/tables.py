"""The tables, as they are at the newest version; `migrations` brings older databases there.

`fields` and `cells` are how a case stands, `edits` is what undo needs, `audit` is what happened.
When a case is deleted, its rows go from all but `audit`, which holds no label, title or picture.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()
#: The newest version of the tables: the last file of `migrations/versions`.
NEWEST = "0001"


def _of_case(*, key: bool = True) -> Column[str]:
    return Column(
        "case_id", String(32), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=key
    )


#: One row: a number that this database alone has. Its pictures are in a folder of that name, so
#: that two databases beside one another never delete each other's.
about = Table("about", METADATA, Column("id", String(32), primary_key=True))
cases = Table(
    "cases",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("label", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("changed_at", String(32), nullable=False),
    Column("changed_by", Text, nullable=False),
    # Grows by one with each save: who saves from an older one is told, and overwrites nothing.
    Column("revision", Integer, nullable=False),
    Column("own_labels", Text, nullable=False),
    Column("undoable", Text, nullable=False),
    Column("redoable", Text, nullable=False),
    Column("content_sha256", String(64), nullable=False),
)
people = Table(
    "people",
    METADATA,
    _of_case(),
    Column("person", Text, primary_key=True),
    Column("role", String(16), nullable=False),
)
fields = Table(
    "fields",
    METADATA,
    _of_case(),
    Column("sha256", String(64), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("facts", Text, nullable=False),
)
cells = Table(
    "cells",
    METADATA,
    _of_case(),
    Column("field", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    *(Column(side, Double, nullable=False) for side in ("x1", "y1", "x2", "y2")),
    Column("label", Text, nullable=False),
    Column("suggested", Text),
    Column("confidence", Double),
    Column("state", String(16), nullable=False),
)
edits = Table(
    "edits",
    METADATA,
    _of_case(),
    Column("place", Integer, primary_key=True),
    Column("edit", Text, nullable=False),
)
signatures = Table(
    "signatures",
    METADATA,
    _of_case(),
    Column("place", Integer, primary_key=True),
    Column("signature", Text, nullable=False),
    # The case as it was signed: later changes do not touch it.
    Column("content", Text, nullable=False),
)
audit = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(32), nullable=False, index=True),
    Column("at", String(32), nullable=False),
    Column("kept_at", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("what", String(40), nullable=False),
    Column("field", String(64), nullable=False),
    Column("changed_from", Text, nullable=False),
    Column("changed_to", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("weights_sha256", String(64), nullable=False),
    Column("version", String(40), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("remark", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
#: Pictures whose case was deleted and whose files have still to go.
doomed_pictures = Table("doomed_pictures", METADATA, Column("sha256", String(64), primary_key=True))
