"""What an ONNX file says of itself, read before any runtime opens it.

ONNX is a protobuf message, whose fields go by number
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Only a few of them are read here.
A runtime is shown the file only afterwards: ONNX Runtime, given a graph from memory, would read the
weights that the graph names in other files from the server's working directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from allcell.errors import ModelError

_EXPORT = "Export the detector as ONNX, for example: yolo export model=best.pt format=onnx"
#: Where tensors can hide: message -> number of a field -> message in it.
_CHILDREN: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 25: "function"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "function": {7: "node", 11: "attribute"},
        "node": {5: "attribute"},
        "attribute": {
            **{5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
            **{22: "sparse", 23: "sparse"},
        },
        "sparse": {1: "tensor", 2: "tensor"},
    }
)
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
#: Names, versions and metadata are cut to this many characters.
_LONGEST_TEXT = 20_000
#: First bytes of what is often mistaken for an ONNX file.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive, as PyTorch's .pt files are"),
    (0, b"\x80", "a Python pickle, as old .pt files are"),
    (4, b"TFL3", "a TensorFlow Lite file"),
    (4, b"ORTM", "in ONNX Runtime's own format"),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes them"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (0, b"<", "a web page or XML"),
)


@dataclass(frozen=True)
class OnnxFacts:
    """What an ONNX file says of itself.

    Attributes:
        producer: The program that wrote it, with its version; may be empty.
        opset: Version of the standard operators; None if none is named.
        metadata: Further texts by name, as exporters leave them.
    """

    producer: str
    opset: int | None
    metadata: Mapping[str, str]


class _BrokenError(ValueError):
    """A message that ends too early or is none."""


def read_facts(content: bytes) -> OnnxFacts:
    """Read a file without opening it in a runtime.

    Args:
        content: Of the file.

    Raises:
        ModelError: If it is no ONNX file, is cut off, or keeps its weights in other files.
    """
    if found := _other_kind(content):
        raise ModelError(f"This file is not an ONNX network: it is {found}.", _EXPORT)
    top: list[tuple[int, int | memoryview]] = []
    try:
        top.extend(_fields(memoryview(content)))
    except _BrokenError as error:
        # Each ONNX file begins with the version of its format, a small number.
        if content[0] == 0x08 and len(content) > 2:
            raise ModelError(
                f"The ONNX file is cut off after {len(content) / 2**20:.1f} MB.",
                "Download or copy it again.",
            ) from error
        raise ModelError(f"This file is not an ONNX network ({error}).", _EXPORT) from error
    if not any(number == 7 for number, _ in top):
        raise ModelError("This file is not an ONNX network: no graph is in it.", _EXPORT)
    try:
        external = _keeps_weights_elsewhere(content)
        facts = _facts(top)
    except _BrokenError as error:
        raise ModelError(
            f"The ONNX file is damaged ({error}).", "Download or copy it again."
        ) from error
    if external:
        raise ModelError(
            "The ONNX file keeps its weights in other files, which are not opened.",
            "Export it as one file (external_data=False in torch.onnx.export), or join them: "
            "onnx.save(onnx.load('model.onnx'), 'whole.onnx').",
        )
    return facts


def _other_kind(content: bytes) -> str:
    """What a file is that is no ONNX file; empty if it may be one."""
    if not content:
        return "empty"
    for place, first, kind in _OTHERS:
        if content[place : place + len(first)] == first:
            return kind
    try:
        start = content[:512].decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "text" if all(sign.isprintable() or sign in "\r\n\t" for sign in start) else ""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _BrokenError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _BrokenError("a number is too long")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message; fixed-width numbers are passed over."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise _BrokenError("a field has the number 0")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(data, at)
            if length > len(data) - at:
                raise _BrokenError("it is shorter than it says")
            yield number, data[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
            if at > len(data):
                raise _BrokenError("it ends within a number")
        else:
            raise _BrokenError(f"a field is of the unknown kind {kind}")


def _keeps_weights_elsewhere(content: bytes) -> bool:
    """Whether any tensor, however deep, names another file."""
    waiting = [("model", memoryview(content))]
    while waiting:
        message, data = waiting.pop()
        children = _CHILDREN.get(message, {})
        for number, value in _fields(data):
            if message == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1):
                    return True
            elif number in children and isinstance(value, memoryview):
                waiting.append((children[number], value))
    return False


def _facts(top: list[tuple[int, int | memoryview]]) -> OnnxFacts:
    producer = version = ""
    opset: int | None = None
    metadata: dict[str, str] = {}
    for number, value in top:
        if not isinstance(value, memoryview):
            continue
        if number == 2:
            producer = _text(value)
        elif number == 3:
            version = _text(value)
        elif number == 8:
            named = dict(_fields(value))
            if named.get(1, b"") in (b"", b"ai.onnx"):
                found = named.get(2)
                opset = found if isinstance(found, int) else opset
        elif number == 14:
            pair = {n: _text(v) for n, v in _fields(value) if isinstance(v, memoryview)}
            metadata[pair.get(1, "")] = pair.get(2, "")
    return OnnxFacts(f"{producer} {version}".strip()[:60], opset, metadata)


def _text(value: memoryview) -> str:
    return bytes(value[:_LONGEST_TEXT]).decode("utf-8", "replace")
