"""What an ONNX file says about itself, read before any runtime opens it.

ONNX is a protobuf message, whose fields are identified by number
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Only a few of them are read here.
ONNX Runtime must not open the file first: if a graph from memory keeps its weights in other files,
the runtime looks for them in the server's working directory and reads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from allcell.errors import ModelError

_EXPORT = "Export the detector as ONNX, for example: yolo export model=best.pt format=onnx"
#: The fields that are followed: message -> number of a field -> message in it. Tensors, whose
#: weights may be in other files, can occur in many places.
_CHILDREN: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 8: "opset", 14: "metadata", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
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
_GRAPH, _EXTERNAL_DATA, _DATA_LOCATION = 7, 13, 14
#: YOLOs have 5,000 to 10,000. A node has at least four, and takes 2 kB of ONNX Runtime's memory, a
#: hundred times its size in the file: this many take at most 0.2 GB and a few seconds.
_MOST_FIELDS = 300_000
#: Deepest nesting of messages: protobuf's own limit.
_DEEPEST = 100
#: Most bytes of a field's number and kind, or of a length, that protobuf reads.
_LONGEST_KEY = 5
_LONGEST_NUMBER = 10
#: Only this many operator sets and metadata entries are kept, the last ones.
_MOST_ENTRIES = 1000
#: Names, versions and metadata are cut to this many characters.
_LONGEST_TEXT = 20_000
#: First bytes of files that are often mistaken for ONNX.
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
    """What an ONNX file says about itself.

    Attributes:
        producer: The program that wrote it, with its version; may be empty.
        opset: Version of the standard operators; None if none is named.
        metadata: Further texts by name, as exporters leave them.
    """

    producer: str
    opset: int | None
    metadata: Mapping[str, str]


class _BrokenError(ValueError):
    """A message that ends too early, or is not protobuf."""


def read_facts(content: bytes) -> OnnxFacts:
    """Read a file without a runtime.

    Args:
        content: Bytes of the file.

    Raises:
        ModelError: If it is not an ONNX file, is cut off, or keeps its weights in other files.
    """
    if found := _other_kind(content):
        raise ModelError(f"This file is not an ONNX network: it is {found}.", _EXPORT)
    try:
        has_graph = _has_graph(content)
    except _BrokenError as error:
        # An ONNX file begins with field 1, the version of its format.
        if content[0] == 0x08 and len(content) > 2:
            raise ModelError(
                f"The ONNX file is cut off after {len(content) / 2**20:.1f} MB.",
                "Download or copy it again.",
            ) from error
        raise ModelError(f"This file is not an ONNX network ({error}).", _EXPORT) from error
    if not has_graph:
        raise ModelError("This file is not an ONNX network: it has no graph.", _EXPORT)
    try:
        facts, external = _look_into(content)
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
    """What a file is, if it is clearly not ONNX; empty if it may be."""
    if not content:
        return "empty"
    for place, first, kind in _OTHERS:
        if content[place : place + len(first)] == first:
            return kind
    try:
        start = content[:512].decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "text" if all(c.isprintable() or c in "\r\n\t" for c in start) else ""


def _varint(data: memoryview, at: int, longest: int = _LONGEST_NUMBER) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * longest, 7):
        if at >= len(data):
            raise _BrokenError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _BrokenError("a number is too long")


class _Reader:
    """Reads the fields of messages, up to a number of them in all."""

    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Number and value of each field of a message.

        What protobuf would read differently, or not at all, is refused: a field must not mean one
        thing here and another to the runtime.
        """
        at, end = 0, len(data)
        value: int | memoryview
        while at < end:
            if self._left == 0:
                raise ModelError(
                    f"The ONNX file consists of more than {_MOST_FIELDS:,} parts, where a detector "
                    "has a few thousand.",
                    "Export the detector alone, with its weights as raw data.",
                )
            self._left -= 1
            key, at = _varint(data, at, _LONGEST_KEY)
            number, kind = key >> 3, key & 7
            # Protobuf cuts a key to 32 bits, and would take it for another field.
            if number == 0 or key >= 2**32:
                raise _BrokenError(f"a field has the number {number}")
            if kind == 0:
                value, at = _varint(data, at)
            elif kind == 2:
                length, at = _varint(data, at, _LONGEST_KEY)
                if length > end - at:
                    raise _BrokenError("it is shorter than it says")
                value = data[at : at + length]
                at += length
            elif kind in (1, 5):
                width = 8 if kind == 1 else 4
                if width > end - at:
                    raise _BrokenError("it ends within a number")
                value = int.from_bytes(data[at : at + width], "little")
                at += width
            else:
                raise _BrokenError(f"a field is of the unknown kind {kind}")
            yield number, value


def _has_graph(content: bytes) -> bool:
    """Whether it has a graph. Reads the outermost message to its end."""
    found = False
    for number, _ in _Reader().fields(memoryview(content)):
        found |= number == _GRAPH
    return found


def _walk(content: bytes) -> Iterator[tuple[str, int, int | memoryview]]:
    """Each field, however deep: the message it is in, its number, its value."""
    reader = _Reader()
    path = [("model", reader.fields(memoryview(content)))]
    while path:
        message, fields = path[-1]
        children = _CHILDREN.get(message, {})
        for number, value in fields:
            yield message, number, value
            if number in children and isinstance(value, memoryview):
                if len(path) == _DEEPEST:
                    raise _BrokenError(f"it is more than {_DEEPEST} messages deep")
                path.append((children[number], reader.fields(value)))
                break
        else:
            path.pop()


def _look_into(content: bytes) -> tuple[OnnxFacts, bool]:
    """What the file says about itself, and whether any tensor names another file."""
    texts: dict[int, str] = {}
    entries: dict[str, deque[dict[int, int | memoryview]]] = {
        "opset": deque(maxlen=_MOST_ENTRIES),
        "metadata": deque(maxlen=_MOST_ENTRIES),
    }
    external = False
    for message, number, value in _walk(content):
        if message == "tensor":
            # Any location but 0 counts: protobuf cuts this number to 32 bits, too.
            external |= number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        elif message == "model":
            if number in (2, 3) and isinstance(value, memoryview):
                texts[number] = _text(value)
            elif (entry := _CHILDREN["model"].get(number, "")) in entries:
                entries[entry].append({})
        elif message in entries and number in (1, 2):
            entries[message][-1][number] = value
    return _facts(texts, entries["opset"], entries["metadata"]), external


def _facts(
    texts: Mapping[int, str],
    opsets: deque[dict[int, int | memoryview]],
    pairs: deque[dict[int, int | memoryview]],
) -> OnnxFacts:
    versions = [
        version
        for said in opsets
        if said.get(1, b"") in (b"", b"ai.onnx") and isinstance(version := said.get(2), int)
    ]
    metadata = {_text(pair.get(1)): _text(pair.get(2)) for pair in pairs}
    producer = f"{texts.get(2, '')} {texts.get(3, '')}".strip()[:60]
    return OnnxFacts(producer, versions[-1] if versions else None, metadata)


def _text(value: int | memoryview | None) -> str:
    if not isinstance(value, memoryview):
        return ""
    return bytes(value[:_LONGEST_TEXT]).decode("utf-8", "replace")
