"""Geometry: hand-computed cases, then properties."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allcell import boxes as boxes_module
from allcell.boxes import area, clip, iou, letterbox, nms, suppress
from allcell.detections import Detections


def boxes(*rows):
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 2, 2), (0, 0, 2, 2), 1.0, id="same"),
        pytest.param((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3, id="half each"),
        pytest.param((0, 0, 2, 2), (2, 0, 4, 2), 0.0, id="touching"),
        pytest.param((0, 0, 4, 4), (1, 1, 2, 2), 1 / 16, id="inside"),
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), 0.0, id="no area"),
        pytest.param((2, 2, 0, 0), (0, 0, 2, 2), 0.0, id="turned inside out"),
    ],
)
def test_iou(a, b, expected):
    assert iou(boxes(a), boxes(b))[0, 0] == pytest.approx(expected)


def test_area_of_a_degenerate_box_is_zero():
    assert area(boxes((0, 0, 3, 2), (5, 5, 1, 9))).tolist() == [6, 0]


def test_clip():
    assert clip(boxes((-3, 2, 50, 9)), 20, 5).tolist() == [[0, 2, 20, 5]]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        pytest.param(0.5, [1, 2], id="the better of two overlapping stays"),
        pytest.param(0.9, [1, 0, 2], id="a loose limit keeps all"),
    ],
)
def test_nms(limit, kept):
    xyxy = boxes((0, 0, 10, 10), (1, 0, 11, 10), (30, 0, 40, 10))
    assert nms(xyxy, np.array([0.6, 0.9, 0.5], np.float32), limit).tolist() == kept


def of_opencv(xyxy, confidence, limit):
    xywh = np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)], axis=1)
    return list(cv2.dnn.NMSBoxes(xywh.tolist(), confidence.tolist(), 0.0, limit))


def crowd(n, side_px, field_px, seed=0, spread=0.2):
    """Boxes (n, 4) of about a size anywhere in a field, and their confidences."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, field_px, (n, 2))
    half = side_px / 2 * np.exp(rng.normal(0, spread, (n, 2)))
    xyxy = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return xyxy, rng.uniform(0.05, 1, n).astype(np.float32)


@pytest.mark.parametrize("limit", [0.0, 0.45, 0.8, 1.0])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda xyxy, c: (xyxy, c), id="as they are"),
        pytest.param(lambda xyxy, c: (xyxy.round(-1), c.round(1)), id="many are equal"),
        pytest.param(lambda xyxy, c: (np.clip(xyxy, 90, 300), c), id="some have no area"),
        pytest.param(lambda xyxy, c: (xyxy[:, [2, 1, 0, 3]], c), id="turned inside out"),
        pytest.param(lambda xyxy, c: (xyxy, np.where(c > 0.5, c, 0)), id="some of zero confidence"),
        pytest.param(lambda xyxy, c: (xyxy * np.float32(1e30), c), id="too large for any picture"),
        pytest.param(lambda xyxy, c: (xyxy * [1, 0.01, 1, 9], c), id="much higher than wide"),
        pytest.param(lambda xyxy, c: (xyxy[:0], c[:0]), id="none"),
    ],
)
@pytest.mark.parametrize("spread", [0.2, 2.0], ids=["of one size", "of all sizes"])
def test_many_boxes_are_suppressed_as_a_few_are(monkeypatch, change, limit, spread):
    xyxy, confidence = change(*crowd(400, 40, 400, spread=spread))
    xyxy, confidence = xyxy.astype(np.float32), confidence.astype(np.float32)
    expected = of_opencv(xyxy, confidence, limit)
    monkeypatch.setattr(boxes_module, "_MANY", 0)
    assert nms(xyxy, confidence, limit).tolist() == expected


@pytest.mark.slow
def test_thousands_of_cells_are_suppressed_fast():
    xyxy, confidence = crowd(3000, 40, 3500)
    start = time.perf_counter()
    expected = of_opencv(xyxy, confidence, 0.45)
    between = time.perf_counter()
    kept = nms(xyxy, confidence, 0.45)
    took = time.perf_counter() - between
    assert kept.tolist() == expected
    assert took < (between - start) / 4


def test_one_cell_has_one_class_unless_asked_otherwise():
    found = Detections(boxes((0, 0, 10, 10), (0, 0, 10, 10)), [0.4, 0.7], [0, 1])
    assert suppress(found, 0.5).class_id.tolist() == [1]
    assert sorted(suppress(found, 0.5, across_classes=False).class_id.tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        pytest.param((1280, 720), 0.5, (640, 352), id="720p loses its last eight rows of padding"),
        pytest.param((640, 640), 1.0, (640, 640), id="fits as it is"),
        pytest.param((110, 50), 1.0, (128, 64), id="too much to shrink: padded"),
        pytest.param((10, 10), 0.1, (32, 32), id="never less than a stride"),
    ],
)
def test_letterbox_sizes(size, scale, expected):
    fit = letterbox(*size, scale, 32)
    assert (fit.input_width_px, fit.input_height_px) == expected


@pytest.mark.parametrize("bad", [(0, 10, 1.0, 32), (10, 10, 0.0, 32), (10, 10, 1.0, 0)])
def test_letterbox_refuses(bad):
    with pytest.raises(ValueError, match="expected positive"):
        letterbox(*bad)


sides = st.integers(33, 5000)


@given(sides, sides, st.floats(0.05, 2.0), st.sampled_from([8, 16, 32]))
def test_letterbox_holds_the_picture_and_hardly_shrinks_it(width, height, scale, stride):
    fit = letterbox(width, height, scale, stride)
    assert fit.input_width_px % stride == fit.input_height_px % stride == 0
    assert fit.width_px <= fit.input_width_px < fit.width_px + stride
    assert fit.height_px <= fit.input_height_px < fit.height_px + stride
    wanted = width * scale
    assert 0.955 * wanted - 1 <= fit.width_px <= wanted + 1


coordinates = st.lists(st.tuples(*[st.floats(0, 1000, width=32)] * 4), min_size=1, max_size=30)


@given(coordinates, st.floats(0.05, 2.0))
def test_letterbox_and_back(rows, scale):
    fit = letterbox(1000, 700, scale, 32)
    xyxy = np.array(rows, np.float32)
    assert np.allclose(fit.to_source(fit.to_input(xyxy)), xyxy, atol=1e-2)


@given(coordinates, st.floats(0.1, 0.9))
def test_nms_keeps_the_best_and_no_pair_that_overlaps_more(rows, limit):
    xyxy = np.array(rows, np.float32)
    xyxy = np.concatenate([np.minimum(xyxy[:, :2], xyxy[:, 2:]), xyxy[:, :2] + 50], axis=1)
    score = np.linspace(0.1, 0.9, len(xyxy)).astype(np.float32)
    kept = nms(xyxy, score, limit)
    assert kept[0] == len(xyxy) - 1
    overlap = iou(xyxy[kept], xyxy[kept]) - np.eye(len(kept))
    assert overlap.max() <= limit + 1e-6
