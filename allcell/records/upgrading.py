"""Bringing a database to the newest version of its tables, whatever version it has."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from allcell.errors import RecordError
from allcell.records.tables import NEWEST

_MIGRATIONS = Path(__file__).with_name("migrations")


def version_of(connection: Connection) -> str:
    """The version of a database's tables; empty if it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def upgrade(connection: Connection, to: str = NEWEST) -> None:
    """Bring a database to a version, within the transaction of the connection.

    Args:
        connection: Of a writer, so that two servers that start at once take turns.
        to: The version; tests stop at earlier ones.

    Raises:
        RecordError: If a newer allcell made the database.
    """
    found = version_of(connection)
    if found == to:
        return
    if found > NEWEST:
        raise RecordError(
            f"A newer allcell made this case database (version {found}; this one knows {NEWEST}).",
            "Update allcell. The database is left as it is.",
        )
    # Imported here: it is needed once for each database, and costs a start half a second.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic's file format gives % a meaning.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
