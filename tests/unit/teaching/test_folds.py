"""No field, no place and, where it can be, no case is on both sides."""

import numpy as np
import pytest

from allcell.teaching.judging.folds import make_folds
from tests.teaching_fields import drawn

BLAST, HEALTHY = 0, 1


def cut(folder, kinds, cases=None, places=None, most=4):
    images = [drawn(folder, *one, seed=n, side=96) for n, one in enumerate(kinds)]
    return make_folds(images, cases or [""] * len(images), places or range(len(images)), most)


def test_each_field_is_held_out_once_and_learned_from_otherwise(tmp_path):
    folds = cut(tmp_path, [(BLAST, HEALTHY)] * 9)
    assert sorted(n for part in folds.parts for n in part) == list(range(9))
    for part, held in enumerate(folds.parts):
        assert sorted((*folds.others(part), *held)) == list(range(9))
    assert {len(part) for part in folds.parts} == {2, 3}
    assert folds.how == "by field, in 4 parts, whose cases are not known"


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_spread_over_the_parts(tmp_path, seed):
    kinds = [(BLAST,)] * 12 + [(HEALTHY,)] * 4
    order = np.random.default_rng(seed).permutation(16)
    folds = cut(tmp_path, [kinds[n] for n in order])
    healthy = {int(np.flatnonzero(order == n)[0]) for n in range(12, 16)}
    assert all(len(healthy & set(part)) == 1 for part in folds.parts)


def test_each_part_has_both_classes(tmp_path):
    folds = cut(tmp_path, [(BLAST,)] * 5 + [(HEALTHY,)] * 3, most=8)
    assert len(folds.parts) == 3
    assert all(min(part) < 5 <= max(part) for part in folds.parts)


def test_cases_are_not_divided(tmp_path):
    cases = ["a", "b", "c", "a", "b", "c", "d", "d"]
    folds = cut(tmp_path, [(BLAST, HEALTHY)] * 8, cases)
    assert folds.by_case
    assert folds.how == "by case, in 4 parts"
    for part in folds.parts:
        rest = {cases[n] for n in range(8) if n not in part}
        assert not rest & {cases[n] for n in part}


def test_two_cases_of_which_each_has_one_class_are_divided_all_the_same(tmp_path):
    kinds = [(BLAST, BLAST)] * 4 + [(HEALTHY,)] * 4
    folds = cut(tmp_path, kinds, ["ill"] * 4 + ["well"] * 4)
    assert not folds.by_case
    assert "not by case, since some case is the only one with a class" in folds.how
    assert len(folds.parts) == 4


def test_a_place_that_two_fields_show_is_on_one_side(tmp_path):
    folds = cut(tmp_path, [(BLAST, HEALTHY)] * 8, places=[0, 1, 2, 3, 4, 5, 0, 1])
    part_of = {n: p for p, part in enumerate(folds.parts) for n in part}
    assert part_of[0] == part_of[6]
    assert part_of[1] == part_of[7]


def test_a_place_that_two_cases_share_joins_them(tmp_path):
    cases = ["a", "a", "b", "b", "c", "c", "d", "d"]
    folds = cut(tmp_path, [(BLAST, HEALTHY)] * 8, cases, places=[0, 1, 2, 3, 4, 5, 6, 0])
    part_of = {n: p for p, part in enumerate(folds.parts) for n in part}
    assert part_of[0] == part_of[1] == part_of[6] == part_of[7]
    assert len(folds.parts) == 3
