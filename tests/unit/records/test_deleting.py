"""A deleted case is gone: from the rows, from the files, from the folder of pictures."""

import dataclasses

import pytest

from allcell.errors import RecordError
from allcell.records.deleting import delete_case, drop_doomed
from allcell.records.kept import Actor
from allcell.records.listing import list_cases
from allcell.records.verifying import verify
from allcell.review import edits
from tests.review_cases import WHO, at

SECRET = "Zaphod-Beeblebrox-4711"


def in_files(folder, secret):
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and secret.encode() in file.read_bytes()
    ]


def test_nothing_of_a_deleted_case_is_in_the_files(store, me, two_fields, tmp_path):
    review, pictures = two_fields
    named = edits.rename_field(review, review.fields[0].sha256, f"{SECRET} field", WHO, at())
    named = edits.leave_out(named, review.fields[0].sha256, f"{SECRET} reason", WHO, at())
    kept = store.keep(SECRET, edits.confirm_above(named, 0, WHO, at()), pictures, me)
    kept = store.sign(kept, "Dr. Ada Weiß", "Reviewed", me)
    if store.database.is_sqlite:
        assert in_files(tmp_path, SECRET)
    deletion = delete_case(store, kept.id, me)
    assert (deletion.pictures, deletion.kept_pictures, deletion.overwritten) == (2, 0, True)
    assert in_files(tmp_path, SECRET) == []
    assert list(store.pictures.all()) == []
    assert list_cases(store, me) == []
    with pytest.raises(RecordError, match="There is no case"):
        store.open(kept.id, me)
    found = verify(store)
    assert found.faults == ()
    assert found.entries == 6


def test_a_picture_that_another_case_has_stays(store, me, two_fields):
    review, pictures = two_fields
    _, b = review.fields
    kept = store.keep("Both", review, pictures, me)
    store.keep("One", dataclasses.replace(review, fields=(b,)), pictures, me)
    deletion = delete_case(store, kept.id, me)
    assert (deletion.pictures, deletion.kept_pictures) == (1, 1)
    assert list(store.pictures.all()) == [b.sha256]
    assert verify(store).faults == ()


def test_a_picture_comes_back_with_a_case_that_is_kept_while_it_was_to_go(
    stores, me, two_fields, monkeypatch
):
    review, pictures = two_fields
    one, other = stores(), stores()
    kept = one.keep("Case", review, pictures, me)
    with monkeypatch.context() as killed:
        killed.setattr("allcell.records.deleting.drop_doomed", lambda store: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            delete_case(one, kept.id, me)
    # Its rows are gone, its pictures are doomed; another case needs one before they go.
    a, b = review.fields
    other.keep("Another", dataclasses.replace(review, fields=(a,)), pictures, me)
    assert drop_doomed(one) == {b.sha256}
    assert verify(one).faults == ()


def test_only_its_owner_deletes_a_case(store, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, Actor("ada", logged_in=True))
    with pytest.raises(RecordError, match="There is no case"):
        delete_case(store, kept.id, Actor("bo", logged_in=True))
    with pytest.raises(RecordError, match="may not share or delete"):
        delete_case(store, kept.id, Actor("ada", logged_in=True, reader=True))
    delete_case(store, kept.id, Actor("ada", logged_in=True))


@pytest.mark.slow
def test_who_reads_meanwhile_is_not_disturbed(stores, me, two_fields):
    review, pictures = two_fields
    kept = stores().keep("Case", review, pictures, me)
    reading = stores()
    if not reading.database.is_sqlite:
        pytest.skip("PostgreSQL's readers hold back its rewriting for ten seconds")
    with reading.database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM cells").scalar()
        deletion = delete_case(stores(), kept.id, me)
        assert not deletion.overwritten
        assert connection.exec_driver_sql("SELECT count(*) FROM cells").scalar() == 8
    other = stores().keep("Other", review, pictures, me)
    assert delete_case(stores(), other.id, me).overwritten
