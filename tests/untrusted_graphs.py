"""Networks of other people, made for the tests: constant answers, and fresh random YOLOs."""

from __future__ import annotations

import io
import itertools
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64


def graph(
    answer: object,
    *,
    side: int | str = SIDE,
    batch: int = 1,
    channels: int = 3,
    kind: int = TensorProto.FLOAT,
    metadata: dict[str, str] | None = None,
    weights_in: str = "",
    domain: str = "",
) -> bytes:
    """An ONNX file that answers the same to every picture; takes floats, NCHW."""
    sides = [side, side] if isinstance(side, int) else [f"{side}_height", f"{side}_width"]
    picture = helper.make_tensor_value_info("images", kind, [batch, channels, *sides])
    values = np.asarray(answer, np.float32)[None]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, values.shape)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"], domain=domain),
    ]
    constants = [
        numpy_helper.from_array(values, "answer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    if weights_in:
        constants[0].ClearField("raw_data")
        constants[0].data_location = TensorProto.EXTERNAL
        for key, value in (("location", weights_in), ("length", str(values.nbytes))):
            constants[0].external_data.add(key=key, value=value)
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [picture], [output], constants),
        opset_imports=opsets,
        ir_version=8,
        producer_name="the tests",
    )
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def endless(*, only_on_light: bool = False) -> bytes:
    """A network that adds one for ever before it answers.

    Args:
        only_on_light: It answers at once, as YOLOv8 does, as long as the picture is not bright.
    """
    number = helper.make_tensor_value_info
    start = anchor_free()[None].astype(np.float32)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "body",
        [
            number("round", TensorProto.INT64, []),
            number("go_on", TensorProto.BOOL, []),
            number("before", TensorProto.FLOAT, start.shape),
        ],
        [number("still", TensorProto.BOOL, []), number("after", TensorProto.FLOAT, start.shape)],
        [numpy_helper.from_array(np.ones((), np.float32), "one")],
    )
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "dark"], ["bright"]),
        helper.make_node("Loop", ["", "bright", "start"], ["output0"], body=body),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [number("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [number("output0", TensorProto.FLOAT, start.shape)],
            [
                numpy_helper.from_array(np.array(0.7 if only_on_light else -1, np.float32), "dark"),
                numpy_helper.from_array(start, "start"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return model.SerializeToString()


def greedy(numbers: int, *, when_run: bool) -> bytes:
    """A network that fills an array of so many floats before it answers as YOLOv8 does.

    Args:
        numbers: How many.
        when_run: With each picture; else a runtime may do it while it opens the file.
    """
    value = helper.make_tensor_value_info
    start = anchor_free()[None].astype(np.float32)
    length = "counted" if when_run else "length"
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["none"], to=TensorProto.INT64),
        helper.make_node("Add", ["length", "none"], ["counted"]),
        helper.make_node("ConstantOfShape", [length], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nothing"], ["still"]),
        helper.make_node("Add", ["start", "still"], ["output0"]),
    ]
    constants = {
        "start": start,
        "length": np.array([numbers], np.int64),
        "zero": np.zeros((), np.float32),
    }
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [value("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [value("output0", TensorProto.FLOAT, start.shape)],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return model.SerializeToString()


#: Three boxes and many empty ones: cx cy w h in input pixels, and scores of (normal, ALL, RBC).
EMPTY = 20
BOXES = ((16, 16, 8, 8), (40, 16, 10, 10), (40, 40, 12, 12), *[(8, 8, 4, 4)] * EMPTY)
SCORES = ((0.1, 0.9, 0.2), (0.8, 0.1, 0.1), (0.1, 0.1, 0.95), *[(0, 0, 0)] * EMPTY)
NAMES = "{0: 'normal', 1: 'ALL', 2: 'RBC'}"


def anchor_free() -> np.ndarray:
    """As YOLOv8 answers."""
    return np.hstack([BOXES, SCORES]).T


def anchor_based() -> np.ndarray:
    """As YOLOv5 answers."""
    return np.hstack([BOXES, np.ones((len(BOXES), 1)), SCORES])


def end_to_end() -> np.ndarray:
    """As YOLOv10 answers."""
    rows = []
    for (x, y, w, h), scores in zip(BOXES, SCORES, strict=True):
        best = int(np.argmax(scores))
        rows.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, scores[best], best])
    return np.array(rows)


def random_yolo(
    architecture: str, folder: Path, *, classes: dict[int, str], side: int, ends: bool = False
) -> Path:
    """A fresh network of ultralytics, exported by its own exporter.

    Args:
        architecture: Such as yolo11n.yaml.
        folder: Where the file is written.
        classes: Its names.
        side: Of its input.
        ends: Whether it answers with finished boxes.
    """
    from ultralytics.models import YOLO
    from ultralytics.nn.tasks import DetectionModel

    yolo = YOLO(architecture, task="detect")
    fresh = DetectionModel(architecture, nc=len(classes), verbose=False)
    fresh.names, fresh.task, fresh.args = classes, "detect", yolo.model.args
    yolo.model = fresh
    yolo.model.pt_path = str(folder / f"{Path(architecture).stem}.pt")
    made = yolo.export(
        format="onnx",
        imgsz=side,
        simplify=False,
        opset=17,
        # This is how ultralytics says: finished boxes, and nothing further to do.
        nms=False if ends else None,
    )
    return Path(made)


def random_yolov5(*, classes: int, side: int) -> bytes:
    """A small random network with YOLOv5's anchor head, decoded as YOLOv5's `Detect` does it."""
    import torch
    from torch import nn

    anchors = torch.tensor(
        [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
    ).view(3, 3, 2)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (3, 8, 8, 16, 16, 16)
            self.body = nn.ModuleList(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.SiLU())
                for a, b in itertools.pairwise(widths)
            )
            self.heads = nn.ModuleList(nn.Conv2d(c, 3 * (5 + classes), 1) for c in (16, 16, 16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps, found = [], []
            for stage in self.body:
                x = stage(x)
                maps.append(x)
            for level, (head, features) in enumerate(zip(self.heads, maps[2:], strict=True)):
                stride = 8 * 2**level
                n = side // stride
                y = head(features).view(1, 3, 5 + classes, n, n).permute(0, 1, 3, 4, 2).sigmoid()
                row, column = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
                grid = torch.stack([column, row], -1)
                centre = (y[..., :2] * 2 - 0.5 + grid) * stride
                size = (y[..., 2:4] * 2) ** 2 * anchors[level].view(1, 3, 1, 1, 2)
                found.append(torch.cat([centre, size, y[..., 4:]], -1).view(1, -1, 5 + classes))
            return torch.cat(found, 1)

    torch.manual_seed(0)
    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Net().eval(),
            (torch.zeros(1, 3, side, side),),
            sink,
            input_names=["images"],
            output_names=["output0"],
            opset_version=17,
            dynamo=False,
        )
    return sink.getvalue()


def is_valid(content: bytes) -> bool:
    """Whether ONNX's own checker takes a file."""
    onnx.checker.check_model(onnx.load_from_string(content))
    return True


def _varint(number: int) -> bytes:
    low = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(byte | 0x80 for byte in low[:-1]), low[-1]])


def part(number: int, content: bytes | int, *, beyond: int = 0) -> bytes:
    """A field of a protobuf message.

    Args:
        number: Of the field.
        content: Bytes or a whole number.
        beyond: Added to the field's key, which protobuf cuts to 32 bits.
    """
    key = number << 3 | (0 if isinstance(content, int) else 2)
    if isinstance(content, int):
        return _varint(key + beyond) + _varint(content)
    return _varint(key + beyond) + _varint(len(content)) + content


def with_weights(told: bytes) -> bytes:
    """The graph of the other functions, where the answer's tensor is told by some fields.

    Args:
        told: What `part` gives for the fields 13 (external data) and 14 (location).
    """
    model = onnx.load_from_string(graph(anchor_free(), weights_in="weights.bin"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    told = tensor.SerializeToString() + told
    del model.graph.initializer[0]
    # Two messages of one field are one to protobuf.
    return model.SerializeToString() + part(7, part(5, told))


def breaks_on_light(usual: np.ndarray, broken: np.ndarray) -> bytes:
    """A network with one answer to most pictures, and another to bright ones.

    Args:
        usual: The answer.
        broken: The other one, of any shape.
    """
    answers = {"usual": usual, "broken": broken}
    value = helper.make_tensor_value_info
    branches = {
        name: helper.make_graph(
            [helper.make_node("Identity", [name], [f"{name}_answer"])],
            name,
            [],
            [value(f"{name}_answer", TensorProto.FLOAT, None)],
        )
        for name in answers
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "half"], ["bright"]),
        helper.make_node(
            "If",
            ["bright"],
            ["output0"],
            then_branch=branches["broken"],
            else_branch=branches["usual"],
        ),
    ]
    constants = [
        numpy_helper.from_array(answer[None].astype(np.float32), name)
        for name, answer in answers.items()
    ]
    constants.append(numpy_helper.from_array(np.array(0.6, np.float32), "half"))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [value("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [value("output0", TensorProto.FLOAT, None)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {"names": NAMES})
    return model.SerializeToString()


def finished(outputs: dict[str, object]) -> bytes:
    """An ONNX file that answers the same to every picture with several outputs, taken as they are.

    Args:
        outputs: Values by name; whole numbers stay whole.
    """
    nodes, constants, said = [], [numpy_helper.from_array(np.zeros((), np.float32), "zero")], []
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    nodes.append(helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, values in outputs.items():
        array = np.asarray(values)
        whole = array.dtype.kind == "i"
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        constants.append(numpy_helper.from_array(array.astype(np.float32), f"{name}_"))
        nodes.append(helper.make_node("Add", [f"{name}_", "nothing"], [f"{name}_float"]))
        nodes.append(helper.make_node("Cast", [f"{name}_float"], [name], to=kind))
        said.append(helper.make_tensor_value_info(name, kind, [None] * array.ndim))
    made = helper.make_graph(nodes, "g", [picture], said, constants)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=8, producer_name="the tests")
    return bytes(model.SerializeToString())
