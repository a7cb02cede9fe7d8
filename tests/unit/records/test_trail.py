"""The trail cannot be altered through the application, and shows if it was by other ways."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from allcell.errors import RecordError
from allcell.records.verifying import verify
from allcell.review import edits
from tests.review_cases import WHO, at, refs


@pytest.fixture
def kept(store, me, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", edits.confirm_above(review, 0, WHO, at()), pictures, me)
    kept = store.sign(kept, "Dr. Ada Weiß", "Reviewed", me)
    done = edits.reclassify(kept.review, refs(review.fields[0], 1), "healthy", WHO, at())
    return store.save(kept, done, me)


def run(store, *statements):
    with store.database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET \"by\" = 'someone else' WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
        "UPDATE signatures SET signature = '{}'",
        "UPDATE edits SET edit = '{}'",
    ],
)
def test_the_database_refuses(store, kept, statement):
    with pytest.raises(RecordError, match="cannot be changed"):
        run(store, statement)
    assert verify(store).faults == ()


def test_sqlite_refuses_to_replace_and_postgresql_to_truncate(store, kept):
    if store.database.is_sqlite:
        statement = "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE number = 1"
    else:
        statement = "TRUNCATE audit"
    with pytest.raises(RecordError, match="cannot be changed"):
        run(store, statement)


#: What someone with the password of the database can do all the same.
UNGUARDED = {
    True: tuple(
        f"DROP TRIGGER {name}"
        for name in ("audit_no_update", "audit_no_delete", "signatures_no_update")
    ),
    False: ("SET session_replication_role = replica",),
}


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        pytest.param(
            ["UPDATE audit SET \"by\" = 'someone else' WHERE number = 2"],
            "Entry 2 was changed",
            id="another name",
        ),
        pytest.param(
            ["UPDATE audit SET kept_at = '2020-01-01T00:00:00+00:00' WHERE number = 3"],
            "Entry 3 was changed",
            id="another time",
        ),
        pytest.param(["DELETE FROM audit WHERE number = 2"], "Entry 2 of the trail is", id="gone"),
        pytest.param(
            ["DELETE FROM audit WHERE number = 1"], "Entry 1 of the trail is", id="the first gone"
        ),
        pytest.param(
            ["DELETE FROM audit WHERE number = 5"],
            "its cells are not those that the trail",
            id="the last gone",
        ),
        pytest.param(
            ["UPDATE cells SET label = 'blast' WHERE number = 1"],
            "its cells are not those",
            id="a cell changed behind the trail",
        ),
        pytest.param(["DELETE FROM cells WHERE number = 2"], "its cells are not", id="a cell gone"),
        pytest.param(
            ["UPDATE signatures SET content = replace(content, 'Field a', 'Field z')"],
            "version 1 is not what was signed",
            id="what was signed",
        ),
        pytest.param(
            ["UPDATE cells SET state = 'nonsense' WHERE number = 1"], "its cells", id="a state"
        ),
        pytest.param(["UPDATE fields SET facts = 'x'"], "rows cannot be read", id="no JSON"),
        pytest.param(["DELETE FROM cases"], "does not say that it was deleted", id="a case gone"),
    ],
)
def test_what_is_altered_behind_its_back_shows(store, kept, statements, fault):
    assert verify(store).faults == ()
    run(store, *UNGUARDED[store.database.is_sqlite], *statements)
    found = verify(store, pictures=False).faults
    assert found
    assert any(re.search(fault, said) for said in found), found


def test_an_end_that_was_cut_off_shows_by_a_hash_that_was_noted(store, kept):
    noted = verify(store)
    assert verify(store, expected=noted.head[:16].upper()).faults == ()
    rest = "DELETE FROM edits; DELETE FROM signatures; DELETE FROM cases; DELETE FROM audit"
    run(store, *UNGUARDED[store.database.is_sqlite], *rest.split("; "))
    assert verify(store, pictures=False).faults == ()
    [said] = verify(store, expected=noted.head, pictures=False).faults
    assert "the end of the trail was cut off" in said


def test_a_picture_that_is_missing_or_another_shows(store, kept):
    a, b = kept.review.fields
    store.pictures.path(a.sha256).unlink()
    store.pictures.path(b.sha256).write_bytes(b"no picture")
    stray = store.pictures.path("f" * 64)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    said = " ".join(verify(store).faults)
    assert said.count("missing or cannot be read") == 2
    assert "belongs to no case" in said


def test_a_clock_that_was_set_back_changes_no_order_and_is_remarked(store, kept, me, clock):
    clock.now -= timedelta(days=1)
    done = edits.remove(kept.review, refs(kept.review.fields[0], 2), WHO, clock())
    again = store.save(kept, done, me)
    assert store.open(kept.id, me).review.fields == again.review.fields
    found = verify(store)
    assert found.faults == ()
    [remark] = found.remarks
    assert remark.startswith("Entry 6: The clock was set back by 86")
