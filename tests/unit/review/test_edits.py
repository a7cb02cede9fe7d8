"""What a person does to cells: each edit, undone and done again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allcell.errors import ReviewError
from allcell.review import edits
from allcell.review.case_review import CaseReview
from allcell.review.cells import CellRef, ReviewedCell
from allcell.review.signing import content_hash
from tests.review_cases import WHO, at, case, cell, field, origin, refs

A = field("a")
WITHHELD = field("b", withheld="This is no smear.")


def judged(review, number, one=A):
    found = review.cell(CellRef(one.sha256, number))
    return found.label, found.state


@pytest.mark.parametrize(
    ("edit", "number", "expected"),
    [
        pytest.param(
            lambda r: edits.confirm(r, refs(A, 1), WHO, at()), 1, ("blast", "confirmed"), id="agree"
        ),
        pytest.param(
            lambda r: edits.confirm(edits.remove(r, refs(A, 1), WHO, at()), refs(A, 1), WHO, at()),
            1,
            ("blast", "removed"),
            id="to agree with what was removed does not bring it back",
        ),
        pytest.param(
            lambda r: edits.reclassify(r, refs(A, 1), "healthy", WHO, at()),
            1,
            ("healthy", "confirmed"),
            id="a class given is confirmed",
        ),
        pytest.param(
            lambda r: edits.reclassify(r, refs(A, 3), "neutrophil", WHO, at()),
            3,
            ("neutrophil", "confirmed"),
            id="a class of one's own",
        ),
        pytest.param(
            lambda r: edits.remove(r, refs(A, 2), WHO, at()), 2, ("blast", "removed"), id="remove"
        ),
        pytest.param(
            lambda r: edits.restore(edits.remove(r, refs(A, 2), WHO, at()), refs(A, 2), WHO, at()),
            2,
            ("blast", "suggested"),
            id="restored: nobody has judged it",
        ),
        pytest.param(
            lambda r: edits.restore(
                edits.remove(
                    edits.reclassify(r, refs(A, 2), "healthy", WHO, at()), refs(A, 2), WHO, at()
                ),
                refs(A, 2),
                WHO,
                at(),
            ),
            2,
            ("healthy", "confirmed"),
            id="restored with the class that a person gave",
        ),
        pytest.param(
            lambda r: edits.move(r, refs(A, 1)[0], (1, 2, 30, 40), WHO, at()),
            1,
            ("blast", "suggested"),
            id="a moved box has the same class, still suggested",
        ),
        pytest.param(
            lambda r: edits.confirm_above(r, 0.8, WHO, at()), 2, ("blast", "confirmed"), id="0.8 is"
        ),
        pytest.param(
            lambda r: edits.confirm_above(r, 0.8, WHO, at()),
            3,
            ("healthy", "suggested"),
            id="0.7 is not above 0.8",
        ),
        pytest.param(
            lambda r: edits.confirm_above(r, 0.1, WHO, at(), label="smudge"),
            1,
            ("blast", "suggested"),
            id="only the class that was asked for",
        ),
    ],
)
def test_an_edit_and_its_undo(edit, number, expected):
    before = case(A)
    after = edit(before)
    assert judged(after, number) == expected
    undone = after
    for _ in after.undoable:
        undone = undone.undo(WHO, at(1))
    assert undone.fields == before.fields
    assert len(undone.log) == len(after.log) + len(after.undoable)
    for _ in after.undoable:
        undone = undone.redo(WHO, at(2))
    assert undone.fields == after.fields
    assert not undone.redoable


def test_what_changes_nothing_is_no_edit():
    review = case(A)
    assert edits.restore(review, refs(A, 1), WHO, at()) is review
    assert edits.confirm(review, [], WHO, at()) is review
    assert review.undo(WHO, at()) is review
    assert review.redo(WHO, at()) is review


def test_one_undo_takes_back_many_cells_of_many_fields():
    review = case(A, field("c"))
    done = edits.confirm_above(review, 0, WHO, at())
    assert not done.unreviewed
    assert len(done.log) == 1
    assert done.undo(WHO, at()).unreviewed == review.unreviewed


def test_a_new_edit_ends_redo_but_stays_in_the_log():
    review = edits.remove(case(A), refs(A, 1), WHO, at()).undo(WHO, at(1))
    assert review.redoable
    review = edits.confirm(review, refs(A, 2), WHO, at(2))
    assert not review.redoable
    assert [edit.kind for edit in review.log] == ["remove", "undo", "confirm"]


def test_an_added_cell_goes_on_from_the_last_number_and_is_cut_at_the_edge():
    review, ref = edits.add(case(A), A.sha256, (390, 310, 420, 280), "blast", WHO, at())
    assert ref.number == 5
    added = review.cell(ref)
    assert added == ReviewedCell(5, (390, 280, 400, 300), "blast", state="confirmed")
    assert added.added
    with pytest.raises(ReviewError, match="no cell 5"):
        review.undo(WHO, at()).cell(ref)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            lambda r: edits.add(r, A.sha256, (5, 5, 6, 50), "blast", WHO, at()),
            "too small",
            id="a click is no box",
        ),
        pytest.param(
            lambda r: edits.add(r, A.sha256, (500, 500, 600, 600), "blast", WHO, at()),
            "too small",
            id="outside the picture",
        ),
        pytest.param(
            lambda r: edits.add(r, A.sha256, (5, float("nan"), 6, 50), "blast", WHO, at()),
            "four numbers",
            id="no number",
        ),
        pytest.param(
            lambda r: edits.reclassify(r, refs(A, 1), "leukaemia", WHO, at()),
            "no class",
            id="an unknown class",
        ),
        pytest.param(lambda r: edits.confirm(r, refs(A, 9), WHO, at()), "no cell 9", id="cell"),
        pytest.param(
            lambda r: edits.leave_out(r, "f" * 64, "", WHO, at()), "not in this case", id="field"
        ),
        pytest.param(
            lambda r: edits.confirm_above(r, 1.5, WHO, at()), "between 0 and 1", id="confidence"
        ),
        pytest.param(lambda r: CaseReview(r.labels, (A, A)), "twice", id="one picture twice"),
    ],
)
def test_what_is_refused(edit, message):
    with pytest.raises(ReviewError, match=message):
        edit(case(A))


def test_a_field_left_out_and_taken_in():
    review = case(A, WITHHELD)
    assert [one.counted for one in review.fields] == [True, False]
    assert WITHHELD.why_not_counted == "This is no smear."
    out = edits.leave_out(review, A.sha256, "  too thick\n", WHO, at())
    assert out.field(A.sha256).why_not_counted == "too thick"
    assert not out.counted
    assert out.field(A.sha256).cells == A.cells
    assert edits.take_in(out, A.sha256, WHO, at()).fields == review.fields
    still = edits.take_in(review, WITHHELD.sha256, WHO, at())
    assert still is review


def test_a_field_comes_and_goes():
    other = field("c")
    review = edits.add_field(case(A), other, WHO, at())
    assert review.fields == (A, other)
    assert edits.add_field(review, other, WHO, at()) is review
    gone = edits.take_out_field(review, A.sha256, WHO, at())
    assert gone.fields == (other,)
    assert set(gone.undo(WHO, at()).fields) == {A, other}
    named = edits.rename_field(review, A.sha256, " Feathered edge ", WHO, at())
    assert named.field(A.sha256).title == "Feathered edge"


def test_new_suggestions_leave_what_was_judged():
    review = edits.reclassify(case(A), refs(A, 1), "healthy", WHO, at())
    fresh = replace(
        A,
        origin=origin(threshold=0.1),
        cells=(cell(1), cell(2, "healthy"), cell(9, "smudge", 0.2)),
    )
    again = edits.suggest_again(review, fresh, WHO, at())
    one = again.field(A.sha256)
    assert one.origin.threshold == 0.1
    # Cell 1 was judged; what lies on it is not suggested again, the rest has new numbers.
    assert [(c.number, c.label, c.state) for c in one.cells] == [
        (1, "healthy", "confirmed"),
        (5, "healthy", "suggested"),
        (6, "smudge", "suggested"),
    ]
    assert again.undo(WHO, at()).fields == review.fields


def test_new_suggestions_before_any_judgement_keep_the_numbers_of_the_screen():
    fresh = replace(A, cells=A.cells[:2], origin=origin(threshold=0.8))
    assert edits.suggest_again(case(A), fresh, WHO, at()).fields == (fresh,)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["confirm", "reclassify", "remove", "restore", "add", "move", "out"]),
        st.integers(1, 4),
    ),
    max_size=12,
)


def step(review, what, number):
    ref = refs(A, number)
    if what == "reclassify":
        return edits.reclassify(review, ref, "monocyte", WHO, at())
    if what == "add":
        return edits.add(review, A.sha256, (1, 1, 9, 9 + number), "blast", WHO, at())[0]
    if what == "move":
        return edits.move(review, ref[0], (1, 1, 9, 9 + number), WHO, at())
    if what == "out":
        return edits.leave_out(review, A.sha256, str(number), WHO, at())
    return getattr(edits, what)(review, ref, WHO, at())


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_undo_goes_back_to_the_start_and_redo_to_the_end(steps):
    start = end = case(A)
    for what, number in steps:
        end = step(end, what, number)
    back = end
    while back.undoable:
        back = back.undo(WHO, at())
    assert content_hash(back) == content_hash(start)
    while back.redoable:
        back = back.redo(WHO, at())
    assert content_hash(back) == content_hash(end)
