"""A database of every earlier version is brought to the newest, with what is in it."""

import re
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

import allcell.records.migrations.versions as versions
from allcell.errors import RecordError
from allcell.records.database import Database
from allcell.records.listing import list_cases
from allcell.records.store import CaseStore
from allcell.records.tables import METADATA, NEWEST
from allcell.records.upgrading import version_of
from allcell.records.verifying import verify
from allcell.review import edits
from tests.review_cases import WHO, at, refs

FOLDER = Path(versions.__file__).parent
VERSIONS = sorted(re.findall(r"v(\d{4})_", " ".join(file.name for file in FOLDER.glob("v*.py"))))
#: A database as each version wrote it, with one case: by `sqlite3 cases.sqlite3 .dump`.
DUMPS = Path(__file__).with_name("dumps")


def test_the_newest_version_is_the_last_file():
    assert VERSIONS[-1] == NEWEST
    assert [int(version) for version in VERSIONS] == list(range(1, len(VERSIONS) + 1))


def test_the_migrations_make_the_tables_that_the_program_uses(store):
    with store.database.read() as connection:
        assert version_of(connection) == NEWEST
        found = inspect(connection)
        for table in METADATA.sorted_tables:
            columns = {
                c["name"]: (str(c["type"]).split("(")[0].replace(" PRECISION", ""), c["nullable"])
                for c in found.get_columns(table.name)
            }
            assert columns == {
                c.name: (str(c.type).split("(")[0], bool(c.nullable)) for c in table.columns
            }, table.name
            key = set(found.get_pk_constraint(table.name)["constrained_columns"])
            assert key == {c.name for c in table.primary_key}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_case_of_an_earlier_version_is_read_and_goes_on(version, tmp_path, me):
    file = tmp_path / "data" / "cases.sqlite3"
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.executescript((DUMPS / f"v{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    store = CaseStore(tmp_path / "data")
    assert verify(store, pictures=False).faults == ()
    [line] = list_cases(store, me)
    assert (line.label, line.cells, line.signed) == ("Case of the dump", 4, True)
    kept = store.open(line.id, me)
    done = edits.reclassify(kept.review, refs(kept.review.fields[0], 1), "healthy", WHO, at())
    store.save(kept, done, me)
    assert verify(store, pictures=False).faults == ()
    store.database.close()


def test_a_newer_database_is_left_alone(stores, url, tmp_path):
    store = stores()
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecordError, match="A newer allcell made this case database"):
        Database(tmp_path / "data", url)
