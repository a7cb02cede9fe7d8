"""A stranger's ONNX file: run if it fits, refused with an explanation if not."""

import threading
import time
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from allcell.data.class_names import guess_classes
from allcell.engines.base import RunInterrupted
from allcell.errors import ModelError
from allcell.untrusted import time_limit
from allcell.untrusted.answer import fits
from allcell.untrusted.network import MAX_BYTES, Claims, Fit, UntrustedNetwork
from allcell.untrusted.onnx_file import read_facts
from allcell.untrusted.session import check_file, open_here
from tests.untrusted_graphs import (
    NAMES,
    SIDE,
    anchor_based,
    anchor_free,
    breaks_on_light,
    end_to_end,
    endless,
    finished,
    graph,
    is_valid,
    part,
    with_weights,
)

CLASSES = ("healthy", "blast", None)
LIGHT = np.full((SIDE, SIDE, 3), 255, np.uint8)
DARK = np.zeros((SIDE, SIDE, 3), np.uint8)


def detector_of(content, claims, input_px=None):
    """A file by the one door."""
    return UntrustedNetwork.open(content, input_px=input_px).detector(claims)


@pytest.mark.parametrize("answer", [anchor_free, anchor_based, end_to_end])
@pytest.mark.parametrize("image_size", [(64, 64), (128, 64), (200, 300)])
def test_each_layout_is_told_and_decoded(answer, image_size):
    detector = detector_of(graph(answer()), Claims("mine", CLASSES))
    assert detector.spec.output == answer.__name__
    assert detector.spec.classes == ("blast", "healthy")
    height, width = image_size
    found, _ = detector.detect(np.zeros((height, width, 3), np.uint8), confidence=0.5)
    names = [detector.spec.classes[class_id] for class_id in found.class_id]
    named = dict(zip(names, found.xyxy, strict=True))
    # The third box is of a class that is left out.
    scale = min(SIDE / width, SIDE / height)
    expected = {"blast": (12, 12, 20, 20), "healthy": (35, 11, 45, 21)}
    inside = {k: v for k, v in expected.items() if max(v) <= min(width, height) * scale}
    assert set(inside) <= set(named)
    for name, box in inside.items():
        np.testing.assert_allclose(named[name], np.array(box) / scale, rtol=0.01)


@pytest.mark.parametrize("metadata", [{"names": NAMES}, {}], ids=["named", "not named"])
def test_an_output_with_a_row_for_each_box_is_read_as_the_usual_one(metadata):
    network = UntrustedNetwork.open(graph(anchor_free().T, metadata=metadata))
    assert network.names == (("normal", "ALL", "RBC") if metadata else ())
    assert ("It has 3 if its boxes have no score of their own" in network.remark) == (not metadata)
    detector = network.detector(Claims("m", CLASSES))
    assert detector.spec.output == "anchor_free"
    turned, _ = detector.detect(DARK, confidence=0.5)
    usual, _ = detector_of(graph(anchor_free()), Claims("m", CLASSES)).detect(DARK, confidence=0.5)
    assert len(usual) == 2
    np.testing.assert_array_equal(turned.xyxy, usual.xyxy)
    np.testing.assert_array_equal(turned.class_id, usual.class_id)


def one_box(*box, layout=anchor_free, surest=0.95):
    """An answer with one sure box, of the class `ALL`, in place of the first."""
    answer = layout().T if layout is anchor_free else layout()
    answer[:, 4:] = 0
    answer[0, :4] = box
    answer[0, 4:] = [surest, 1] if layout is end_to_end else [0, surest, 0]
    return answer.T if layout is anchor_free else answer


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        pytest.param((32, 56, 10, 10), 0, id="all of it in the padding"),
        pytest.param((32, 37.2, 10, 10), 0, id="less than a pixel of it in the picture"),
        pytest.param((32, 35, 10, 10), 1, id="a cell that is cut by the edge"),
        pytest.param((80, 16, 10, 10), 0, id="beyond the picture"),
        pytest.param((32, 16, 10, 0), 0, id="without a height"),
    ],
)
def test_what_is_not_in_the_picture_is_no_cell(box, cells):
    # Twice as wide as high: the lower half of the input is padding.
    picture = np.zeros((SIDE // 2, SIDE, 3), np.uint8)
    detector = detector_of(graph(one_box(*box)), Claims("m", CLASSES))
    found, _ = detector.detect(picture, confidence=0.5)
    assert len(found) == cells
    assert (found.xyxy[:, 3] <= SIDE // 2).all()


@pytest.mark.parametrize(
    ("layout", "box", "meant"),
    [
        pytest.param(anchor_free, (16, 16, -8, 8), "cx cy w h", id="a negative width"),
        pytest.param(end_to_end, (40, 30, 10, 12), "x1 y1 x2 y2", id="a centre and a size"),
    ],
)
def test_boxes_that_end_before_they_begin_are_refused(layout, box, meant):
    broken, usual = one_box(*box, layout=layout), layout()
    with pytest.raises(ModelError, match=f"Read as {layout.__name__}, 1 of .* negative") as refused:
        detector_of(graph(broken), Claims("m", CLASSES))
    assert meant in refused.value.remedy
    detector = detector_of(breaks_on_light(usual, broken), Claims("m", CLASSES))
    with pytest.raises(ModelError, match="negative width"):
        detector.detect(LIGHT)
    # Rows that fill up the table have no score.
    none = one_box(*box, layout=layout, surest=0)
    assert len(detector_of(graph(none), Claims("m", CLASSES)).detect(DARK)[0]) == 0


@pytest.mark.parametrize("boxes", [0, 1, 3, 5, 6])
def test_a_network_that_answers_with_as_many_boxes_as_it_finds(boxes):
    detector = detector_of(
        breaks_on_light(end_to_end()[:boxes], end_to_end()), Claims("m", CLASSES)
    )
    assert detector.spec.output == "end_to_end"
    assert len(detector.detect(LIGHT, confidence=0.5)[0]) == 2


@pytest.mark.parametrize("factor", [2, 10])
@pytest.mark.parametrize("layout", [anchor_free, end_to_end])
def test_boxes_in_pixels_of_another_picture_are_refused(layout, factor):
    answer = layout().T if layout is anchor_free else layout()
    grid = np.random.default_rng(0).uniform(0, SIDE * factor, (len(answer), 2))
    answer[:, :4] = np.hstack([grid, grid + 9 if layout is end_to_end else 0 * grid + 9])
    answer[:, 4] = np.maximum(answer[:, 4], 0.1)
    with pytest.raises(ModelError, match="of 23 boxes lie outside the 64 x 64 pixels"):
        detector_of(graph(answer.T if layout is anchor_free else answer), Claims("m", CLASSES))


def test_two_classes_may_become_one():
    detector = detector_of(graph(anchor_free()), Claims("m", ("blast", "blast", "smudge")))
    found, _ = detector.detect(np.zeros((64, 64, 3), np.uint8), confidence=0.5)
    assert detector.spec.classes == ("blast", "smudge")
    assert sorted(found.class_id.tolist()) == [0, 0, 1]


@pytest.mark.parametrize(
    ("content", "model", "words"),
    [
        (b"just some text", Claims("m", CLASSES), "not an ONNX network"),
        (b"", Claims("m", CLASSES), "not an ONNX network"),
        (b"\x80\x04\x95pickle", Claims("m", CLASSES), "not an ONNX network"),
        (None, Claims("m", ("blast", "healthy")), "fits no detector with 2 classes"),
        (None, Claims("m", CLASSES, layout="anchor_based"), "of the layout anchor_based"),
        (None, Claims("m", ("blast", "healthy")), r"room for 3 \(anchor_free\)"),
        (None, Claims("m", ("lymphoblast", None, None)), "does not know: lymphoblast"),
        (None, Claims("m", (None, None, None)), "No class of the network"),
    ],
)
def test_what_does_not_fit_is_said(content, model, words):
    with pytest.raises(ModelError, match=words):
        detector_of(graph(anchor_free()) if content is None else content, model)


def test_a_size_that_a_file_does_not_take_is_said():
    content = graph(anchor_free())
    with pytest.raises(ModelError, match="takes 64x64 pixels only"):
        UntrustedNetwork.open(content, input_px=(640, 640))
    with pytest.raises(ModelError, match="takes 64x64 pixels only"):
        UntrustedNetwork.open(content).at((640, 640))


def channels_last():
    """A network of any size whose floats have their channels last."""
    model = onnx.load_from_string(graph(anchor_free(), side="any"))
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[1].dim_param, sides[3].dim_value = "rows", 3
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        pytest.param(b"only text\nand more", ["is text", "yolo export"], id="text"),
        pytest.param(b"", ["is empty"], id="empty"),
        pytest.param(b"PK\x03\x04" + bytes(99), ["ZIP archive", ".pt"], id="new .pt renamed"),
        pytest.param(b"\x80\x02ctorch", ["pickle"], id="old .pt renamed"),
        pytest.param(b"<!DOCTYPE html>", ["web page"], id="a page instead of a download"),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1", ["Git LFS"], id="pointer to a file"
        ),
        pytest.param(bytes(99), ["not an ONNX network"], id="zeros"),
        pytest.param(graph(anchor_free())[:300], ["cut off", "again"], id="truncated"),
        pytest.param(b"\x08\x08", ["no graph"], id="no graph"),
        pytest.param(
            graph(anchor_free(), weights_in="weights.bin"),
            ["in other files", "one file"],
            id="external data",
        ),
        pytest.param(bytes(MAX_BYTES + 1), ["more than 300 MB", "smaller"], id="huge"),
        pytest.param(graph([0.1, 0.9]), ["2 numbers", "no boxes"], id="classifier"),
        pytest.param(
            finished({"output": [[0, 8, 8, 24, 24, 1, 0.9]] * 3}),
            ["suppression inside", "batch, x1, y1", "nms=False"],
            id="yolov7's finished boxes",
        ),
        pytest.param(
            finished({"output": np.zeros((0, 7), np.float32)}),
            ["suppression inside", "batch, x1, y1"],
            id="yolov7's, none found",
        ),
        pytest.param(
            finished({"boxes": [[8.0, 8, 24, 24]], "labels": [1], "scores": [0.9]}),
            ["suppression inside", "boxes, labels, scores"],
            id="torchvision's finished boxes",
        ),
        pytest.param(
            finished(
                {
                    "num_dets": [[1]],
                    "det_boxes": [[[8.0, 8, 24, 24]]],
                    "det_scores": [[0.9]],
                    "det_classes": [[1]],
                }
            ),
            ["suppression inside", "det_boxes"],
            id="an export for tensorrt",
        ),
        pytest.param(
            finished({"dets": np.full((1, 20, 5), 0.5), "labels": np.zeros((1, 20), np.int64)}),
            ["suppression inside", "dets, labels", "mmdeploy"],
            id="mmdeploy's: read as one class, each box was the wrong one",
        ),
        pytest.param(
            finished({"dets": np.full((20, 5), 0.5), "labels": np.zeros(20, np.int64)}),
            ["suppression inside", "dets, labels"],
            id="mmdetection's",
        ),
        pytest.param(
            finished({"detection_boxes": np.ones((1, 9, 4)), "scores": np.ones((1, 9))}),
            ["suppression inside", "detection_boxes"],
            id="TensorFlow's, boxes first",
        ),
        pytest.param(
            finished({"pred_bboxes": np.ones((1, 84, 4)), "pred_scores": np.ones((1, 84, 3))}),
            ["boxes and scores apart", "pred_bboxes, pred_scores", "one table"],
            id="YOLO-NAS",
        ),
        pytest.param(
            finished({"logits": np.ones((1, 84, 6)), "pred_boxes": np.ones((1, 84, 4))}),
            ["boxes and scores apart", "logits, pred_boxes"],
            id="DETR",
        ),
        pytest.param(
            finished({"logits": [[0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1]], "features": [[0.5] * 9]}),
            ["7 numbers", "as a classifier does"],
            id="a classifier of seven classes and two outputs",
        ),
        pytest.param(
            graph(anchor_free(), metadata={"task": "segment"}), ["segment"], id="another task"
        ),
        pytest.param(graph(np.ones((4, 5, 6))), ["not a detector's"], id="three-dimensional"),
        pytest.param(graph(anchor_free(), batch=4), ["4 pictures", "batch=1"], id="batch"),
        pytest.param(graph(anchor_free(), channels=1), ["(1, 1, 64, 64)", "colour"], id="grey"),
        pytest.param(
            channels_last(), ["(1, any, any, 3)", "channels first"], id="TensorFlow's, of any size"
        ),
        pytest.param(
            graph(anchor_free(), kind=TensorProto.INT32),
            ["int32", "expected floats"],
            id="integers",
        ),
        pytest.param(graph(anchor_free(), domain="their.own"), ["opened"], id="own operators"),
        pytest.param(graph(anchor_free(), side=4096), ["4096x4096"], id="input out of reach"),
    ],
)
def test_a_file_that_is_no_detector_is_refused(content, parts):
    with pytest.raises(ModelError) as refused:
        UntrustedNetwork.open(content)
    for words in parts:
        assert words in str(refused.value)


def test_weights_in_other_files_are_never_read(tmp_path, monkeypatch):
    # ONNX Runtime would take them from the server's working directory.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(anchor_free().astype(np.float32).tobytes())
    with pytest.raises(ModelError, match="in other files"):
        detector_of(graph(anchor_free(), weights_in="weights.bin"), Claims("m", CLASSES))


OTHER_FILE = part(1, b"location") + part(2, b"weights.bin")


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(part(13, OTHER_FILE) + part(14, 1), id="as ONNX writes it"),
        pytest.param(
            part(13, OTHER_FILE, beyond=2**32) + part(14, 1, beyond=2**32),
            id="keys that protobuf cuts to 32 bits",
        ),
        pytest.param(part(14, 1 + 2**32), id="a location that protobuf cuts to 32 bits"),
        pytest.param(b"\xea\x80\x80\x80\x80\x00" + b"\x00", id="a key of six bytes"),
        pytest.param(b"\x4a\x80\x80\x80\x80\x80\x00", id="a length of six bytes"),
        pytest.param(b"\x48" + b"\xff" * 10 + b"\x01", id="a number of eleven bytes"),
        pytest.param(part(0, 1), id="field 0"),
        pytest.param(b"\x6b\x6c", id="a group"),
        pytest.param(b"\x6f", id="a kind that is none"),
        pytest.param(b"\x6d\x00", id="four bytes that are not there"),
    ],
)
def test_what_the_runtime_would_read_in_another_way_is_refused(told):
    assert read_facts(with_weights(b"")).opset == 17
    with pytest.raises(ModelError, match=r"in other files|is damaged"):
        read_facts(with_weights(told))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(part(1, b"") * 1_000_000, id="empty nodes"),
        pytest.param(part(1, part(5, part(5, b"\x25abcd" * 400_000))), id="weights one by one"),
    ],
)
@pytest.mark.slow
def test_a_small_file_of_very_many_parts_costs_neither_memory_nor_time(content):
    file = part(1, 8) + part(7, content)
    tracemalloc.start()
    start = time.thread_time()
    with pytest.raises(ModelError, match="300,000 parts") as refused:
        read_facts(file)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "Export the detector alone" in refused.value.remedy
    assert most_bytes < 2**20
    assert time.thread_time() - start < 10


@pytest.mark.slow
def test_a_file_of_very_many_metadata_costs_no_memory():
    pairs = b"".join(part(14, part(1, b"%d" % n) + part(2, b"x" * 500)) for n in range(20_000))
    content = graph(anchor_free()) + pairs
    tracemalloc.start()
    facts = read_facts(content)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts.metadata["19999"] == "x" * 500
    assert most_bytes < 4 * 2**20


def test_messages_without_end_within_each_other_are_refused():
    content = b""
    for _ in range(40):
        content = part(7, b"") + part(1, part(5, part(6, content)))
    with pytest.raises(ModelError, match="100 messages deep"):
        read_facts(part(1, 8) + part(7, content))


def dense(classes=3):
    """A row for each of 40 boxes all over the picture: cx cy w h, and a low score for each class.

    The first two are sure.
    """
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.001, 0.1, (40, classes))
    scores[[0, 1], [0, 1]] = 0.9
    return np.hstack([rng.uniform(12, 52, (40, 2)), rng.uniform(8, 20, (40, 2)), scores])


def corners(answer):
    """Rows of cx cy w h as rows of x1 y1 x2 y2."""
    centre, half = answer[:, :2], answer[:, 2:4] / 2
    return np.hstack([centre - half, centre + half, answer[:, 4:]])


FRACTIONS = np.array([SIDE, SIDE, SIDE, SIDE], np.float64)


@pytest.mark.parametrize(
    ("pixels", "fractions"),
    [
        pytest.param(dense(), dense() / [*FRACTIONS, 1, 1, 1], id="RT-DETR, a row for each box"),
        pytest.param(
            anchor_free(), (anchor_free().T / [*FRACTIONS, 1, 1, 1]).T, id="as YOLOv8 answers"
        ),
        pytest.param(end_to_end(), end_to_end() / [*FRACTIONS, 1, 1], id="as YOLOv10 answers"),
    ],
)
def test_boxes_in_fractions_of_the_picture_are_read(pixels, fractions):
    want, _ = detector_of(graph(pixels), Claims("m", CLASSES)).detect(DARK, confidence=0.5)
    assert len(want) >= 2
    # It may find nothing in the noise that it is tried on: then each answer tells.
    contents = [graph(fractions)]
    if pixels.shape[1] == 6:
        contents.append(breaks_on_light(end_to_end()[:0], fractions))
    for content, picture in zip(contents, [DARK, LIGHT], strict=False):
        found, _ = detector_of(content, Claims("m", CLASSES)).detect(picture, confidence=0.5)
        np.testing.assert_allclose(found.xyxy, want.xyxy, atol=1e-4)
        np.testing.assert_array_equal(found.class_id, want.class_id)


@pytest.mark.parametrize("turned", [False, True])
def test_a_network_whose_scores_are_all_0_is_remarked_on(turned):
    # As ONNX Runtime's quantiser leaves YOLOv8: boxes to 640 and scores to 1 in one scale.
    answer = dense()
    answer[:, 4:] = 0
    named = {"names": NAMES}
    mute = UntrustedNetwork.open(graph(answer if turned else answer.T, metadata=named))
    assert "scores for a picture of noise are exactly 0" in mute.remark
    assert "in floats" in mute.remark
    assert not UntrustedNetwork.open(graph(dense() if turned else dense().T, metadata=named)).remark


def test_what_a_network_is_given_is_said_where_it_may_be_another():
    # YOLOX and YOLOv6: a row for each of the places, a score of the box, then its classes.
    made = UntrustedNetwork.open(graph(dense()))
    assert "RGB from 0 to 1" in made.remark
    assert "YOLOX" in made.remark


def test_of_two_ways_that_fit_the_shape_the_one_is_taken_that_fits_the_values():
    # RT-DETR of two classes: rows of six numbers, as those of finished boxes.
    detector = detector_of(graph(dense(2)), Claims("m", ("blast", "healthy")))
    assert detector.spec.output == "anchor_free"
    assert len(detector.detect(DARK, confidence=0.5)[0]) == 2


def finished_dense(classes=3):
    """The boxes of `dense`, best first, as rows of six: as ultralytics' RT-DETR ends since 8.4."""
    rows = dense(classes)
    best = rows[:, 4:].argmax(axis=1)
    ended = np.hstack([rows[:, :4], rows[:, 4:].max(axis=1)[:, None], best[:, None]])
    return ended[np.argsort(-ended[:, 4])]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1, SIDE], ids=["in pixels", "in fractions"])
def test_finished_boxes_of_centre_and_size_are_read(classes, scale):
    named = CLASSES[:classes]
    want, _ = detector_of(graph(dense(classes)), Claims("m", named)).detect(DARK, confidence=0.5)
    answer = finished_dense(classes) / [scale, scale, scale, scale, 1, 1]
    found, _ = detector_of(graph(answer), Claims("m", named)).detect(DARK, confidence=0.5)
    assert len(found) == 2
    np.testing.assert_allclose(found.xyxy, want.xyxy, atol=1e-4)
    np.testing.assert_array_equal(found.class_id, want.class_id)


@pytest.mark.parametrize(
    ("answer", "layout"),
    [
        pytest.param(dense(2), "anchor_free", id="RT-DETR's"),
        pytest.param(dense(2) / [*[SIDE] * 4, 1, 1], "anchor_free", id="RT-DETR's, in fractions"),
        pytest.param(finished_dense(2), "end_to_end", id="RT-DETR's, finished"),
        pytest.param(corners(finished_dense(2)), "end_to_end", id="finished, of corners"),
    ],
)
@pytest.mark.parametrize("names", ["{0: 'ALL', 1: 'normal'}", ""], ids=["named", "unnamed"])
def test_a_table_of_six_columns_offers_first_what_its_values_fit(answer, layout, names):
    # The page presets the first way, and a command takes it.
    network = UntrustedNetwork.open(graph(answer, metadata={"names": names} if names else None))
    assert network.fits[0].layout == layout
    assert len(network.fits) > 1


@pytest.mark.parametrize("turned", [False, True])
def test_a_class_number_is_not_taken_for_a_score(turned):
    # Finished boxes, score and class exchanged or columns for rows: six numbers for two classes.
    boxes = np.vstack([end_to_end()] * 2)
    boxes[:, 5] %= 2
    answer = boxes.T if turned else boxes[:, [0, 1, 2, 3, 5, 4]]
    with pytest.raises(ModelError, match=r"number of a class|be its class"):
        detector_of(graph(answer), Claims("m", ("blast", "healthy")))


@pytest.mark.parametrize(
    ("answer", "layout", "words"),
    [
        pytest.param(
            np.vstack([anchor_free()[:4], anchor_free()[4:] - 3]), None, "from -3 to", id="logits"
        ),
        pytest.param(anchor_free() * np.nan, None, "infinite", id="not a number"),
        pytest.param(
            end_to_end() + np.array([0, 0, 0, 0, 0, 0.5]), None, "whole number", id="half a class"
        ),
        pytest.param(corners(dense()).T, None, "x1 y1 x2 y2, not centre", id="YOLOv8 with corners"),
        pytest.param(corners(dense()), None, "x1 y1 x2 y2, not centre", id="the same, a row a box"),
        pytest.param(
            np.insert(corners(dense()), 4, 1, 1), None, "x1 y1 x2 y2, not", id="YOLOv5 with corners"
        ),
        pytest.param(
            np.insert(dense() * [0.1, 0.1, 0.1, 0.1, 1, 1, 1], 4, 1, 1),
            None,
            "places in a grid",
            id="YOLOX before its last step",
        ),
        pytest.param(anchor_based(), "anchor_free", "of the layout anchor_free", id="wrong layout"),
    ],
)
def test_an_answer_that_no_detector_gives_is_refused(answer, layout, words):
    with pytest.raises(ModelError, match=words):
        detector_of(graph(answer), Claims("m", CLASSES, layout=layout))


@pytest.mark.parametrize(
    ("shape", "input_px", "expected"),
    [
        pytest.param((84, 8400), (640, 640), [Fit("anchor_free", 80)], id="YOLOv8"),
        pytest.param((25200, 85), (640, 640), [Fit("anchor_based", 80)], id="YOLOv5"),
        pytest.param(
            (300, 6),
            (640, 640),
            [Fit("end_to_end", None), Fit("anchor_free", 2, turned=True), Fit("anchor_based", 1)],
            id="YOLOv10",
        ),
        pytest.param(
            (8400, 7),
            (640, 640),
            [Fit("anchor_free", 3, turned=True), Fit("anchor_based", 2)],
            id="YOLOv8, one row for each box",
        ),
        pytest.param((0, 6), (640, 640), [Fit("end_to_end", None)], id="it found nothing in noise"),
        pytest.param((5, 6), (640, 640), [Fit("end_to_end", None)], id="it found little in noise"),
        pytest.param(
            (8400, 5), (640, 640), [Fit("anchor_free", 1, turned=True)], id="the same, one class"
        ),
        pytest.param((25200, 6), (640, 640), [Fit("anchor_based", 1)], id="YOLOv5, one class"),
        pytest.param(
            (252, 6),
            (64, 64),
            [Fit("anchor_based", 1), Fit("end_to_end", None)],
            id="YOLOv5, one class, small: as many boxes as its grids have",
        ),
        pytest.param((5, 84), (64, 64), [Fit("anchor_free", 1)], id="YOLOv8, one class, small"),
        pytest.param((300, 4), (640, 640), [], id="boxes without scores"),
        pytest.param((1000,), (640, 640), [], id="classifier"),
    ],
)
def test_an_output_is_read_in_the_ways_its_shape_allows(shape, input_px, expected):
    assert list(fits(shape, input_px)) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(NAMES, ("normal", "ALL", "RBC"), id="as ultralytics writes them"),
        pytest.param("['a', 'b', 'c']", ("a", "b", "c"), id="a list"),
        pytest.param("{'0': 'a', '1': 'b', '2': 'c'}", ("a", "b", "c"), id="numbers as text"),
        pytest.param("{0: '<b>*a*</b>', 1: 'b', 2: 'c'}", ("b a b", "b", "c"), id="no markup"),
        pytest.param("{0: 'a', 2: 'b', 3: 'c'}", (), id="a number is missing"),
        pytest.param("__import__('os').getcwd()", (), id="a program"),
        pytest.param("(" * 5000, (), id="nested without end"),
        pytest.param("{1e999: 'a'}", (), id="an infinite number"),
        pytest.param("[0x" + "f" * 5000 + "]", (), id="a number too long to be written"),
        pytest.param("[" + "9" * 5000 + "]", (), id="a number too long to be read"),
        pytest.param("", (), id="none"),
    ],
)
def test_names_are_read_from_the_file_but_never_run(names, expected):
    file = UntrustedNetwork.open(graph(anchor_free(), metadata={"names": names} if names else None))
    assert [" ".join(name.split()) for name in file.names] == list(expected)
    assert not file.remark


def test_what_a_file_is_found_to_be():
    content = graph(anchor_free(), metadata={"names": "{0: 'a', 1: 'b'}"})
    assert is_valid(content)
    file = UntrustedNetwork.open(content)
    assert (file.size_bytes, file.input_px, file.fixed) == (len(content), (SIDE, SIDE), True)
    assert (file.facts.producer, file.facts.opset) == ("the tests", 17)
    assert file.fits == (Fit("anchor_free", 3),)
    assert file.names == ()
    assert "names 2 classes, but its output has room for 3" in file.remark


@pytest.mark.parametrize(
    ("metadata", "wanted", "expected"),
    [
        pytest.param({"imgsz": "[96, 128]"}, None, (128, 96), id="the file's own size"),
        pytest.param({}, None, (640, 640), id="the usual size"),
        pytest.param({"imgsz": "[16, 16]"}, None, (640, 640), id="smaller than can be chosen"),
        pytest.param({"imgsz": "[4096, 64]"}, None, (640, 640), id="larger than can be chosen"),
        pytest.param({"imgsz": "[96, 128]"}, (64, 32), (64, 32), id="the user's size"),
    ],
)
def test_a_network_that_takes_any_size_gets_one(metadata, wanted, expected):
    content = graph(anchor_free(), side="any", metadata=metadata)
    if wanted is None:
        network = UntrustedNetwork.open(content)
        assert (network.input_px, network.fixed) == (expected, False)
    detector = detector_of(content, Claims("m", CLASSES), wanted)
    assert detector.spec.fixed_input_px == expected


def test_another_size_is_a_network_of_its_own():
    network = UntrustedNetwork.open(
        graph(anchor_free(), side="any", metadata={"imgsz": "[96, 96]"})
    )
    assert network.at((96, 96)) is network
    other = network.at((64, 32))
    assert (network.input_px, other.input_px) == ((96, 96), (64, 32))
    sizes = [of.detector(Claims("m", CLASSES)).spec.fixed_input_px for of in (network, other)]
    assert sizes == [(96, 96), (64, 32)]


@pytest.mark.parametrize(
    ("side", "opened"),
    [
        pytest.param(SIDE, 1, id="one size"),
        pytest.param("any", 2, id="any size: opened to see what it takes, then for one size"),
    ],
)
@pytest.mark.child
def test_detectors_share_what_is_open_until_it_is_closed(side, opened, opens):
    network = UntrustedNetwork.open(graph(anchor_free(), side=side))
    detectors = [network.detector(Claims("m", CLASSES)) for _ in range(3)]
    assert len(opens) == opened
    network.close()
    assert all(len(detector.detect(DARK)[0]) == 2 for detector in detectors)
    assert len(opens) == opened, "detectors keep the session"
    assert len(network.detector(Claims("m", CLASSES)).detect(DARK)[0]) == 2
    assert len(opens) == 2 * opened


def test_detectors_of_one_network_do_not_wait_for_each_other():
    network = UntrustedNetwork.open(endless(only_on_light=True))
    slow, quick = (network.detector(Claims("m", CLASSES)) for _ in range(2))
    ended = []

    def run():
        try:
            slow.detect(LIGHT)
        except RunInterrupted:
            ended.append("interrupted")

    thread = threading.Thread(target=run)
    thread.start()
    while slow.engine._engine._under_way is None:
        time.sleep(0.01)
    for _ in range(3):
        assert len(quick.detect(DARK)[0]) == 2
        assert not quick.interrupt(), "that would be the run of the other"
    assert thread.is_alive()
    while thread.is_alive():
        slow.interrupt()
        thread.join(0.1)
    assert ended == ["interrupted"]


def test_half_precision_is_taken():
    detector = detector_of(graph(anchor_free(), kind=TensorProto.FLOAT16), Claims("m", CLASSES))
    found, _ = detector.detect(np.zeros((64, 64, 3), np.uint8), confidence=0.5)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("Lymphoblast", "blast"),
        ("blasts", "blast"),
        ("cancer", "blast"),
        ("ALL", "blast"),
        ("healthy", "healthy"),
        ("WBC", "healthy"),
        ("normal_cells", "healthy"),
        ("White blood cell", "healthy"),
        ("smudge-cell", "smudge"),
        ("RBC", None),
        ("platelet", None),
        ("cell", None),
    ],
)
def test_known_names_are_guessed(name, mine):
    assert guess_classes([name]) == (mine,)


def test_a_box_likelier_of_a_class_left_out_is_left_out():
    # The third box is a red cell by 0.95, and healthy or a blast by 0.1.
    detector = detector_of(graph(anchor_free()), Claims("m", CLASSES))
    found, _ = detector.detect(np.zeros((64, 64, 3), np.uint8), confidence=0.05)
    assert len(found) == 2


def test_a_network_that_is_sure_of_everything_does_not_hang():
    rng = np.random.default_rng(0)
    many = np.vstack([rng.uniform(5, 600, (4, 20_000)), rng.uniform(0.5, 0.9, (3, 20_000))])
    detector = detector_of(graph(many, side=640), Claims("m", CLASSES))
    found, timing = detector.detect(np.zeros((640, 640, 3), np.uint8))
    assert len(found) > 300
    assert timing.full_tiles == 0
    assert timing.total_ms < 5_000
    # The best are among them.
    best = many[4:6][:, many[4:6].max(axis=0) > many[6]].max()
    assert found.confidence[0] == pytest.approx(best)


def test_all_cells_of_a_crowded_field_are_counted():
    rows, columns = np.divmod(np.arange(4096), 64)
    cells = np.stack([10 * columns + 5, 10 * rows + 5, *2 * [0 * rows + 8], *3 * [0 * rows]])
    many = cells.astype(np.float32)
    many[5] = 0.9
    detector = detector_of(graph(many, side=640), Claims("m", CLASSES))
    found, timing = detector.detect(np.zeros((640, 640, 3), np.uint8))
    assert (len(found), timing.full_tiles) == (4096, 0)


def test_facts_are_found_in_our_own_files():
    from allcell.settings import settings

    facts = read_facts((settings().weights_dir / "live.onnx").read_bytes())
    assert facts.producer.startswith("pytorch")
    assert facts.opset == 17


def test_an_end_to_end_network_with_more_classes_than_named_is_refused():
    with pytest.raises(ModelError, match="class 2, but 2 are named"):
        detector_of(graph(end_to_end()), Claims("m", ("healthy", "blast")))


@pytest.mark.slow
def test_a_network_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(time_limit, "LONGEST_RUN_S", 0.5)
    start = time.perf_counter()
    with pytest.raises(ModelError, match="not answered within"):
        open_here(endless(), check_file(endless()), None, 0)
    assert time.perf_counter() - start < 5


@pytest.mark.slow
def test_a_network_that_never_answers_to_some_pictures_is_given_up_there(monkeypatch):
    detector = detector_of(endless(only_on_light=True), Claims("m", CLASSES))
    monkeypatch.setattr(time_limit, "LONGEST_RUN_S", 0.5)
    for _ in range(2):
        start = time.perf_counter()
        with pytest.raises(ModelError, match="not answered within") as given_up:
            detector.detect(LIGHT)
        assert "smaller" in given_up.value.remedy
        assert 0.4 < time.perf_counter() - start < 5
        assert len(detector.detect(DARK)[0]) == 2, "the next picture is another matter"


def test_who_interrupts_a_run_is_not_told_of_a_limit():
    detector = detector_of(endless(only_on_light=True), Claims("m", CLASSES))
    done = threading.Event()

    def interrupt():
        while not done.wait(0.1):
            detector.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(RunInterrupted):
            detector.detect(LIGHT)
    finally:
        done.set()
        thread.join()


def test_a_run_of_another_thread_is_not_interrupted():
    detector = detector_of(endless(only_on_light=True), Claims("m", CLASSES))
    ended = []

    def run():
        try:
            detector.detect(LIGHT)
        except RunInterrupted:
            ended.append("interrupted")

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        detector.interrupt(threading.get_ident())
        thread.join(0.1)
    assert thread.is_alive()
    while thread.is_alive():
        detector.interrupt(thread.ident)
        thread.join(0.1)
    assert ended == ["interrupted"]


def _one_is(value):
    answer = anchor_free()
    answer[0, 5] = value
    return answer


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        pytest.param(_one_is(np.nan), "infinite or NaN", id="not a number"),
        pytest.param(_one_is(np.inf), "infinite or NaN", id="infinite"),
        pytest.param(_one_is(3e38), "infinite or NaN", id="infinite when halved and added"),
        pytest.param(anchor_free()[:6], r"shape \(6, 23\), expected \(7, n\)", id="narrower"),
        pytest.param(np.ones(7), r"shape \(7,\)", id="one-dimensional"),
        pytest.param(np.ones((2, 7, 9)), r"shape \(2, 7, 9\)", id="three-dimensional"),
    ],
)
def test_an_answer_that_breaks_only_on_some_picture_is_refused_there(broken, words):
    detector = detector_of(breaks_on_light(anchor_free(), broken), Claims("m", CLASSES))
    with pytest.raises(ModelError, match=words):
        detector.detect(LIGHT)
    assert len(detector.detect(DARK)[0]) == 2


@pytest.mark.parametrize(
    ("number", "words"),
    [
        pytest.param(np.nan, "infinite or NaN", id="no class"),
        pytest.param(1e20, "3 are named", id="a class far beyond"),
    ],
)
def test_a_class_that_breaks_only_on_some_picture_is_refused_there(number, words):
    broken = end_to_end()
    broken[1, 5] = number
    detector = detector_of(breaks_on_light(end_to_end(), broken), Claims("m", CLASSES))
    with pytest.raises(ModelError, match=words):
        detector.detect(LIGHT)


def test_a_picture_without_any_box_has_none():
    nothing = np.zeros((7, 0))
    detector = detector_of(breaks_on_light(anchor_free(), nothing), Claims("m", CLASSES))
    assert len(detector.detect(LIGHT)[0]) == 0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(end_to_end()[:, [0, 1, 2, 3, 5, 4]], "whole number", id="class before score"),
        pytest.param(end_to_end() * [1, 1, 1, 1, 100, 1], "expected 0 to 1", id="percent"),
    ],
)
def test_what_noise_did_not_show_is_seen_on_a_picture(answer, message):
    """A network with built-in suppression finds nothing in the noise that it is tried on."""
    answer[:, 5 if "whole" in message else 4] += 0.25
    detector = detector_of(breaks_on_light(end_to_end()[:0], answer), Claims("m", CLASSES))
    with pytest.raises(ModelError, match=message):
        detector.detect(LIGHT)


def test_boxes_beside_the_picture_are_refused():
    """x and y exchanged, as TensorFlow writes them: of a wide picture they lie in the padding."""
    wide = np.full((SIDE // 2, SIDE, 3), 250, np.uint8)
    boxes = np.array([[x, 5, x + 8, 13, 0.9, 0] for x in (4, 20, 36, 52)], np.float32)
    right = breaks_on_light(end_to_end()[:0], boxes)
    assert len(detector_of(right, Claims("m", CLASSES)).detect(wide)[0]) == 4
    exchanged = breaks_on_light(end_to_end()[:0], boxes[:, [1, 0, 3, 2, 4, 5]])
    with pytest.raises(ModelError, match=r"2 of 4 boxes lie beside the picture"):
        detector_of(exchanged, Claims("m", CLASSES)).detect(wide)
