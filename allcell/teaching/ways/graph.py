"""An ONNX file of ours, opened before its last step: its features out, other weights in.

At each level of the network a convolution of one pixel turns features into the scores of classes.
The features that it takes know little beyond what told the known laboratories apart. What enters
the whole branch knows more, and that of the other levels still more: the fine ones see texture, the
coarse ones what is around a cell. Linear layers and changes of size may trade places, so that a
score from all levels costs a few small convolutions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from allcell.detections import FloatArray
from allcell.errors import TeachingError

#: Names that ultralytics gives to the last convolution of the classes, and to what gives the box.
_SCORES = re.compile(r"(?P<head>.*)\.cv3\.(?P<level>\d+)\.2\.weight")
_BOXES = "{head}.cv2.{level}.0.conv.weight"
#: Pixels of the picture that a cell of the first level's grid covers on each side.
FIRST_STRIDE_PX = 8


@dataclass(frozen=True, eq=False)
class LastStep:
    """The last step of one level: scores of classes from features.

    Attributes:
        weight: Of each feature, (classes, features): first those that the network used already,
            then what enters the branches of each level.
        bias: Of each class, (classes,).
    """

    weight: FloatArray
    bias: FloatArray


class OpenedGraph:
    """An ONNX file of ours.

    Args:
        content: Its bytes.

    Attributes:
        known: Features of each level that the network used already.

    Raises:
        TeachingError: If it is not a network of that kind.
    """

    def __init__(self, content: bytes) -> None:
        self._model = onnx.load_model_from_string(content)
        graph = self._model.graph
        self._values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        taking = {name: node for node in graph.node for name in node.input}
        found = sorted(
            (int(match["level"]), match["head"], name)
            for name in self._values
            if (match := _SCORES.fullmatch(name))
        )
        try:
            self._last = [taking[name] for _, _, name in found]
            boxes = [taking[_BOXES.format(head=head, level=k)] for k, head, _ in found]
        except KeyError:
            boxes = []
        if len(boxes) < 2 or any(node.op_type != "Conv" for node in self._last):
            raise TeachingError(
                "The last step of this network is not of the kind that can be fitted by itself.",
                "Teach the model live, or leave out --quick.",
            )
        self._entering = [node.input[0] for node in boxes]
        self.known = self._values[self._last[0].input[1]].shape[1]

    def last_steps(self) -> list[LastStep]:
        """The last steps as they are, of which the added features weigh nothing."""
        more = sum(self._width(node) for node in self._entering)
        steps = []
        for node in self._last:
            weight = self._values[node.input[1]][:, :, 0, 0]
            added = np.zeros((len(weight), more), np.float32)
            steps.append(LastStep(np.hstack([weight, added]), self._values[node.input[2]]))
        return steps

    def _width(self, entering: str) -> int:
        """Number of features that enter the branches of a level."""
        taking = (
            self._values[node.input[1]]
            for node in self._model.graph.node
            if node.op_type == "Conv" and node.input[0] == entering
        )
        # Those of one feature each (depthwise) do not tell.
        return max(int(weight.shape[1]) for weight in taking)

    def features(self) -> bytes:
        """An ONNX file that gives for each place its box and scores, then its features.

        Its output is (1, 4 + classes + features, places).
        """
        model = _copy(self._model)
        graph = model.graph
        add = _Adding(graph)
        flat = []
        for k, node in enumerate(self._last):
            entering = [self._at(add, name, j, k) for j, name in enumerate(self._entering)]
            joined = add("Concat", [node.input[0], *entering], axis=1)
            flat.append(add("Reshape", [joined, add.value(np.array([0, 0, -1], np.int64))]))
        places = add("Concat", flat, axis=2)
        whole = add("Concat", [graph.output[0].name, places], axis=1)
        del graph.output[:]
        sizes = [1, None, None]
        graph.output.append(helper.make_tensor_value_info(whole, TensorProto.FLOAT, sizes))
        return _written(model)

    def with_steps(self, steps: list[LastStep]) -> bytes:
        """The ONNX file with other last steps.

        Args:
            steps: That of each level.
        """
        model = _copy(self._model)
        graph = model.graph
        add = _Adding(graph)
        new = {}
        for k, (node, step) in enumerate(zip(self._last, steps, strict=True)):
            own, *others = np.split(step.weight, self._cuts(), axis=1)
            new[node.input[1]] = own[:, :, None, None]
            new[node.input[2]] = step.bias
            score = node.output[0]
            taking = [(n, i) for n in graph.node for i, name in enumerate(n.input) if name == score]
            parts = [score]
            for j, (entering, weight) in enumerate(zip(self._entering, others, strict=True)):
                small = add("Conv", [entering, add.value(weight[:, :, None, None])])
                parts.append(self._at(add, small, j, k))
            whole = add("Sum", parts)
            for taker, place in taking:
                taker.input[place] = whole
        for one in graph.initializer:
            if one.name in new:
                one.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(new[one.name]), one.name))
        return _written(model)

    def _cuts(self) -> list[int]:
        widths = [self.known, *(self._width(name) for name in self._entering)]
        return [sum(widths[: n + 1]) for n in range(len(widths) - 1)]

    @staticmethod
    def _at(add: _Adding, name: str, level: int, wanted: int) -> str:
        """A tensor of one level, at the size of another."""
        factor = 2 ** abs(level - wanted)
        if level < wanted:
            side = [factor, factor]
            return add("AveragePool", [name], kernel_shape=side, strides=side)
        if level > wanted:
            scales = add.value(np.array([1, 1, factor, factor], np.float32))
            return add("Resize", [name, "", scales], mode="linear")
        return name


class _Adding:
    """Adds nodes to a graph."""

    def __init__(self, graph: Any) -> None:
        self._graph, self._count = graph, 0

    def __call__(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = self._name()
        self._graph.node.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def value(self, array: Any) -> str:
        """Add a constant; its name."""
        name = self._name()
        content = numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._graph.initializer.append(content)
        return name

    def _name(self) -> str:
        self._count += 1
        return f"taught_{self._count}"


def _copy(model: Any) -> Any:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _written(model: Any) -> bytes:
    """Its bytes, with each node after those that it takes from, as ONNX wants it."""
    graph = model.graph
    there = {"", *(one.name for one in graph.input), *(one.name for one in graph.initializer)}
    waiting, ordered = list(graph.node), []
    while waiting:
        later = []
        for node in waiting:
            if there.issuperset(node.input):
                ordered.append(node)
                there.update(node.output)
            else:
                later.append(node)
        waiting = later
    kept = [_copy_node(node) for node in ordered]
    del graph.node[:]
    graph.node.extend(kept)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _copy_node(node: Any) -> Any:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
