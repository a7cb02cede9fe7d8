"""Counts before and after review, and the model against the reviewer, by hand."""

from collections import Counter
from dataclasses import replace

import pytest

from allcell.errors import ReviewError
from allcell.review import edits
from allcell.review.concordance import cohen_kappa, model_against_reviewer
from allcell.review.counting import TARGETS, counts, differential
from allcell.review.doubt import by_doubt, doubt, next_uncertain
from allcell.review.labels import (
    MAX_OWN_LABELS,
    RESERVED_KEYS,
    SUGGESTED_OWN,
    LabelSet,
    own_label,
    suggested_own,
)
from allcell.review.signing import content_hash, signature, signing_obstacles
from tests.review_cases import WHO, at, case, cell, field, refs

A = field("a", ("blast",) * 20 + ("healthy",) * 80 + ("smudge",) * 5)


def reviewed():
    """Two blasts are healthy, one healthy cell is none, one is removed, one blast was missed."""
    review = edits.confirm(case(A), refs(A, *range(1, 106)), WHO, at())
    review = edits.reclassify(review, refs(A, 1, 2), "healthy", WHO, at())
    review = edits.reclassify(review, refs(A, 21), "not a cell", WHO, at())
    review = edits.remove(review, refs(A, 22), WHO, at())
    return edits.add(review, A.sha256, (1, 1, 20, 20), "blast", WHO, at())[0]


def test_the_counts_of_the_model_stay_while_those_of_the_review_change():
    before, after = counts(reviewed(), "suggested"), counts(reviewed(), "confirmed")
    assert (before.blasts, before.white_cells, before.smudges) == (20, 100, 5)
    share = before.blast_share
    # The interval of 20 of 100 in Ruemke's table.
    assert (round(100 * share.low, 1), round(100 * share.high, 1)) == (12.7, 29.2)
    assert (after.blasts, after.white_cells, after.smudges) == (19, 99, 5)
    assert after.smudges_per_100 == pytest.approx(500 / 99)
    assert after.unreviewed == 0


def test_nothing_unconfirmed_enters_the_signed_count():
    review = edits.confirm(case(A), refs(A, 1), WHO, at())
    signed, now = counts(review, "confirmed"), counts(review)
    assert (signed.white_cells, signed.unreviewed) == (1, 104)
    assert now.white_cells == 100


@pytest.mark.parametrize(
    ("label", "share", "per_100"),
    [
        pytest.param("neutrophil", (1, 4), 25.0, id="a white cell of one's own is one of n"),
        pytest.param("erythroblast", None, 100 / 3, id="no white cell: beside n"),
        pytest.param("unidentified", None, 100 / 3, id="what has no name is in no share"),
        pytest.param("not a cell", None, 100 / 3, id="no cell"),
    ],
)
def test_what_a_class_counts_as(label, share, per_100):
    one = field("a", ("blast", "healthy", "healthy", "healthy"))
    review = edits.reclassify(case(one), refs(one, 4), label, WHO, at())
    found = counts(review)
    got = found.share(label)
    assert (got and (got.k, got.n)) == share
    assert found.white_cells == (4 if share else 3)
    assert found.per_100(label) == pytest.approx(per_100)


def test_a_field_left_out_or_withheld_counts_nothing():
    other, withheld = field("b"), field("c", withheld="No smear.")
    review = case(field("a"), other, withheld)
    assert counts(review).white_cells == 6
    assert counts(edits.leave_out(review, other.sha256, "", WHO, at())).white_cells == 3
    insisted = replace(withheld, insisted=True)
    assert counts(case(insisted)).white_cells == 3


def test_another_models_class_is_unidentified():
    one = field("a", ("blast",))
    odd = replace(one, cells=(cell(1, "platelet clump"),))
    assert counts(case(odd), "suggested").unidentified == 1


@pytest.mark.parametrize(
    ("target", "missing", "progress"),
    [(100, 1, 0.99), (200, 101, 99 / 200), (400, 301, 99 / 400), (50, 0, 1.0)],
)
def test_how_far_the_differential_is(target, missing, progress):
    done = differential(reviewed(), target)
    assert (done.missing, done.progress) == (missing, pytest.approx(progress))
    rows = {row.label.name: (row.before.k, row.after.k, row.after.n) for row in done.rows}
    assert rows["blast"] == (20, 19, 99)
    assert rows["healthy"] == (80, 80, 99)
    assert "erythroblast" not in rows
    assert TARGETS == (100, 200, 400)


def test_a_target_is_at_least_one_cell():
    with pytest.raises(ValueError, match="1 or more"):
        differential(case(A), 0)


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        pytest.param({}, None, id="nothing to compare"),
        pytest.param({("a", "a"): 5}, None, id="one class only says nothing"),
        pytest.param({("a", "a"): 5, ("b", "b"): 5}, 1.0, id="all alike"),
        pytest.param({("a", "b"): 5, ("b", "a"): 5}, -1.0, id="all crossed"),
        # Cohen's table in Fleiss, Statistical Methods: po 0.7, pe 0.5 by hand.
        pytest.param(
            {("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15}, 0.4, id="by hand"
        ),
    ],
)
def test_kappa(pairs, kappa):
    got = cohen_kappa(Counter(pairs))
    assert got == (None if kappa is None else pytest.approx(kappa))


def test_the_model_against_the_reviewer():
    found = model_against_reviewer(reviewed())
    assert (found.agreed.k, found.agreed.n) == (101, 105)
    blast, healthy, smudge = found.by_class
    assert (blast.kept, blast.became) == (18, (("healthy", 2),))
    assert (blast.edited.k, blast.edited.n) == (2, 20)
    # What was removed and what is no cell are the same mistake of the model.
    assert healthy.became == (("not a cell", 2),)
    assert (smudge.kept, smudge.became) == (5, ())
    assert found.missed == (("blast", 1),)
    # po = 101/105; pe = (20*18 + 80*80 + 5*5) / 105^2
    by_chance = (20 * 18 + 80 * 80 + 25) / 105**2
    assert found.kappa == pytest.approx((101 / 105 - by_chance) / (1 - by_chance))


def test_a_finer_name_is_no_disagreement_and_a_moved_box_is_counted():
    one = field("a", ("blast", "healthy", "healthy"))
    review = edits.reclassify(case(one), refs(one, 2), "neutrophil", WHO, at())
    review = edits.reclassify(review, refs(one, 3), "erythroblast", WHO, at())
    review = edits.move(review, refs(one, 1)[0], (1, 1, 50, 50), WHO, at())
    found = model_against_reviewer(review)
    [healthy] = found.by_class
    assert (healthy.kept, healthy.became) == (1, (("erythroblast", 1),))
    assert found.moved == 1
    assert model_against_reviewer(review.undo(WHO, at())).moved == 0
    assert model_against_reviewer(review, "yolov5s").agreed.n == 0


def test_doubt_comes_first():
    one = field("a", ("blast", "healthy", "smudge"))
    review = edits.confirm(case(one), refs(one, 3), WHO, at())
    order = [ref.number for ref in by_doubt(review.cells())]
    assert order == [2, 1, 3]
    assert doubt(cell(1, confidence=0.9)) == pytest.approx(0.1)
    assert doubt(cell(1, suggested=None)) == 1
    assert doubt(cell(1, confidence=None, suggested=None)) == 0


def test_the_next_uncertain_goes_round_and_ends():
    one = field("a", ("blast", "healthy", "smudge"))
    review = case(one)
    third, second, first = refs(one, 3, 2, 1)
    assert next_uncertain(review) == third
    assert next_uncertain(review, third) == second
    assert next_uncertain(review, first) == third
    done = edits.confirm(review, [third], WHO, at())
    assert next_uncertain(done, third) == second
    assert next_uncertain(edits.confirm_above(done, 0, WHO, at())) is None
    assert next_uncertain(edits.leave_out(review, one.sha256, "", WHO, at())) is None


def test_keys_and_names_of_labels_are_their_own():
    assert {"B", "H", "S", "U", "N"} == RESERVED_KEYS
    every = LabelSet(suggested_own())
    assert len(SUGGESTED_OWN) == 7
    assert every.for_key("l").name == "lymphocyte"
    assert every.for_key("?") is None
    assert [label.name for label in every.all][:3] == ["blast", "healthy", "smudge"]
    assert [label.name for label in every.all][-2:] == ["unidentified", "not a cell"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: own_label("plasma cell", "B"), "belongs to another", id="reserved"),
        pytest.param(lambda: own_label("  ", "X"), "1 to 40 characters", id="no name"),
        pytest.param(lambda: own_label("x" * 41, "X"), "1 to 40 characters", id="long name"),
        pytest.param(lambda: own_label("x", "XY"), "one letter or digit", id="two letters"),
        pytest.param(lambda: own_label("x", "ß"), "one letter or digit", id="not on a keyboard"),
        pytest.param(lambda: own_label("x", "X", "blast"), "counts as", id="no second blast"),
        pytest.param(
            lambda: LabelSet((own_label("x", "X"), own_label("y", "X"))), "the key X", id="key"
        ),
        pytest.param(
            lambda: LabelSet((own_label("Blast", "X"),)), "the name blast", id="a model's name"
        ),
        pytest.param(
            lambda: LabelSet(tuple(own_label(f"c{n}", str(n % 10)) for n in range(13))),
            f"up to {MAX_OWN_LABELS}",
            id="thirteen",
        ),
    ],
)
def test_a_label_that_cannot_be(make, message):
    with pytest.raises(ReviewError, match=message):
        make()


def test_a_hostile_name_is_text_on_one_line():
    assert own_label(" <b>x\n\u202ey ", "X").name == "<b>x y"


def test_signing_waits_for_every_cell_and_says_which():
    one, out = field("a"), field("b")
    review = edits.leave_out(case(one, out), out.sha256, "", WHO, at())
    review = edits.confirm(review, refs(one, 1, 3), WHO, at())
    assert signing_obstacles(review) == ("Field a: cells 2, 4 not reviewed.",)
    with pytest.raises(ReviewError, match="cells 2, 4 not reviewed"):
        signature(review, WHO, "Reviewed", at(), 1)
    review = edits.confirm_above(review, 0, WHO, at())
    signed = signature(review, f" {WHO} ", "Reviewed", at(), 3)
    assert (signed.printed_name, signed.version, signed.by) == (WHO, 3, WHO)
    assert signed.content_sha256 == content_hash(review)
    changed = edits.reclassify(review, refs(one, 1), "healthy", WHO, at())
    assert content_hash(changed) != signed.content_sha256


@pytest.mark.parametrize(
    ("name", "meaning", "message"),
    [
        pytest.param("", "Reviewed", "printed name", id="no name"),
        pytest.param(WHO, "Diagnosed", "A signature means", id="no diagnosis"),
    ],
)
def test_a_signature_that_is_refused(name, meaning, message):
    review = edits.confirm_above(case(), 0, WHO, at())
    with pytest.raises(ReviewError, match=message):
        signature(review, name, meaning, at(), 1)


def test_a_case_without_a_counted_field_cannot_be_signed():
    one = field("a")
    review = edits.leave_out(case(one), one.sha256, "", WHO, at())
    assert signing_obstacles(review) == ("No field of this case is counted.",)


def test_many_unreviewed_cells_are_summed_up():
    [said] = signing_obstacles(case(A))
    assert said == "Field a: cells 1, 2, 3, 4, 5, 6, 7, 8 and 97 more not reviewed."
