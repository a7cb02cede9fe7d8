"""What the user says about an untrusted network, checked against its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.detector import Detector
from allcell.engines.base import Engine
from allcell.engines.decode import decode
from allcell.errors import ModelError
from allcell.imaging.preprocess import PADDING
from allcell.models.registry import CLASSES, ModelSpec, OutputLayout
from allcell.settings import settings
from allcell.untrusted.answer import (
    Fit,
    answer,
    are_centred,
    are_fractions,
    as_corners,
    check_extent,
    check_scores,
    check_values,
    fits,
    in_pixels,
)
from allcell.untrusted.on_picture import check_on_picture

#: Larger numbers cannot be coordinates, and overflow to infinity in arithmetic.
_LARGEST = 1e30
#: How many numbers of a box precede the scores of its classes, by layout.
_BEFORE_CLASSES: dict[OutputLayout, int] = {"anchor_based": 5, "anchor_free": 4}


@dataclass(frozen=True)
class Claims:
    """What the user says about a network.

    Attributes:
        name: What a command or an export calls it.
        classes: For each class of the network, in its order: `blast`, `healthy`, `smudge`, or None
            to leave it out. Several may map to the same.
        layout: How its output is laid out; None to tell it from the output.
        confidence: Threshold to begin with, 0 to 1.
        title: Its name as shown to people; `name` if empty.
    """

    name: str
    classes: tuple[str | None, ...]
    layout: OutputLayout | None = None
    confidence: float = 0.25
    title: str = ""


class _MappedEngine:
    """A network whose classes are mapped to allcell's.

    Where several classes map to one of ours, the highest of their scores counts. A box that scores
    highest in a left-out class is left out, too.
    """

    def __init__(
        self,
        engine: Engine,
        fit: Fit,
        ours: Sequence[str],
        theirs: Sequence[str | None],
        *,
        fractions: bool | None,
    ) -> None:
        layout = fit.layout
        # None: the network found nothing when it was tried, so each answer must tell.
        self._fractions = fractions
        self._engine, self._layout = engine, layout
        self._turned, self._centred = fit.turned, fit.centred
        self._width = 6 if layout == "end_to_end" else _BEFORE_CLASSES[layout] + len(theirs)
        self._columns = [[i for i, name in enumerate(theirs) if name == mine] for mine in ours]
        self._left_out = [i for i, name in enumerate(theirs) if name is None]
        self._target = np.array([ours.index(n) if n is not None else -1 for n in theirs], np.int64)

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return self._engine.description

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`; with a time limit.

        Raises:
            ModelError: If it takes too long, or this picture's answer is not a detector's: what
                was checked on one picture need not hold on another.
            RunInterrupted: If somebody interrupted it.
        """
        height, width = image.shape[:2]
        mapped = self.mapped(answer(self._engine, image), (width, height))
        if self._layout == "end_to_end" and len(mapped):
            check_on_picture(mapped, (width, height), (image == PADDING).all(axis=2))
        return mapped

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        return self._engine.interrupt()

    def mapped(self, output: FloatArray, input_px: tuple[int, int]) -> FloatArray:
        """The output with our classes in place of the network's, boxes in pixels of its input.

        Args:
            output: What the network answers.
            input_px: Width and height of the picture that it answers to.

        Raises:
            ModelError: If its shape is wrong, a number is not finite, a box is of a class that was
                not named, or ends before it begins.
        """
        output = output.T if self._turned and output.ndim == 2 else output
        self._check_shape(output)
        output = as_corners(output) if self._centred else output
        self._check_extent(output)
        check_scores(output, self._layout)
        fractions = self._fractions
        if fractions is None:
            fractions = are_fractions(output, self._layout, input_px)
        if fractions:
            output = in_pixels(output, self._layout, input_px)
        if self._layout == "end_to_end":
            highest = int(output[:, 5].max(initial=0))
            if highest >= len(self._target):
                raise ModelError(
                    f"The network answered with class {highest}, but {len(self._target)} are "
                    f"named, 0 to {len(self._target) - 1}.",
                    "Say how many classes it has, and what each is.",
                )
            known = output[output[:, 5] >= 0]  # some pad their output with boxes of class -1
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
        merged = np.concatenate([rows[:head], scores])
        return np.ascontiguousarray(merged if self._layout == "anchor_free" else merged.T)

    def _check_shape(self, output: FloatArray) -> None:
        free = self._layout == "anchor_free"
        if output.ndim != 2 or output.shape[0 if free else 1] != self._width:
            expected = f"({self._width}, n)" if free else f"(n, {self._width})"
            raise ModelError(
                f"The network answered with shape {output.shape}, expected {expected}.",
                "Export the detector alone, without further steps.",
            )
        # NaN compares as False, so it is refused, too.
        if not np.abs(output).max(initial=0) <= _LARGEST:
            raise ModelError(
                "The network answered with numbers that are infinite or NaN.",
                "Export it again, in full precision.",
            )

    def _check_extent(self, output: FloatArray) -> None:
        rows = output.T if self._layout == "anchor_free" else output
        scores = rows[:, 4:5] if self._layout == "end_to_end" else rows[:, 4:]
        check_extent(rows[:, :4], scores, self._layout)


def detector_for(
    network: Engine, output: FloatArray, input_px: tuple[int, int], claims: Claims
) -> Detector:
    """Check what the user says about a network against one of its answers, and make a detector.

    Args:
        network: The network.
        output: Its answer (rows, columns) to some picture.
        input_px: Width and height of that picture; the detector fits every picture into it.
        claims: What the user says.

    Raises:
        ModelError: If the two do not fit: the message says what was found.
    """
    ours = tuple(name for name in CLASSES if name in claims.classes)
    wrong = [name for name in claims.classes if name not in (None, *CLASSES)]
    if wrong or not ours:
        raise ModelError(
            f"No class of the network is one of {', '.join(CLASSES)}."
            if not wrong
            else f"Classes that allcell does not know: {', '.join(map(str, wrong))}.",
            f"Say for each class of the network, in its order, which of {', '.join(CLASSES)} it "
            "is, or that it is to be left out.",
        )
    fit, fractions = _fit(output, input_px, len(claims.classes), claims.layout)
    layout = fit.layout
    engine = _MappedEngine(network, fit, ours, claims.classes, fractions=fractions)
    decode(engine.mapped(output, input_px), layout, len(ours), 0.0)
    spec = ModelSpec(
        name=claims.name,
        title=claims.title or claims.name,
        summary="A network of yours, not measured by us.",
        output=layout,
        classes=ours,
        fixed_input_px=input_px,
        default_long_side_px=max(input_px),
        max_input_px=max(input_px),
        confidence=claims.confidence,
    )
    return Detector(spec, engine, floor_confidence=settings().floor_confidence)


def detector_as(
    network: Engine, output: FloatArray, input_px: tuple[int, int], spec: ModelSpec
) -> Detector:
    """Check a network against what another allcell says of it, and make a detector.

    Args:
        network: The network; takes inputs of any size.
        output: Its answer (rows, columns) to some picture.
        input_px: Width and height of that picture.
        spec: What is said of it; pictures are brought to its scale and stain.

    Raises:
        ModelError: If the two do not fit.
    """
    fit, fractions = _fit(output, input_px, len(spec.classes), spec.output)
    engine = _MappedEngine(network, fit, spec.classes, spec.classes, fractions=fractions)
    decode(engine.mapped(output, input_px), fit.layout, len(spec.classes), 0.0)
    return Detector(spec, engine, floor_confidence=settings().floor_confidence)


def _fit(
    output: FloatArray,
    input_px: tuple[int, int],
    classes: int,
    wanted: OutputLayout | None,
) -> tuple[Fit, bool | None]:
    """The way to read an answer that its shape and its values fit, if it is of the wanted layout.

    Returns:
        That way, and whether its boxes are fractions (see `are_fractions`).
    """
    found = fits(output.shape, input_px)
    refused: list[ModelError] = []
    for fit in found:
        if fit.classes in (None, classes) and wanted in (None, fit.layout):
            try:
                return _check_as(fit, output, input_px)
            except ModelError as error:
                refused.append(error)
    if refused:
        raise refused[0]
    said = f" of the layout {wanted}" if wanted else ""
    rooms = " or ".join(
        f"{'any number' if fit.classes is None else fit.classes} ({fit.layout})" for fit in found
    )
    raise ModelError(
        f"The network answers with shape {output.shape}, which fits no detector{said} with "
        f"{classes} class{'' if classes == 1 else 'es'}: "
        + (f"it has room for {rooms}." if rooms else "it is not a detector's."),
        "Check the number of classes and the layout, and export the detector without further "
        "steps.",
    )


def likeliest_first(
    found: Sequence[Fit], output: FloatArray, input_px: tuple[int, int]
) -> tuple[Fit, ...]:
    """Ways to read an answer in their order, but those that its values do not fit last.

    Args:
        found: Ways that fit its shape.
        output: The answer.
        input_px: Width and height of the picture that it answers to.
    """

    def is_refused(fit: Fit) -> bool:
        try:
            _check_as(fit, output, input_px)
        except ModelError:
            return True
        return False

    return tuple(sorted(found, key=is_refused))


def _check_as(fit: Fit, output: FloatArray, input_px: tuple[int, int]) -> tuple[Fit, bool | None]:
    """Check an answer that is read in one way; returns what `_fit` does."""
    read = output.T if fit.turned else output
    fractions = are_fractions(read, fit.layout, input_px)
    pixels = in_pixels(read, fit.layout, input_px) if fractions else read
    if fit.layout == "end_to_end" and are_centred(pixels, input_px):
        fit, pixels = replace(fit, centred=True), as_corners(pixels)
    check_values(pixels, fit.layout, input_px)
    return fit, fractions
