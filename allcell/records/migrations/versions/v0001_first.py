"""The first version: cases, fields, cells, edits, signatures, and the trail that only grows."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

#: What is refused in which table, for SQLite's and PostgreSQL's triggers.
_REFUSED = (
    ("audit", "UPDATE"),
    ("audit", "DELETE"),
    ("signatures", "UPDATE"),
    ("edits", "UPDATE"),
)


def _of_case() -> sa.Column[str]:
    return sa.Column(
        "case_id", sa.String(32), sa.ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables and their triggers."""
    op.create_table(
        "cases",
        sa.Column("id", sa.String(32), primary_key=True),
        *_texts("label", "owner"),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("changed_at", sa.String(32), nullable=False),
        *_texts("changed_by"),
        sa.Column("revision", sa.Integer, nullable=False),
        *_texts("own_labels", "undoable", "redoable"),
        sa.Column("content_sha256", sa.String(64), nullable=False),
    )
    op.create_table(
        "people",
        _of_case(),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
    )
    op.create_table(
        "fields",
        _of_case(),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        *_texts("facts"),
    )
    op.create_table(
        "cells",
        _of_case(),
        sa.Column("field", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        *(sa.Column(side, sa.Double, nullable=False) for side in ("x1", "y1", "x2", "y2")),
        *_texts("label"),
        sa.Column("suggested", sa.Text),
        sa.Column("confidence", sa.Double),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.create_table(
        "edits", _of_case(), sa.Column("place", sa.Integer, primary_key=True), *_texts("edit")
    )
    op.create_table(
        "signatures",
        _of_case(),
        sa.Column("place", sa.Integer, primary_key=True),
        *_texts("signature", "content"),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(32), nullable=False, index=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kept_at", sa.String(32), nullable=False),
        *_texts("by"),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("field", sa.String(64), nullable=False),
        *_texts("changed_from", "changed_to", "model"),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        *_texts("remark"),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    about = op.create_table("about", sa.Column("id", sa.String(32), primary_key=True))
    op.bulk_insert(about, [{"id": uuid.uuid4().hex}])
    op.create_table("doomed_pictures", sa.Column("sha256", sa.String(64), primary_key=True))
    if op.get_bind().dialect.name == "sqlite":
        _triggers_of_sqlite()
    else:
        _triggers_of_postgresql()


def _triggers_of_sqlite() -> None:
    for table, act in _REFUSED:
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    # INSERT OR REPLACE deletes without the trigger for deleting.
    op.execute(
        "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
        "WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
    )


def _triggers_of_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION allcell_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table, act in _REFUSED:
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION allcell_append_only()"
        )
    op.execute(
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION allcell_append_only()"
    )
