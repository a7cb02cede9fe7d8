"""The way in for untrusted networks: what a file takes and answers, and detectors made of it.

The file is read from memory. One that keeps its weights in other files, or needs operators that
ONNX Runtime does not have, is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from allcell.detector import Detector
from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import ModelError
from allcell.models.registry import ModelSpec
from allcell.untrusted.answer import Fit, fits, is_mute
from allcell.untrusted.claims import Claims, detector_as, detector_for, likeliest_first
from allcell.untrusted.metadata import class_names
from allcell.untrusted.onnx_file import OnnxFacts
from allcell.untrusted.session import (
    MAX_BYTES,
    MAX_INPUT_PX,
    MIN_INPUT_PX,
    Opened,
    answer_to_noise,
    check_file,
    open_here,
    run_at,
)
from allcell.untrusted.trial import try_apart

__all__ = ["MAX_BYTES", "MAX_INPUT_PX", "MIN_INPUT_PX", "Claims", "Fit", "UntrustedNetwork"]

#: Nothing in a file tells what it expects: one that is given a 255th of it finds nothing.
_GIVEN = (
    "It is given RGB from 0 to 1, as YOLOv5 to YOLO11 take it. YOLOX takes BGR from 0 to 255, and "
    "would find little or nothing: build both into the network before you export it."
)


@dataclass(eq=False)
class UntrustedNetwork:
    """An untrusted file, tried at one input size. Made by `open`; safe to share between threads.

    It holds the one ONNX Runtime session that all of its detectors run, until `close`.

    Attributes:
        content: Bytes of the file.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.
        sha256: SHA-256 of the file, hexadecimal.
        facts: What the file says about itself.
        input_px: Width and height it was tried with.
        fixed: Whether it takes no other size.
        output_shape: Shape of its answer to one picture.
        fits: Ways to read that answer, the likeliest first; at least one.
        names: Its classes as the file names them, in their order; empty if the names do not fit
            the answer, or there are none.
        remark: What is odd about it, in sentences; may be empty.
        run_ms: How long one picture took on this computer, in milliseconds.
    """

    content: bytes = field(repr=False)
    threads: int
    sha256: str
    facts: OnnxFacts = field(repr=False)
    input_px: tuple[int, int]
    fixed: bool
    output_shape: tuple[int, ...]
    fits: tuple[Fit, ...]
    names: tuple[str, ...]
    remark: str
    run_ms: float
    _engine: OnnxEngine | None = field(repr=False)

    @classmethod
    def open(
        cls, content: bytes, *, input_px: tuple[int, int] | None = None, threads: int = 0
    ) -> UntrustedNetwork:
        """Inspect a file, try it in a child process, then open it here and run it.

        A file that passed its trial at this size before is not tried again.

        Args:
            content: Bytes of the ONNX file.
            input_px: Width and height of its input; if None, what the file says, or 640 x 640.
            threads: CPU threads; 0 leaves ONNX Runtime's choice.

        Raises:
            ModelError: If it is not an ONNX file, or not a detector that can be read: the message
                says what was found.
        """
        facts = check_file(content)
        try_apart(content, input_px, threads)
        return cls._of(content, threads, facts, open_here(content, facts, input_px, threads))

    @classmethod
    def _of(
        cls, content: bytes, threads: int, facts: OnnxFacts, opened: Opened
    ) -> UntrustedNetwork:
        shape = opened.output.shape
        found = fits(shape, opened.input_px)
        if not found:
            raise ModelError(
                f"The network answers with shape {shape}, which is not a detector's: expected "
                "(4 + classes, n), (n, 4 + classes), (n, 5 + classes) or (n, 6).",
                "Export the detector alone, without further steps.",
            )
        found = likeliest_first(found, opened.output, opened.input_px)
        named = class_names(facts)
        matching = [fit for fit in found if named and fit.classes in (None, len(named))]
        remark = ""
        if named and not matching:
            room = " or ".join(dict.fromkeys(str(fit.classes) for fit in found))
            remark = (
                f"The file names {len(named)} classes, but its output has room for {room}. It may "
                "be more than a detector, with masks or key points for example."
            )
        elif not named and (turned := next((fit for fit in found if fit.turned), None)):
            other = next((fit for fit in found if fit.layout == "anchor_based"), None)
            remark = (
                f"The file does not name its classes. It has {turned.classes} if its boxes have no "
                "score of their own, as in YOLOv8 and later"
                + (f"; it has {other.classes} if they do, as in YOLOv5." if other else ".")
                + (f" {_GIVEN}" if other else "")
            )
        if is_mute(opened.output, (*matching, *found)[0]):
            mute = (
                "All its scores for a picture of noise are exactly 0, so it may find nothing at "
                "all. That is so if boxes and scores were quantised to 8 bits together: leave the "
                "last layers of the network in floats."
            )
            remark = f"{remark} {mute}".strip()
        return cls(
            content,
            threads,
            hashlib.sha256(content).hexdigest(),
            facts,
            opened.input_px,
            opened.engine.fixed_size is not None,
            shape,
            (*matching, *(fit for fit in found if fit not in matching)),
            named if matching else (),
            remark,
            opened.run_ms,
            opened.engine,
        )

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return len(self.content)

    def at(self, input_px: tuple[int, int]) -> UntrustedNetwork:
        """The same file at another input size, which takes another trial and another session.

        Args:
            input_px: Width and height.

        Returns:
            Itself if that is its size.

        Raises:
            ModelError: If it does not take that size, or cannot be used at it.
        """
        if input_px == self.input_px:
            return self
        try_apart(self.content, input_px, self.threads)
        opened = run_at(self._opened().twin(*input_px), self.facts, input_px)
        return self._of(self.content, self.threads, self.facts, opened)

    def detector(self, claims: Claims) -> Detector:
        """Check what the user says about it against what it answers, and make a detector.

        Detectors of one network share its session but have locks of their own: ONNX Runtime runs
        a session for several threads at a time, so live video and a page do not wait for each
        other, and the weights are in memory once.

        Args:
            claims: What the user says about it.

        Raises:
            ModelError: If that does not fit: the message says what was found.
        """
        engine = self._opened().twin(*self.input_px)
        # Asked again, not kept: the answer of a network may be large.
        answer = answer_to_noise(engine, self.input_px)
        detector = detector_for(engine, answer, self.input_px, claims)
        detector.weights_sha256 = self.sha256
        return detector

    def detector_as(self, spec: ModelSpec) -> Detector:
        """A detector that sees pictures as a model of ours does, at the scale of their red cells.

        Args:
            spec: What another allcell says of the file.

        Raises:
            ModelError: If the file takes one size only, or answers like another network.
        """
        if self.fixed:
            width, height = self.input_px
            raise ModelError(
                f"The file takes {width}x{height} pixels only; our models take any size.",
                "Add it on the Compare page as a model of another kind.",
            )
        engine = self._opened().twin(*self.input_px)
        detector = detector_as(engine, answer_to_noise(engine, self.input_px), self.input_px, spec)
        detector.weights_sha256 = self.sha256
        return detector

    def close(self) -> None:
        """Release the session; the next detector opens another. Detectors keep theirs."""
        self._engine = None

    def _opened(self) -> OnnxEngine:
        engine = self._engine
        if engine is None:
            try_apart(self.content, self.input_px, self.threads)
            opened = open_here(self.content, self.facts, self.input_px, self.threads)
            engine = self._engine = opened.engine
        return engine
