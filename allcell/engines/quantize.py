"""8-bit graphs: the same network with weights and activations in bytes, for slow processors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

#: Operators to quantize: those on feature maps. Scores and boxes stay floats.
_BODY = ("Conv", "Relu", "Add", "Concat", "MaxPool", "Split", "Resize")


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: Iterable[npt.NDArray[np.uint8]]) -> None:
        self._pictures: Iterator[npt.NDArray[np.uint8]] = iter(pictures)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {"picture": picture[None]}


def quantize(graph: Path, target: Path, pictures: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write an 8-bit copy of a graph made by `torch_engine.export_onnx`.

    Args:
        graph: The graph in floats.
        target: The file to write, atomically.
        pictures: RGB uint8 inputs (H, W, 3) from training fields, sides multiples of the stride,
            which calibrate the range of each layer.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        clean, small = os.path.join(folder, "clean.onnx"), os.path.join(folder, "small.onnx")
        # The sizes stay dynamic, so symbolic shape inference would find nothing.
        quant_pre_process(str(graph), clean, skip_symbolic_shape=True)
        quantize_static(
            clean,
            small,
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Seven-bit weights: with eight, sums would saturate on processors without VNNI.
            reduce_range=True,
            op_types_to_quantize=list(_BODY),
            nodes_to_exclude=_head_nodes(onnx.load(clean)),
            calibrate_method=CalibrationMethod.MinMax,
        )
        os.replace(small, target)


def _head_nodes(model: onnx.ModelProto) -> list[str]:
    """Nodes that turn the last convolutions into boxes and scores, and those convolutions."""
    makers = {output: node for node in model.graph.node for output in node.output}
    found: list[str] = []
    frontier = [output.name for output in model.graph.output]
    while frontier:
        node = makers.get(frontier.pop())
        if node is None or node.name in found:
            continue
        found.append(node.name)
        if node.op_type != "Conv":
            frontier.extend(node.input)
    return found
