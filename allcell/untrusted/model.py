"""Somebody else's detector: an ONNX file, checked against what is said of it before it is used.

Never a pickle. The file is read from memory; one that keeps its weights in other files, or needs
operators of its own, is refused.
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
from allcell.errors import ModelError
from allcell.models.registry import CLASSES, ModelSpec, OutputLayout
from allcell.settings import settings
from allcell.untrusted.answer import answer, check_values, fits
from allcell.untrusted.file import Opened, open_file

#: Candidates beyond the best of so many are dropped. A network that is sure of everything would
#: otherwise take minutes and gigabytes to be relieved of its overlaps.
_MOST_CANDIDATES = 3000
#: Larger numbers are no boxes, and turn infinite when they are reckoned with.
_LARGEST = 1e30
#: Boxes start with this many numbers in each layout, before the classes.
_BEFORE_CLASSES: dict[OutputLayout, int] = {"anchor_based": 5, "anchor_free": 4}


@dataclass(frozen=True)
class UntrustedModel:
    """What is said of a file.

    Attributes:
        name: What a command or an export calls it.
        classes: One for each class of the network, in its order: `blast`, `healthy`, `smudge`, or
            None for what shall be left out. Two may become the same.
        layout: How its output is laid out; None to tell it from the output.
        input_px: Width and height of its input; None for what the file says, or 640 x 640 if it
            takes any.
        confidence: Threshold to begin with, 0 to 1.
        title: What a person reads; the name if empty.
    """

    name: str
    classes: tuple[str | None, ...]
    layout: OutputLayout | None = None
    input_px: tuple[int, int] | None = None
    confidence: float = 0.25
    title: str = ""


class _MappedEngine:
    """A network whose classes are those of allcell: the likeliest of several stands for them.

    A box that is likelier of a class that is left out is left out with it.
    """

    def __init__(
        self,
        engine: Engine,
        layout: OutputLayout,
        ours: Sequence[str],
        theirs: Sequence[str | None],
    ) -> None:
        self._engine, self._layout = engine, layout
        self._width = 6 if layout == "end_to_end" else _BEFORE_CLASSES[layout] + len(theirs)
        self._columns = [[i for i, name in enumerate(theirs) if name == mine] for mine in ours]
        self._left_out = [i for i, name in enumerate(theirs) if name is None]
        self._target = np.array([ours.index(n) if n is not None else -1 for n in theirs], np.int64)

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return self._engine.description

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`; ends after some time, whatever is in the graph.

        Raises:
            ModelError: If this picture's answer is none of a detector: what was checked once on
                another picture need not hold.
            RunInterrupted: If somebody interrupted it.
        """
        return self.mapped(answer(self._engine, image))

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        return self._engine.interrupt()

    def mapped(self, output: FloatArray) -> FloatArray:
        """The output with our classes in the place of theirs.

        Raises:
            ModelError: If it has another shape than it should, a number is not finite, or a box is
                of a class that nobody named.
        """
        self._check(output)
        if self._layout == "end_to_end":
            highest = int(output[:, 5].max(initial=0))
            if highest >= len(self._target):
                raise ModelError(
                    f"The network answered with class {highest}, but {len(self._target)} are "
                    f"named, 0 to {len(self._target) - 1}.",
                    "Say how many classes it has, and what each is.",
                )
            known = output[output[:, 5] >= 0]  # some fill up with boxes of class -1
            target = self._target[known[:, 5].astype(np.int64)]
            known = known[target >= 0].copy()
            known[:, 5] = target[target >= 0]
            return known
        rows = output if self._layout == "anchor_free" else output.T
        head = _BEFORE_CLASSES[self._layout]
        scores = np.stack([rows[[head + c for c in cs]].max(axis=0) for cs in self._columns])
        if self._left_out:
            others = rows[[head + c for c in self._left_out]].max(axis=0)
            scores[:, others > scores.max(axis=0)] = 0
        if rows.shape[1] > _MOST_CANDIDATES:
            best = scores.max(axis=0) * (rows[4] if head == 5 else 1)
            kept = np.sort(np.argpartition(-best, _MOST_CANDIDATES)[:_MOST_CANDIDATES])
            rows, scores = rows[:, kept], scores[:, kept]
        merged = np.concatenate([rows[:head], scores])
        return np.ascontiguousarray(merged if self._layout == "anchor_free" else merged.T)

    def _check(self, output: FloatArray) -> None:
        free = self._layout == "anchor_free"
        if output.ndim != 2 or output.shape[0 if free else 1] != self._width:
            expected = f"({self._width}, n)" if free else f"(n, {self._width})"
            raise ModelError(
                f"The network answered with shape {output.shape}, expected {expected}.",
                "Export the detector alone, without further steps.",
            )
        # Not a number is not below anything.
        if not np.abs(output).max(initial=0) <= _LARGEST:
            raise ModelError(
                "The network answered with numbers that are infinite or none at all.",
                "Export it again, in full precision.",
            )


def open_untrusted(content: bytes, model: UntrustedModel, *, threads: int = 0) -> Detector:
    """Check a file against what is said of it, and make it ready.

    Args:
        content: Of the ONNX file.
        model: What is said of it.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If it is no ONNX file, or does not fit: the message says what was found.
    """
    return ready(open_file(content, input_px=model.input_px, threads=threads), model)


def ready(opened: Opened, model: UntrustedModel) -> Detector:
    """Check a file that is open against what is said of it, and make it ready.

    Args:
        opened: The file, run at the input size that is said.
        model: What is said of it.

    Raises:
        ModelError: If it does not fit: the message says what was found.
    """
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
    layout = _layout(opened.output.shape, opened.input_px, len(model.classes), model.layout)
    check_values(opened.output, layout, opened.input_px)
    engine = _MappedEngine(opened.engine, layout, ours, model.classes)
    decode(engine.mapped(opened.output), layout, len(ours), 0.0)
    spec = ModelSpec(
        name=model.name,
        title=model.title or model.name,
        summary="A network of yours, not measured by us.",
        output=layout,
        classes=ours,
        fixed_input_px=opened.input_px,
        default_long_side_px=max(opened.input_px),
        max_input_px=max(opened.input_px),
        confidence=model.confidence,
    )
    limits = settings()
    return Detector(
        spec,
        engine,
        floor_confidence=limits.floor_confidence,
        max_detections=limits.max_detections,
    )


def _layout(
    shape: tuple[int, ...],
    input_px: tuple[int, int],
    classes: int,
    wanted: OutputLayout | None,
) -> OutputLayout:
    """The layout that the output's shape fits, if it is the wanted one."""
    found = fits(shape, input_px)
    for fit in found:
        if fit.classes in (None, classes) and wanted in (None, fit.layout):
            return fit.layout
    said = f" of the layout {wanted}" if wanted else ""
    rooms = " or ".join(
        f"{'any number' if fit.classes is None else fit.classes} ({fit.layout})" for fit in found
    )
    raise ModelError(
        f"The network answers with shape {shape}, which fits no detector{said} with {classes} "
        f"class{'' if classes == 1 else 'es'}: "
        + (f"it has room for {rooms}." if rooms else "it is none of a detector's."),
        "Check the number of classes and the layout, and export the detector without further "
        "steps.",
    )
