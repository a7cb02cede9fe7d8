"""Files that ONNX Runtime cannot open: what is wrong, in words and not in C++."""

from __future__ import annotations

import onnx
import pytest

from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import ModelError
from tests.untrusted_graphs import anchor_free, graph


def changed(change) -> bytes:
    model = onnx.load_from_string(graph(anchor_free()))
    change(model)
    return model.SerializeToString()


def newer_ir(model) -> None:
    model.ir_version = 99


def newer_opset(model) -> None:
    model.opset_import[0].version = 99


def unknown_operator(model) -> None:
    model.graph.node[0].op_type = "Nonsense"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(changed(newer_ir), r"ONNX IR version 99; .* reads up to \d+\.", id="IR"),
        pytest.param(changed(newer_opset), r"ONNX opset 99; .* reads up to \d+\.", id="opset"),
        pytest.param(changed(unknown_operator), "cannot|can be opened", id="operator"),
        pytest.param(b"text", "can be opened", id="no network"),
    ],
)
def test_what_cannot_be_opened_is_told(content, says):
    with pytest.raises(ModelError, match=says) as caught:
        OnnxEngine(content)
    assert "onnxruntime_src" not in str(caught.value)
    assert "std::" not in str(caught.value)
