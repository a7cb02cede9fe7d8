"""Somebody else's detector: an ONNX file, checked against what is said of it before it is used.

Never a pickle. The file is read from memory; a graph that keeps its weights in other files, or
needs operators of its own, is refused by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.detector import Detector
from allcell.engines.base import Engine
from allcell.engines.decode import decode
from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import ModelError
from allcell.models.registry import CLASSES, ModelSpec, OutputLayout
from allcell.settings import settings

#: Larger files are refused.
MAX_BYTES = 512 * 2**20
#: Boxes start with this many numbers in each layout, before the classes.
_BEFORE_CLASSES: dict[OutputLayout, int] = {"anchor_based": 5, "anchor_free": 4}

LAYOUTS: tuple[OutputLayout, ...] = ("anchor_free", "anchor_based", "end_to_end")


@dataclass(frozen=True)
class ForeignModel:
    """What is said of a file.

    Attributes:
        name: What it shall be called.
        classes: One for each class of the network, in its order: `blast`, `healthy`, `smudge`, or
            None for what shall be left out. Two may become the same.
        layout: How its output is laid out; None to tell it from the output.
        input_px: Width and height of its input; None for what the file says, or 640 x 640 if it
            takes any.
        confidence: Threshold to begin with, 0 to 1.
    """

    name: str
    classes: tuple[str | None, ...]
    layout: OutputLayout | None = None
    input_px: tuple[int, int] | None = None
    confidence: float = 0.25


class _MappedEngine:
    """A network whose classes are those of allcell: the likeliest of several stands for them."""

    def __init__(
        self,
        engine: Engine,
        layout: OutputLayout,
        ours: Sequence[str],
        theirs: Sequence[str | None],
    ) -> None:
        self._engine, self._layout = engine, layout
        self._columns = [[i for i, name in enumerate(theirs) if name == mine] for mine in ours]
        self._target = np.array([ours.index(n) if n is not None else -1 for n in theirs], np.int64)

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return self._engine.description

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`."""
        return self.mapped(self._engine.run(image))

    def interrupt(self) -> None:
        """See `Engine.interrupt`."""
        self._engine.interrupt()

    def mapped(self, output: FloatArray) -> FloatArray:
        """The output with our classes in the place of theirs."""
        if self._layout == "end_to_end":
            known = output[(output[:, 5] >= 0) & (output[:, 5] < len(self._target))]
            target = self._target[known[:, 5].astype(np.int64)]
            known = known[target >= 0].copy()
            known[:, 5] = target[target >= 0]
            return known
        rows = output if self._layout == "anchor_free" else output.T
        head = _BEFORE_CLASSES[self._layout]
        scores = [rows[[head + c for c in columns]].max(axis=0) for columns in self._columns]
        merged = np.concatenate([rows[:head], np.stack(scores)])
        return np.ascontiguousarray(merged if self._layout == "anchor_free" else merged.T)


def open_foreign(content: bytes, model: ForeignModel, *, threads: int = 0) -> Detector:
    """Check a file against what is said of it, and make it ready.

    Args:
        content: Of the ONNX file.
        model: What is said of it.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If it is no ONNX file, or does not fit: the message says what was found.
    """
    if len(content) > MAX_BYTES:
        raise ModelError(
            f"The file is larger than {MAX_BYTES // 2**20} MB.", "Use a smaller network."
        )
    ours = tuple(name for name in CLASSES if name in model.classes)
    wrong = [name for name in model.classes if name is not None and name not in CLASSES]
    if wrong or not ours:
        raise ModelError(
            f"No class of the network is one of {', '.join(CLASSES)}."
            if not wrong
            else f"Classes that allcell does not know: {', '.join(map(str, wrong))}.",
            f"Say for each class of the network, in its order, which of {', '.join(CLASSES)} it "
            "is, or that it shall be left out.",
        )
    engine = OnnxEngine(content, threads=threads, note=model.name)
    width, height = _input_size(engine, model.input_px)
    output = engine.run(np.full((height, width, 3), 114, np.uint8))
    layout = _layout(output, len(model.classes), model.layout)
    decode(output, layout, len(model.classes), 0.0)  # refuses classes that nobody named
    spec = ModelSpec(
        name=model.name,
        title=model.name,
        summary="A network of yours.",
        output=layout,
        classes=ours,
        fixed_input_px=(width, height),
        default_long_side_px=max(width, height),
        confidence=model.confidence,
    )
    limits = settings()
    return Detector(
        spec,
        _MappedEngine(engine, layout, ours, model.classes),
        floor_confidence=limits.floor_confidence,
        max_detections=limits.max_detections,
    )


def _input_size(engine: OnnxEngine, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height of the input."""
    if engine.fixed_size is None:
        return wanted or (640, 640)
    height, width = engine.fixed_size
    if wanted not in (None, (width, height)):
        raise ModelError(
            f"The file takes {width}x{height} pixels only.", "Enter this size, or none at all."
        )
    return width, height


def _layout(output: FloatArray, classes: int, wanted: OutputLayout | None) -> OutputLayout:
    """The layout that the output's shape fits, if it is the wanted one."""
    shape = output.shape
    fits: list[OutputLayout] = []
    if len(shape) == 2:
        if shape[0] == 4 + classes:
            fits.append("anchor_free")
        # NMS-free networks answer with a few hundred boxes, anchors are thousands.
        if shape[1] == 6 and (classes != 1 or shape[0] <= 1000):
            fits.append("end_to_end")
        elif shape[1] == 5 + classes:
            fits.append("anchor_based")
    if wanted is None and fits:
        return fits[0]
    if wanted in fits:
        return wanted
    said = f" of the layout {wanted}" if wanted else ""
    raise ModelError(
        f"The network answers with shape {shape}, which fits no detector{said} with {classes} "
        f"class{'' if classes == 1 else 'es'}: expected ({4 + classes}, n), (n, {5 + classes}) or "
        "(n, 6).",
        "Check the number of classes, and export the detector without further steps.",
    )
