"""The parts of allcell.ui that need no page: cache, crops, wording."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allcell.imaging.images import decode
from allcell.imaging.scale import RedCellEstimate, Scale
from allcell.report.paper import published
from allcell.report.table1 import MEANS
from allcell.statistics import Proportion
from allcell.text.words import SCORE_TITLES
from allcell.ui.field.crops import MAX_SIDE_PX, crop, data_uri, display_jpeg
from allcell.ui.field.lru import Lru
from allcell.ui.field.table import picked_row
from allcell.ui.models.measured import detector_rows
from allcell.ui.shell.charts import DETECTOR_CURVES, training_scores
from allcell.ui.shell.wording import (
    interval_text,
    plain,
    scale_text,
    seconds,
    share_text,
    to_go_text,
)

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


@pytest.mark.parametrize(
    ("time_ms", "text"), [(31, f"0.03{NBSP}s"), (1234, f"1.2{NBSP}s"), (48_300, f"48{NBSP}s")]
)
def test_times_have_the_digits_that_matter(time_ms: float, text: str) -> None:
    assert seconds(time_ms) == text


@pytest.mark.parametrize(
    ("selection", "row"),
    [
        pytest.param({"rows": [2], "columns": [], "cells": []}, 2, id="ticked"),
        pytest.param({"rows": [2], "columns": [], "cells": [(4, "x")]}, 4, id="clicked after"),
        pytest.param({"rows": [], "columns": [], "cells": []}, None, id="let go"),
    ],
)
def test_a_row_is_picked_by_any_of_its_cells(selection: dict[str, Any], row: int | None) -> None:
    assert picked_row(selection) == row


def test_lines_of_a_chart_differ_by_dash_and_colour() -> None:
    curve = pd.DataFrame({"epoch": [1, 2], **{c: [0.1, 0.5] for c, _ in DETECTOR_CURVES}})
    figure = training_scores(curve)
    assert [line.name for line in figure.data] == [title for _, title in DETECTOR_CURVES]
    for look in ("dash", "color"):
        assert len({line.line[look] for line in figure.data}) == len(figure.data)
    assert list(figure.data[0].y) == [0.1, 0.5]
    layout = figure.layout
    assert layout.title.text
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("Epoch", "Score (0 to 1)")


def scored(value: float) -> dict[str, Any]:
    """Metrics of a detector: each score the same, each interval 0.1 to either side."""
    scores = {"cells": 20, **dict.fromkeys(SCORE_TITLES, value)}
    ends = [value - 0.1, value + 0.1]
    names = [f"{name}.{metric}" for name in ("blast", "healthy") for metric in SCORE_TITLES]
    return {
        "images": 17,
        "classes": {"blast": scores, "healthy": scores},
        **dict.fromkeys(MEANS.values(), value),
        "intervals": dict.fromkeys([*names, *MEANS.values()], ends),
    }


@pytest.mark.parametrize(
    ("model", "rows", "first", "last"),
    [
        pytest.param("yolov5s", 12, "0.885", "0.627", id="both classes published"),
        pytest.param("yolov6", 16, "", "0.548", id="only both together published"),
        pytest.param("live", 12, None, None, id="not in the paper"),
    ],
)
def test_measured_stands_beside_published(
    model: str, rows: int, first: str | None, last: str | None
) -> None:
    table = detector_rows(scored(0.8), published(model))
    assert len(table) == rows
    assert set(table["Measured"]) == {"0.800"}
    assert set(table["95 % interval"]) == {"0.700 to 0.900"}
    column = [None] * rows if "Published" not in table else list(table["Published"])
    assert (column[2], column[-1]) == (first, last)
    assert list(table["Score"][:2]) == ["Blast, AP@0.5 as shown", "Blast, AP@0.5:0.95 as shown"]
    # The paper has AP of the other kind only.
    assert set(column[:2]) <= {"", None}


def test_scores_of_a_version_without_ap_as_shown_are_read() -> None:
    before = json.loads(json.dumps(scored(0.8)).replace("_as_shown", "_unknown"))
    table = detector_rows(before, published("yolov6")).set_index("Score")
    assert table.loc["Blast, AP@0.5 as shown", "Measured"] == ""
    assert table.loc["Both, AP@0.5 as shown", "95 % interval"] == "n/a"
    assert table.loc["Both, AP@0.5 as YOLOv5 counts", "Measured"] == "0.800"


@pytest.mark.parametrize(
    ("images", "rows"),
    [
        pytest.param(17, {"0.832 to 1.000, exact": 4, "no width": 8}, id="17 fields"),
        pytest.param(9, {"n/a": 12}, id="too few fields"),
    ],
)
def test_an_interval_without_width_is_not_shown(images: int, rows: dict[str, int]) -> None:
    perfect = scored(1.0) | {"images": images}
    perfect["intervals"] = {name: [1.0, 1.0] for name in perfect["intervals"]}
    table = detector_rows(perfect, published("live"))
    assert dict(table["95 % interval"].value_counts()) == rows
