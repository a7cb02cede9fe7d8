"""Somebody else's ONNX file: run if it fits, refused with words if not."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from allcell.errors import ModelError
from allcell.foreign import ForeignModel, open_foreign

SIDE = 64


def graph(answer, *, side=SIDE):
    """An ONNX file that answers the same to every picture; takes floats, NCHW."""
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])
    answer = np.asarray(answer, np.float32)[None]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, answer.shape)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"]),
    ]
    constants = [
        numpy_helper.from_array(answer, "answer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [picture], [output], constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


#: Three boxes: cx cy w h in input pixels, and scores of (normal, ALL, RBC).
BOXES = ((16, 16, 8, 8), (40, 16, 10, 10), (40, 40, 12, 12))
SCORES = ((0.1, 0.9, 0.2), (0.8, 0.1, 0.1), (0.1, 0.1, 0.95))
CLASSES = ("healthy", "blast", None)


def anchor_free():
    return np.hstack([BOXES, SCORES]).T


def anchor_based():
    return np.hstack([BOXES, np.ones((3, 1)), SCORES])


def end_to_end():
    rows = []
    for (x, y, w, h), scores in zip(BOXES, SCORES, strict=True):
        best = int(np.argmax(scores))
        rows.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, scores[best], best])
    return np.array(rows)


@pytest.mark.parametrize("answer", [anchor_free, anchor_based, end_to_end])
@pytest.mark.parametrize("image_size", [(64, 64), (128, 64), (200, 300)])
def test_each_layout_is_told_and_decoded(answer, image_size):
    detector = open_foreign(graph(answer()), ForeignModel("mine", CLASSES))
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


def test_two_classes_may_become_one():
    detector = open_foreign(graph(anchor_free()), ForeignModel("m", ("blast", "blast", "smudge")))
    found, _ = detector.detect(np.zeros((64, 64, 3), np.uint8), confidence=0.5)
    assert detector.spec.classes == ("blast", "smudge")
    assert sorted(found.class_id.tolist()) == [0, 0, 1]


@pytest.mark.parametrize(
    ("content", "model", "words"),
    [
        (b"just some text", ForeignModel("m", CLASSES), "not an ONNX network"),
        (b"", ForeignModel("m", CLASSES), "not an ONNX network"),
        (b"\x80\x04\x95pickle", ForeignModel("m", CLASSES), "not an ONNX network"),
        (None, ForeignModel("m", ("blast", "healthy")), "fits no detector with 2 classes"),
        (None, ForeignModel("m", CLASSES, layout="anchor_based"), "of the layout anchor_based"),
        (None, ForeignModel("m", CLASSES, input_px=(640, 640)), "takes 64x64 pixels only"),
        (None, ForeignModel("m", ("lymphoblast", None, None)), "does not know: lymphoblast"),
        (None, ForeignModel("m", (None, None, None)), "No class of the network"),
    ],
)
def test_what_does_not_fit_is_said(content, model, words):
    with pytest.raises(ModelError, match=words):
        open_foreign(graph(anchor_free()) if content is None else content, model)


def test_an_end_to_end_network_with_more_classes_than_named_is_refused():
    with pytest.raises(ModelError, match="class 2, but 2 are named"):
        open_foreign(graph(end_to_end()), ForeignModel("m", ("healthy", "blast")))
