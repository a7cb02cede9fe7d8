import numpy as np
import pytest

from allcell.statistics import (
    Proportion,
    bootstrap_p,
    bootstrap_p_range,
    clopper_pearson,
    effective_number,
    holm,
    mcnemar_exact,
    paired_p,
    percentile_interval,
    resamples,
    resamples_in_steps,
    too_few_images,
)


@pytest.mark.parametrize(
    ("k", "n", "low_percent", "high_percent"),
    [
        (0, 100, 0.0, 3.6),
        (5, 100, 1.6, 11.3),
        (20, 100, 12.7, 29.2),
        (40, 200, 14.7, 26.2),
        (80, 400, 16.2, 24.3),
        (100, 500, 16.6, 23.8),
    ],
)
def test_interval_agrees_with_the_published_tables(k, n, low_percent, high_percent):
    low, high = clopper_pearson(k, n)
    assert round(100 * low, 1) == low_percent
    assert round(100 * high, 1) == high_percent


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        pytest.param(0, 0, (0.0, 1.0), id="nothing counted, nothing known"),
        # With k = n the lower bound solves p**n = 0.025; with k = 0 the upper, (1 - p)**n = 0.025.
        pytest.param(1, 1, (0.025, 1.0), id="one of one"),
        pytest.param(2, 2, (0.025**0.5, 1.0), id="two of two"),
        pytest.param(0, 2, (0.0, 1 - 0.025**0.5), id="none of two"),
    ],
)
def test_interval_at_the_ends(k, n, expected):
    assert clopper_pearson(k, n) == pytest.approx(expected, abs=1e-12)


def test_a_higher_level_gives_a_wider_interval():
    assert clopper_pearson(0, 1, level=0.99) == pytest.approx((0.0, 0.995))


@pytest.mark.parametrize(
    ("k", "n", "level"),
    [
        pytest.param(3, 2, 0.95, id="more than all"),
        pytest.param(-1, 2, 0.95, id="negative"),
        pytest.param(1, 2, 95, id="level in percent"),
    ],
)
def test_interval_refuses(k, n, level):
    with pytest.raises(ValueError, match="expected"):
        clopper_pearson(k, n, level)


def test_proportion_has_no_fraction_of_nothing():
    assert Proportion.of(0, 0).fraction is None
    assert Proportion.of(1, 4).fraction == 0.25


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        pytest.param(0, 0, 1.0, id="never differ"),
        pytest.param(5, 5, 1.0, id="balanced"),
        pytest.param(5, 0, 2 / 32, id="five to none: twice a half to the fifth"),
        pytest.param(1, 5, 2 * (1 + 6) / 64, id="one to five: both tails of six coins"),
    ],
)
def test_mcnemar(only_first, only_second, p):
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        pytest.param([], [], id="none"),
        pytest.param([0.04], [0.04], id="one needs no adjustment"),
        pytest.param([0.04, 0.01, 0.03], [0.06, 0.03, 0.06], id="order kept, never falling"),
        pytest.param([0.6, 0.9], [1.0, 1.0], id="at most one"),
    ],
)
def test_holm(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted)


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(1).normal(10, 2, 400)
    means = resamples(len(values)) @ values / len(values)
    half = 1.96 * values.std() / 20
    expected = (values.mean() - half, values.mean() + half)
    assert percentile_interval(means) == pytest.approx(expected, abs=0.03)


def test_resamples_repeat_themselves_and_draw_as_many_as_there_are():
    drawn = resamples(7, 200, seed=3)
    np.testing.assert_array_equal(drawn, resamples(7, 200, seed=3))
    assert drawn.shape == (200, 7)
    assert set(drawn.sum(axis=1)) == {7}
    assert not np.array_equal(drawn, resamples(7, 200, seed=4))
    with pytest.raises(ValueError, match="positive"):
        resamples(0)


@pytest.mark.parametrize("step", [1, 64, 200, 999])
def test_resamples_in_steps_are_the_same(step):
    steps = list(resamples_in_steps(7, 200, step, seed=3))
    assert max(map(len, steps)) <= step
    np.testing.assert_array_equal(np.concatenate(steps), resamples(7, 200, seed=3))


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        pytest.param([5, 5, 5], 3.0, id="as many in each"),
        pytest.param([5, 0, 5, 5, 0], 3.0, id="fields without a cell tell nothing"),
        pytest.param([100, 1, 1], 1.04, id="one holds nearly all"),
        pytest.param([11, 15, 6, 11, 1, 2, 32], 3.97, id="the blasts of the test fields"),
        pytest.param([], 0.0, id="no field"),
        pytest.param([0, 0], 0.0, id="no cell"),
    ],
)
def test_effective_number(counts, number):
    assert effective_number(counts) == pytest.approx(number, abs=0.005)


@pytest.mark.parametrize("against", [0, 3, 40, 900])
def test_other_seeds_stay_within_the_range(against):
    draws = 2000
    differences = np.concatenate([np.full(against, -1.0), np.full(draws - against, 1.0)])
    low, high = bootstrap_p_range(bootstrap_p(differences), draws)
    assert low <= 2 * against / draws <= high
    others = 2 * np.random.default_rng(0).binomial(draws, against / draws, 500) / draws
    assert np.mean((low <= others) & (others <= high)) > 0.9
    assert 0 <= low <= high <= 1


def test_undefined_resamples_are_left_out():
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert percentile_interval(np.array([np.nan])) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        pytest.param([1.0] * 99, 0.02, id="always above: 2 * (0 + 1) / (99 + 1)"),
        pytest.param([1.0] * 9 + [-1.0] * 90, 0.2, id="a tenth on one side"),
        pytest.param([0.0] * 99, 1.0, id="never different"),
    ],
)
def test_bootstrap_p(differences, p):
    assert bootstrap_p(np.array(differences)) == pytest.approx(p)


@pytest.mark.parametrize(
    ("differences", "images", "p"),
    [
        pytest.param([1.0, 2.0] * 50, 1, None, id="one image"),
        pytest.param([1.0, 2.0] * 50, 2, None, id="two images"),
        pytest.param([1.0, 2.0] * 50, 9, None, id="one image too few"),
        pytest.param([1.0, 2.0] * 50, 10, 2 / 101, id="just enough images"),
        pytest.param([0.0] * 100, 10, 1.0, id="equal models never differ"),
        pytest.param([1e-16, 2e-16] * 50, 10, 1.0, id="equal but for the last bits"),
        pytest.param([0.5] * 100, 10, None, id="all resamples equal"),
        pytest.param([0.5, 0.5 + 1e-16] * 50, 10, None, id="resamples equal but for the last bits"),
        pytest.param([np.nan] * 2 + [1.0, 2.0] * 49, 50, None, id="few images have such a cell"),
        pytest.param([np.nan] + [1.0, 2.0] * 50, 50, 2 / 101, id="one resample without is no harm"),
        pytest.param([np.nan] * 100, 50, None, id="never defined"),
    ],
)
def test_resamples_that_cannot_decide_have_no_p(differences, images, p):
    found = paired_p(np.array(differences), images)
    assert found == (None if p is None else pytest.approx(p))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (1, "too few images: 1, at least 10 are needed"),
        (9, "too few images: 9, at least 10 are needed"),
        (10, ""),
    ],
)
def test_too_few_images_are_named(images, words):
    assert too_few_images(images) == words
