"""Cases that are kept, saved, signed and found again."""

import dataclasses

import numpy as np
import pytest
from sqlalchemy import select, text

from allcell.errors import RecordError, ReviewError
from allcell.records.kept import Actor, CaseChangedError
from allcell.records.listing import list_cases
from allcell.records.sharing import note_export, share_case, trail_of
from allcell.records.verifying import verify
from allcell.review import edits
from allcell.review.labels import LabelSet, own_label
from allcell.review.signing import content_hash
from tests.review_cases import WHO, at, refs


def same(a, b):
    return (a.fields, a.labels, a.log, a.undoable, a.redoable) == (
        *(b.fields, b.labels, b.log),
        *(b.undoable, b.redoable),
    )


def worked_on(review):
    """One of each edit, undo and redo included."""
    a, b = review.fields
    review = edits.confirm(review, refs(a, 1), WHO, at(1))
    review = edits.reclassify(review, refs(a, 2), "neutrophil", WHO, at(2))
    review = edits.remove(review, refs(a, 3), WHO, at(3))
    review, _ = edits.add(review, b.sha256, (1, 2, 12, 13.25), "blast", WHO, at(4))
    review = edits.move(review, refs(b, 1)[0], (0, 0, 9, 9), WHO, at(5))
    review = edits.leave_out(review, b.sha256, "thick; patient Miller", WHO, at(6))
    return review.undo(WHO, at(7)).redo(WHO, at(8)).undo(WHO, at(9))


def test_a_case_comes_back_as_it_was_with_undo(stores, me, two_fields):
    review, pictures = two_fields
    kept = stores().keep("Case 7", review, pictures, me)
    kept = stores().save(kept, worked_on(review), me)
    found = stores().open(kept.id, me)
    assert same(found.review, worked_on(review))
    assert content_hash(found.review) == content_hash(kept.review)
    assert (found.label, found.revision, found.role) == ("Case 7", 2, "owner")
    back = found.review
    while back.undoable:
        back = back.undo(WHO, at(20))
    assert back.fields == review.fields
    for sha256, image in pictures.items():
        np.testing.assert_array_equal(stores().picture(sha256), image)
    assert verify(stores()).faults == ()


def test_each_step_saved_by_itself_is_the_same_as_all_at_once(store, me, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, me)
    for n in range(1, 5):
        kept = store.save(
            kept, edits.confirm(kept.review, refs(review.fields[0], n), WHO, at()), me
        )
    assert kept.revision == 5
    assert same(store.open(kept.id, me).review, kept.review)
    assert store.save(kept, kept.review, me) is kept


def test_the_second_of_two_is_told_and_nothing_is_overwritten(stores, me, two_fields):
    review, pictures = two_fields
    one, other = stores(), stores()
    kept = one.keep("Case", review, pictures, me)
    theirs = other.open(kept.id, me)
    first = edits.confirm(kept.review, refs(review.fields[0], 1), "Dr. A", at())
    one.save(kept, first, Actor("Dr. A"))
    second = edits.remove(theirs.review, refs(review.fields[0], 1), "Dr. B", at())
    with pytest.raises(CaseChangedError, match=r"Dr. A changed this case at 12:00 UTC") as error:
        other.save(theirs, second, Actor("Dr. B"))
    assert error.value.by == "Dr. A"
    assert same(other.open(kept.id, me).review, first)
    with pytest.raises(CaseChangedError):
        other.rename(theirs, "Mine", me)
    assert verify(one).faults == ()


def test_the_same_save_twice_is_no_conflict(stores, me, two_fields):
    review, pictures = two_fields
    kept = stores().keep("Case", review, pictures, me)
    done = edits.confirm(kept.review, refs(review.fields[0], 1), WHO, at())
    stores().save(kept, done, me)
    again = stores().save(kept, done, me)
    assert again.revision == 2
    assert len(trail_of(stores(), kept.id, me)) == 2


def test_a_field_that_comes_later_brings_its_picture(store, me, two_fields):
    review, pictures = two_fields
    a, b = review.fields
    one = dataclasses.replace(review, fields=(a,))
    kept = store.keep("Case", one, pictures, me)
    more = edits.add_field(kept.review, b, WHO, at())
    with pytest.raises(RecordError, match="picture of Field b is missing"):
        store.save(kept, more, me)
    kept = store.save(kept, more, me, {b.sha256: pictures[b.sha256]})
    assert store.open(kept.id, me).review.fields == (a, b)
    gone = edits.take_out_field(kept.review, a.sha256, WHO, at())
    kept = store.save(kept, gone, me)
    assert store.open(kept.id, me).review.fields == (b,)


def test_a_picture_that_was_not_reviewed_is_refused(store, me, two_fields):
    review, pictures = two_fields
    wrong = {sha256: image[::-1] for sha256, image in pictures.items()}
    with pytest.raises(RecordError, match="not the one that was reviewed"):
        store.keep("Case", review, wrong, me)
    assert list_cases(store, me) == []
    assert list(store.pictures.all()) == []


def test_classes_of_ones_own_are_kept(store, me, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, me)
    more = LabelSet((*review.labels.own, own_label("plasma cell", "X", place=7)))
    kept = store.save(kept, edits.set_labels(review, more), me)
    assert store.open(kept.id, me).review.labels == more
    used = edits.reclassify(kept.review, refs(review.fields[0], 1), "plasma cell", WHO, at())
    with pytest.raises(ReviewError, match="plasma cell is in use"):
        edits.set_labels(used, review.labels)


def test_signing_and_the_version_after(stores, me, two_fields):
    review, pictures = two_fields
    kept = stores().keep("Case", review, pictures, me)
    with pytest.raises(ReviewError, match="cells 1, 2, 3, 4 not reviewed"):
        stores().sign(kept, "Dr. Ada Weiß", "Reviewed", me)
    kept = stores().save(kept, edits.confirm_above(review, 0, WHO, at()), me)
    kept = stores().sign(kept, "Dr. Ada Weiß", "Reviewed", me)
    kept = stores().sign(kept, "Dr. Bo Li", "Approved", Actor("Bo"))
    found = stores().open(kept.id, me)
    assert [s.printed_name for s in found.signed] == ["Dr. Ada Weiß", "Dr. Bo Li"]
    assert found.version == 1
    [line] = list_cases(stores(), me)
    assert line.signed
    changed = edits.reclassify(found.review, refs(review.fields[0], 1), "healthy", WHO, at())
    found = stores().save(found, changed, me)
    assert (found.signed, found.version, len(found.signatures)) == ((), 2, 2)
    assert not list_cases(stores(), me)[0].signed
    assert stores().sign(found, "Dr. Ada Weiß", "Reviewed", me).version == 2
    assert verify(stores()).faults == ()


def test_signing_what_someone_else_changed_is_refused(stores, me, two_fields):
    review, pictures = two_fields
    kept = stores().keep("Case", edits.confirm_above(review, 0, WHO, at()), pictures, me)
    changed = edits.reclassify(kept.review, refs(review.fields[0], 1), "healthy", WHO, at())
    stores().save(kept, changed, me)
    with pytest.raises(CaseChangedError):
        stores().sign(kept, "Dr. Ada Weiß", "Reviewed", me)
    assert stores().open(kept.id, me).signatures == ()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        pytest.param("", ["B%_2", "Fall Müller"], id="all, the newest first"),
        pytest.param("müll", ["Fall Müller"], id="part of a label, small letters"),
        pytest.param("%_", ["B%_2"], id="signs that SQL gives a meaning"),
        pytest.param("picture", ["B%_2"], id="a picture's hash"),
        pytest.param("zzz", [], id="none"),
        pytest.param("' OR 1=1 --", [], id="no SQL"),
    ],
)
def test_search(store, me, two_fields, search, found):
    review, pictures = two_fields
    a, b = review.fields
    store.keep("Fall Müller", dataclasses.replace(review, fields=(a,)), pictures, me)
    store.keep("B%_2", dataclasses.replace(review, fields=(b,)), pictures, me)
    asked = b.sha256[:10].upper() if search == "picture" else search
    assert [line.label for line in list_cases(store, me, asked)] == found


def test_what_a_line_of_the_list_says(store, me, two_fields):
    review, pictures = two_fields
    store.keep("Case", worked_on(review), pictures, me)
    [line] = list_cases(store, me)
    assert (line.fields, line.cells, line.unreviewed, line.signed) == (2, 8, 5, False)
    assert line.changed_by == WHO


def test_a_hostile_label_is_text_on_one_line(store, me, two_fields):
    review, pictures = two_fields
    kept = store.keep(" <script>\0\n\u202e x", review, pictures, me)
    assert store.open(kept.id, me).label == "<script> x"
    with pytest.raises(RecordError, match="needs a label"):
        store.keep(" \n ", review, pictures, me)


ADA, BO, CY = (Actor(name, logged_in=True) for name in ("ada", "bo", "cy"))


def test_with_a_login_a_case_belongs_to_its_owner(store, two_fields, me):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, ADA)
    assert [line.label for line in list_cases(store, ADA)] == ["Case"]
    assert list_cases(store, BO) == []
    with pytest.raises(RecordError, match="There is no case"):
        store.open(kept.id, BO)
    with pytest.raises(RecordError, match="There is no case"):
        store.save(kept, edits.confirm(review, refs(review.fields[0], 1), "bo", at()), BO)
    # Whoever runs allcell without a login has the files anyway.
    assert store.open(kept.id, me).owner == "ada"


def test_nobody_who_is_logged_in_keeps_corrections_of_another(store, two_fields):
    review, pictures = two_fields
    done = edits.confirm(review, refs(review.fields[0], 1), "bo", at())
    with pytest.raises(RecordError, match="signed as bo, and ada is logged in"):
        store.keep("Case", done, pictures, ADA)
    assert list(store.pictures.all()) == []


def test_a_case_whose_rows_were_changed_is_no_crash(store, me, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, me)
    with store.database.write() as connection:
        connection.execute(text("UPDATE cells SET x2 = -1"))
    with pytest.raises(RecordError, match="its rows were changed or are damaged"):
        store.open(kept.id, me)


def test_a_reader_reads_and_a_reviewer_reviews(store, two_fields):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, ADA)
    share_case(store, kept.id, "bo", "reader", ADA)
    share_case(store, kept.id, "cy", "reviewer", ADA)
    assert list_cases(store, BO)[0].role == "reader"
    theirs = store.open(kept.id, BO)
    assert theirs.role == "reader"
    with pytest.raises(RecordError, match="You may not change this case: you are its reader"):
        store.save(theirs, edits.confirm(review, refs(review.fields[0], 1), "bo", at()), BO)
    done = edits.confirm(review, refs(review.fields[0], 1), "cy", at())
    store.save(store.open(kept.id, CY), done, CY)
    with pytest.raises(RecordError, match="signed as cy, and ada is logged in"):
        store.save(
            store.open(kept.id, ADA), edits.remove(done, refs(review.fields[0], 2), "cy", at()), ADA
        )
    with pytest.raises(RecordError, match="may not share or delete"):
        share_case(store, kept.id, "bo", "owner", CY)
    share_case(store, kept.id, "bo", None, ADA)
    with pytest.raises(RecordError, match="There is no case"):
        store.open(kept.id, BO)
    with pytest.raises(RecordError, match="may not change"):
        store.save(
            store.open(kept.id, dataclasses.replace(ADA, reader=True)),
            edits.confirm(done, refs(review.fields[0], 4), "ada", at()),
            dataclasses.replace(ADA, reader=True),
        )


def test_the_trail_tells_who_did_what_and_nothing_that_a_person_typed(store, me, two_fields):
    review, pictures = two_fields
    a, b = review.fields
    kept = store.keep("Miller, Ann", review, pictures, me)
    kept = store.save(kept, worked_on(review), me)
    kept = store.rename(kept, "Miller, A.", me)
    note_export(store, kept, "PDF", me)
    told = trail_of(store, kept.id, me)
    assert [entry.what for entry in told] == [
        *("keep", "confirm", "reclassify", "remove", "add", "move", "leave out"),
        *("undo: leave out", "redo: leave out", "undo: leave out", "rename", "export"),
    ]
    second = told[2]
    assert (second.by, second.field, second.model) == (WHO, a.sha256, "live")
    assert second.changed_from == '{"2":"blast, suggested"}'
    assert second.changed_to == '{"2":"neutrophil, confirmed"}'
    assert second.weights_sha256 == "ab" * 32
    assert second.version
    assert told[4].changed_to == '{"5":"blast, confirmed, 1.0 2.0 12.0 13.2"}'
    assert told[4].field == b.sha256
    with store.database.read() as connection:
        everything = str(connection.execute(text("SELECT * FROM audit")).all())
    assert "Miller" not in everything
    assert "Field" not in everything


def test_a_place_without_a_password(store):
    assert "pictures in" in store.place
    with store.database.read() as connection:
        assert connection.execute(select(1)).scalar() == 1
