"""Which interval is shown: none that claims more than is known."""

import pytest

from allcell.evaluation.intervals import (
    class_interval,
    counts_interval,
    difference_interval,
    interval_note,
    interval_of,
    score_text,
)


def three(value):
    return f"{value:.3f}"


@pytest.mark.parametrize(
    ("bounds", "images", "share", "text"),
    [
        pytest.param((0.9, 1.0), 10, None, "0.900 to 1.000", id="ten images have an interval"),
        pytest.param((0.9, 1.0), 9, None, "n/a", id="nine have none"),
        pytest.param((1.0, 1.0), 1, (29, 29), "n/a", id="one image, though it is a share of cells"),
        pytest.param(None, 17, None, "n/a", id="no resample defines it"),
        pytest.param((1.0, 1.0), 17, None, "no width", id="no share of cells, such as AP"),
        pytest.param((1.0, 1.0), 17, (29, 29), "0.881 to 1.000, exact", id="29 of 29"),
        pytest.param((0.0, 0.0), 17, (0, 29), "0.000 to 0.119, exact", id="none of 29"),
        pytest.param((0.5, 0.5), 17, (10, 20), "0.272 to 0.728, exact", id="half of each image"),
        pytest.param((0.9998, 1.0), 17, (29, 29), "0.881 to 1.000, exact", id="equal when rounded"),
        pytest.param((0.9, 1.0), 17, (29, 29), "0.900 to 1.000", id="a width is kept"),
        pytest.param((1.0, 1.0), 17, (0, 0), "no width", id="a share of nothing"),
    ],
)
def test_what_is_shown(bounds, images, share, text):
    assert interval_of(bounds, images, share).text(three) == text


@pytest.mark.parametrize(
    ("metric", "scores", "text"),
    [
        pytest.param("recall", (29, 0.9, 1.0), "0.881 to 1.000, exact", id="all cells found"),
        pytest.param("precision", (29, 1.0, 1.0), "0.881 to 1.000, exact", id="no false alarm"),
        pytest.param(
            "precision", (40, 1.0, 0.5), "0.832 to 1.000, exact", id="20 boxes, all right"
        ),
        pytest.param(
            "precision", (40, 1.0, 0.512), "0.832 to 1.000, exact", id="20.5 found count as 20"
        ),
        pytest.param("precision", (40, 0.5, 0.5), "0.338 to 0.662, exact", id="20 of 40 boxes"),
        pytest.param("precision", (40, 0.7, 0.5), "no width", id="no whole number of boxes"),
        pytest.param("precision", (40, 0.0, 0.0), "no width", id="unknown number of boxes"),
        pytest.param("precision", (40, 1.0, 0.0), "no width", id="YOLOv5's P without a box"),
        pytest.param("recall", (3, 0.9, 0.333333), "0.008 to 0.906, exact", id="six decimals"),
        pytest.param("recall", (29, 0.9, 0.51), "no width", id="interpolated between two cells"),
        pytest.param("ap50", (29, 1.0, 1.0), "no width", id="AP is no share"),
        pytest.param("recall", (0, None, None), "no width", id="no cell"),
    ],
)
def test_the_share_behind_a_score(metric, scores, text):
    named = dict(zip(("cells", "precision", "recall"), scores, strict=True))
    value = named.get(metric) or 0.0
    shown = class_interval({f"blast.{metric}": (value, value)}, 17, "blast", metric, named)
    assert shown.text(three) == text


@pytest.mark.parametrize(
    ("metric", "counts", "text"),
    [
        pytest.param("precision", (22, 0, 1), "0.846 to 1.000, exact", id="22 of 22 boxes right"),
        pytest.param("recall", (29, 4, 0), "0.881 to 1.000, exact", id="29 of 29 cells found"),
        pytest.param("precision", (21, 1, 1), "0.989 to 0.997", id="a box is wrong"),
        pytest.param("recall", (21, 1, 2), "0.989 to 0.997", id="a cell is missed"),
        pytest.param("precision", (0, 0, 3), "0.989 to 0.997", id="no box"),
    ],
)
def test_a_width_that_only_interpolation_gives_is_none(metric, counts, text):
    """Smudge P .993 (.989 to .997) was 22 of 22."""
    scores = {"cells": 23, "precision": 0.9932, "recall": 0.9932}
    scores["at_best_f1"] = dict(zip(("tp", "fp", "fn"), counts, strict=True))
    shown = class_interval({f"smudge.{metric}": (0.989, 0.997)}, 17, "smudge", metric, scores)
    assert shown.text(three) == text


def test_counts_have_the_share_that_the_metric_is_of():
    counts = {"tp": 20, "fp": 0, "fn": 20}
    assert counts_interval((1.0, 1.0), 17, "precision", counts).text(three).startswith("0.832")
    assert counts_interval((0.5, 0.5), 17, "recall", counts).text(three).startswith("0.338")


@pytest.mark.parametrize(
    ("bounds", "turned", "text"),
    [
        pytest.param(None, False, "n/a", id="not decided"),
        pytest.param((0.0, 0.0), False, "no width", id="equal models"),
        pytest.param((0.1, 0.3), False, "+0.100 to +0.300", id="first minus second"),
        pytest.param((0.1, 0.3), True, "-0.300 to -0.100", id="second minus first"),
    ],
)
def test_differences(bounds, turned, text):
    assert difference_interval(bounds, turned=turned).text("{:+.3f}".format) == text


def test_a_score_without_number_has_no_interval():
    assert score_text(None, interval_of((0.1, 0.2), 17), three, "none") == "none"
    assert score_text(0.15, interval_of((0.1, 0.2), 17), three) == "0.150 (0.100 to 0.200)"


@pytest.mark.parametrize("images", [1, 2, 9])
def test_the_note_says_why_there_is_none(images):
    assert interval_note(images) == (
        f"No intervals (n/a): too few images: {images}, at least 10 are needed."
    )
    assert "bootstrap over images" in interval_note(10)
