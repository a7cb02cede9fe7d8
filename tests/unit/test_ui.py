"""The parts of allcell.ui that need no page: cache, crops, wording."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from allcell.images import decode
from allcell.scale import RedCellEstimate, Scale
from allcell.statistics import Proportion
from allcell.ui.crops import MAX_SIDE_PX, crop, data_uri, display_jpeg
from allcell.ui.lru import Lru
from allcell.ui.wording import interval_text, plain, scale_text, share_text, to_go_text

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("weights", "max_items", "max_weight", "kept"),
    [
        pytest.param([1, 1, 1], 2, 10, [1, 2], id="too many items"),
        pytest.param([4, 4, 4], 9, 8, [1, 2], id="too heavy together"),
        pytest.param([1, 1, 99], 9, 8, [2], id="the newest stays even if too heavy alone"),
        pytest.param([1, 2, 3], 3, 6, [0, 1, 2], id="exactly what fits"),
    ],
)
def test_lru_forgets_the_oldest(
    weights: list[int], max_items: int, max_weight: float, kept: list[int]
) -> None:
    cache: Lru[int, int] = Lru(max_items, max_weight, float)
    for key, weight in enumerate(weights):
        cache.put(key, weight)
    assert [key for key in range(len(weights)) if key in cache] == kept


def test_lru_use_counts_as_new() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.get("b") is None
    assert cache.get("a") == 1


@pytest.mark.parametrize(
    ("box", "centre"),
    [
        pytest.param((40, 40, 60, 60), (200, 0, 0), id="inside"),
        pytest.param((40, 45, 60, 55), (200, 0, 0), id="flat box: the crop is square all the same"),
        pytest.param((-30, -30, -10, -10), (128, 128, 128), id="outside: nothing but padding"),
    ],
)
def test_crop_shows_the_box_in_its_middle(
    box: tuple[float, float, float, float], centre: tuple[int, int, int]
) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[45:55, 45:55] = (200, 0, 0)
    square = crop(image, *box, 60)
    assert square.shape == (60, 60, 3)
    assert tuple(square[30, 30].tolist()) == centre


def test_crop_at_the_edge_is_padded_where_the_field_ends() -> None:
    image = np.full((100, 100, 3), 10, np.uint8)
    square = crop(image, 0, 40, 20, 60, 30)
    assert square[15, 2].tolist() == [128] * 3
    assert square[15, 25].tolist() == [10] * 3


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(800, 600, (800, 600), id="small: as it is"),
        pytest.param(5200, 2600, (MAX_SIDE_PX, 1300), id="large: shrunk, same shape"),
        pytest.param(1300, 3900, (867, MAX_SIDE_PX), id="upright"),
    ],
)
def test_display_picture_is_bounded(width: int, height: int, expected: tuple[int, int]) -> None:
    picture = decode(display_jpeg(np.full((height, width, 3), 90, np.uint8)))
    assert (picture.shape[1], picture.shape[0]) == expected


def test_data_uri_holds_the_picture() -> None:
    kind, data = data_uri(np.full((40, 50, 3), (10, 200, 30), np.uint8)).split(",")
    assert kind == "data:image/jpeg;base64"
    assert decode(base64.b64decode(data)).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (0, "0 cells counted, 100 short of 100 (200 short of 200, 400 short of 400)."),
        (1, "1 cell counted, 99 short of 100 (199 short of 200, 399 short of 400)."),
        (100, "100 cells counted, 100 short of 200 (300 short of 400)."),
        (399, "399 cells counted, 1 short of 400."),
        (400, "400 cells counted."),
    ],
)
def test_how_far_a_count_has_come(cells: int, text: str) -> None:
    assert to_go_text(cells) == text


def test_proportion_in_words() -> None:
    share = Proportion.of(20, 100)
    assert share_text(share) == f"20 of 100 = 20.0{NBSP}%"
    assert interval_text(share) == f"12.7 to 29.2{NBSP}%", "clinical check value"
    assert share_text(Proportion.of(0, 0)) == "0 of 0"


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        pytest.param(
            Scale(72.4, "measured", RedCellEstimate(72.4, 0.8)),
            f"Red cells measured: 72{NBSP}px (confidence good).",
            id="measured well",
        ),
        pytest.param(
            Scale(72.4, "measured", RedCellEstimate(72.4, 0.15)),
            f"Red cells measured: 72{NBSP}px (confidence weak).",
            id="measured, but hardly",
        ),
        pytest.param(Scale(50.0, "given"), f"Red cells set by you: 50{NBSP}px.", id="by the user"),
        pytest.param(
            Scale(50.0, "given", RedCellEstimate(60.0, 0.8)),
            f"Red cells set by you: 50{NBSP}px.",
            id="by the user, near the measured size",
        ),
        pytest.param(
            Scale(50.0, "given", RedCellEstimate(150.0, 0.02)),
            f"Red cells set by you: 50{NBSP}px.",
            id="by the user, who knows better than a weak measurement",
        ),
    ],
)
def test_scale_in_words(scale: Scale, text: str) -> None:
    assert scale_text(scale) == text


def test_a_size_far_from_the_measured_one_is_doubted() -> None:
    text = scale_text(Scale(20.0, "given", RedCellEstimate(71.0, 0.7)))
    assert f"Measured: 71{NBSP}px" in text
    assert "invents others" in text


def test_unmeasured_scale_says_what_is_used_instead() -> None:
    text = scale_text(Scale(None, "default", RedCellEstimate(0.0, 0.0)))
    assert "could not be measured; the model's default size is used" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Im001_1.jpg", r"Im001\_1.jpg"),
        ("![x](y)", r"!\[x\](y)"),
        ("a*b`c$d:e", r"a\*b\`c\$d\:e"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_names_are_escaped_for_markdown(text: str, shown: str) -> None:
    assert plain(text) == shown
