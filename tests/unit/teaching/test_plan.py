"""What is planned fits the time, and what more fields would bring follows from the curve."""

import pytest

from allcell.teaching.judging.curve import CurvePoint, curve_words, expected
from allcell.teaching.plan import Plan, duration, make_plan, usual_tiles


@pytest.mark.parametrize(
    ("tile_s", "folds", "fold_tiles", "curve"),
    [
        (0.01, 4, 2400, True),
        (0.02, 4, 2400, False),
        (0.025, 4, 1200, True),
        (0.03, 4, 1200, False),
        (0.04, 3, 1200, False),
        (2.0, 2, 1200, False),
    ],
    ids=["fast", "two cores", "busy", "busier", "slow", "too slow for anything: the least"],
)
def test_the_slower_the_machine_the_less_is_judged(tile_s, folds, fold_tiles, curve):
    plan = make_plan(4, 8, tile_s, 2400, 24)
    assert (plan.folds, plan.fold_tiles, plan.curve) == (folds, fold_tiles, curve)
    assert plan.final_tiles == 2400
    assert plan.seconds <= 300 or tile_s == 2.0


def test_the_plan_says_how_long_it_takes_and_what_for():
    plan = Plan(4, 1200, True, 2400, 0.03, 400)
    assert plan.words == (
        "About 7 minutes on this computer: 4 trainings of 1,200 tiles, each judged on fields that "
        "it has not seen; 2 on half of the fields, to see what more fields would bring; one of "
        "2,400 tiles on all fields, whose result is kept."
    )


def test_trainings_of_full_length_come_before_many_parts():
    plan = make_plan(8, 20, 0.012, 3200, 32)
    assert (plan.folds, plan.fold_tiles, plan.half_tiles, plan.curve) == (4, 3200, 1600, True)


@pytest.mark.parametrize(
    ("fields", "tiles"), [(6, 3200), (20, 3200), (30, 4800), (40, 6400), (200, 6400)]
)
def test_more_fields_are_learned_from_for_longer(fields, tiles):
    assert usual_tiles(fields) == tiles


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "10 seconds"),
        (44, "40 seconds"),
        (58, "a minute"),
        (400, "7 minutes"),
        (7300, "2 hours"),
    ],
)
def test_times_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_the_error_falls_as_a_power_of_the_fields():
    points = [CurvePoint(0, 0.5), CurvePoint(4, 0.6), CurvePoint(8, 0.8)]
    assert expected(points, 16) == pytest.approx(0.9)
    assert curve_words(points, 8) == (
        "10 more fields would probably raise the mean AP@0.5 from about 0.80 to about 0.91."
    )


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([CurvePoint(0, 0.5), CurvePoint(6, 0.8)], ""),
        (
            [CurvePoint(0, 0.5), CurvePoint(4, 0.8), CurvePoint(6, 0.79)],
            "10 more fields would probably change little.",
        ),
        (
            [CurvePoint(0, 0.5), CurvePoint(4, 1.0), CurvePoint(6, 1.0)],
            "10 more fields would probably change little.",
        ),
    ],
    ids=["one point is no curve", "it no longer rises", "nothing is left to gain"],
)
def test_no_gain_is_promised_that_the_curve_does_not_show(points, words):
    assert curve_words(points, 8) == words
