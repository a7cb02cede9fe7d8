"""The database of the cases: opened, its transactions, and its faults in plain words.

SQLite in one file by default, PostgreSQL by `ALLCELL_DATABASE_URL`. Writers take turns, in one
process and across servers: the audit trail is one chain, so two may never add to it at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from allcell.environment.files import is_disk_full
from allcell.errors import RecordError
from allcell.records.tables import about
from allcell.records.upgrading import upgrade

#: How long a writer waits for its turn.
BUSY_S = 10
#: The rewriting of the files after a deletion waits less: somebody sits before it.
_REWRITE_S = 2
FILE_NAME = "cases.sqlite3"
#: Any number, as long as all versions of allcell use this one.
_TURN = 0xA11CE11
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """One database, for all threads of a process.

    Args:
        folder: Where SQLite's file is, created when it is first written to.
        url: Of a PostgreSQL database, or `sqlite:///...`; empty for the file in the folder.

    Raises:
        RecordError: If it cannot be opened, or was made by a newer allcell.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = address(folder, url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        with faults(self.place):
            if self.is_sqlite:
                _prepare(Path(str(self.url.database)))
            self._engine = _engine(self.url)
            with self.write() as connection:
                upgrade(connection)
                #: A number that no other database has.
                self.id = str(connection.execute(select(about.c.id)).scalar_one())

    @property
    def place(self) -> str:
        """Where the cases are, for people; without a password."""
        return place_of(self.url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of everything and changes nothing.

        Raises:
            RecordError: If the database cannot be used.
        """
        with faults(self.place), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is kept as a whole at its end, or not at all. Writers take turns.

        Raises:
            RecordError: If the database cannot be used, or another writer takes too long.
        """
        writer = self._engine.execution_options(allcell_writes=True)
        with faults(self.place), writer.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_S}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
            yield connection

    def forget_deleted(self) -> bool:
        """Overwrite what deleted rows leave behind in the files.

        Returns:
            Whether that was possible now; others who are reading may be in the way. SQLite has
            zeroed the deleted rows in any case.

        Raises:
            RecordError: If the database cannot be used.
        """
        with faults(self.place), self._engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            try:
                if self.is_sqlite:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_REWRITE_S * 1000}")
                    connection.exec_driver_sql("VACUUM")
                    row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
                    return row is not None and row[0] == 0
                connection.exec_driver_sql(f"SET lock_timeout = '{_REWRITE_S}s'")
                for table in ("cases", "people", "fields", "cells", "edits", "signatures"):
                    connection.exec_driver_sql(f"VACUUM (FULL) {table}")
                return True
            except DBAPIError as error:
                if _said(error.orig) in (_BUSY, _FULL):
                    return False
                raise
            finally:
                # The connection goes back to the others, who wait as long as always.
                if self.is_sqlite:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
                else:
                    connection.exec_driver_sql("RESET lock_timeout")

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()


def place_of(url: URL) -> str:
    """Where a database is, for people; without a password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"PostgreSQL, {url.host or 'this machine'}, database {url.database}"


def address(folder: Path, url: str) -> URL:
    """The full address of a database.

    Args:
        folder: Where SQLite's file is.
        url: See `Database`.

    Raises:
        RecordError: If it is no address of a database that allcell can use.
    """
    if not url:
        return URL.create("sqlite", database=str(folder.expanduser() / FILE_NAME))
    try:
        made = make_url(url)
        backend = made.get_backend_name()
    except (ArgumentError, ValueError):
        made, backend = None, ""
    if made is None or backend not in ("sqlite", *_DRIVERS):
        # What was given is not repeated: it may hold a password.
        raise RecordError(
            "ALLCELL_DATABASE_URL is no address of a PostgreSQL database.",
            "Write it as postgresql://user:password@host/name, or unset it for a file.",
        )
    if backend == "sqlite":
        if not made.database or made.database == ":memory:":
            raise RecordError(
                "ALLCELL_DATABASE_URL names SQLite without a file.",
                "Write it as sqlite:////folder/cases.sqlite3, or unset it.",
            )
        return made
    if find_spec("psycopg") is None:
        raise RecordError(
            "ALLCELL_DATABASE_URL names PostgreSQL, and the package for it is not installed.",
            'Install it with: pip install "allcell[postgres]"',
        )
    return made.set(drivername=_DRIVERS.get(backend, backend))


def _prepare(file: Path) -> None:
    """The folder of the file, which nobody else on the machine may read."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": BUSY_S}
        )
    # Errors without the values of their statement: a log holds no label of a case.
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: Any) -> None:
        # Python's module would open transactions at its own discretion, too late for a reader's.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_S * 1000}",
            "journal_mode = WAL",
            # Each commit is on the disk before a page says that it is kept.
            "synchronous = FULL",
            "foreign_keys = ON",
            # Deleted rows are overwritten with zeros.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            writes = options.get("allcell_writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_BUSY = (
    "The case database is in use by someone else.",
    "Nothing was saved or lost. Try again in a moment.",
)
_FULL = (
    "The disk with the case database is full.",
    "Nothing of this step was saved; what was saved before is kept. Make room, then save again.",
)
_BROKEN = (
    "The disk with the case database cannot be read or written.",
    "Nothing of this step was saved. Check the disk; if the folder is on a network drive, move it "
    "to a disk of this machine, or use PostgreSQL.",
)
_READ_ONLY = (
    "The case database cannot be written to.",
    "Nothing was saved. Let the user that runs allcell write to its folder and file.",
)
_DAMAGED = (
    "The case database is damaged, or is no database.",
    "Leave the file as it is, and put back the last backup of the folder.",
)
_AWAY = (
    "The case database cannot be reached.",
    "Nothing of this step is confirmed as saved. Check that it runs, then try again.",
)
_APPEND_ONLY = (
    "The audit trail and signatures cannot be changed.",
    "Make a correction of its own instead; both will be on record.",
)

#: What the databases say, in lower case, and what that means. The first that fits counts.
_SAYINGS = (
    ("database is locked", _BUSY),
    ("database table is locked", _BUSY),
    ("lock timeout", _BUSY),
    ("canceling statement due to lock", _BUSY),
    ("deadlock detected", _BUSY),
    ("append-only", _APPEND_ONLY),
    ("disk is full", _FULL),
    ("no space left", _FULL),
    ("could not extend file", _FULL),
    ("disk i/o error", _BROKEN),
    ("readonly database", _READ_ONLY),
    ("read-only", _READ_ONLY),
    ("permission denied", _READ_ONLY),
    ("unable to open database file", _READ_ONLY),
    ("not a database", _DAMAGED),
    ("malformed", _DAMAGED),
    ("connection", _AWAY),
    ("server closed", _AWAY),
    ("could not translate host name", _AWAY),
    ("authentication failed", _AWAY),
    ("does not exist", _AWAY),
)


def _said(error: BaseException | None) -> tuple[str, str] | None:
    told = str(error).lower()
    return next((meaning for saying, meaning in _SAYINGS if saying in told), None)


@contextmanager
def faults(place: str) -> Iterator[None]:
    """Turn what a database or a file system raises into a RecordError that says what to do.

    Args:
        place: Where the cases are, for people.

    Raises:
        RecordError: If it could not be used; faults of the program stay as they are.
    """
    try:
        yield
    except PoolTimeout:
        raise RecordError(_BUSY[0], f"{_BUSY[1]} ({place})") from None
    except DBAPIError as error:
        # A connection that broke before, under a transaction that was still open.
        meaning = _AWAY if error.connection_invalidated else _said(error.orig)
        if meaning is None:
            raise
        # No cause: SQLAlchemy's message repeats the values of the statement.
        raise RecordError(meaning[0], f"{meaning[1]} ({place})") from None
    except OSError as error:
        message, remedy = _FULL if is_disk_full(error) else _READ_ONLY
        raise RecordError(message, f"{remedy} ({place})") from None
