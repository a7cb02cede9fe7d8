"""Table 1 as published, cell by cell; typed here a second time from the paper."""

import pytest

from allcell.models.registry import MODELS
from allcell.report.paper import CNN_COPIES, CNN_RIGHT, FOOTNOTES, METRICS, TABLE_1, published

PRINTED = """
YOLOv5s  blast   .885 .985 .972 .832   12.3
YOLOv5s  healthy .811 .787 .831 .627   12.3
YOLOv5m  blast   .936 .955 .981 .861   21.9
YOLOv5m  healthy .788 .800 .853 .654   21.9
YOLOv5   blast   .679 .970 .853 .642   22.0
YOLOv5   healthy .736 .558 .703 .401   22.0
YOLOv6   all     n/a  n/a  .644 .548   16.0
YOLOv7   blast   .554 1.00 .737 .608   42.7
YOLOv7   healthy .425 .814 .429 .330   42.7
"""
ROWS = [line.split() for line in PRINTED.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:2]) for row in ROWS])
def test_a_row_as_printed(row):
    name, class_name, *values, milliseconds = row
    model = next(m for m in TABLE_1 if m.name == name)
    expected = [None if v == "n/a" else float(v) for v in values]
    assert [model.value(class_name, metric) for metric in METRICS] == expected
    assert model.inference_ms == float(milliseconds)


def test_nothing_else_is_published():
    printed = {(row[0], row[1]) for row in ROWS}
    for model in TABLE_1:
        for class_name in ("blast", "healthy", "all"):
            if (model.name, class_name) not in printed:
                assert all(model.value(class_name, metric) is None for metric in METRICS)


def test_each_has_its_model_of_ours_and_its_footnotes():
    ours = {spec.name: spec.paper for spec in MODELS if spec.paper}
    assert ours == {model.ours: model.name for model in TABLE_1}
    assert published("yolov6").name == "YOLOv6"
    assert published("live") is None
    assert all(1 < n <= len(FOOTNOTES) for model in TABLE_1 for n in model.footnotes)
    assert round(100 * CNN_RIGHT / CNN_COPIES, 2) == 99.22
