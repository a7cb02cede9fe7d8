"""Somebody else's ONNX file, looked into: what it takes, what it answers, what that may mean."""

from __future__ import annotations

import ast
import hashlib
import re
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.engines.onnx_engine import OnnxEngine, Signature
from allcell.engines.onnx_file import OnnxFacts, read_facts
from allcell.errors import ModelError
from allcell.untrusted.answer import Fit, answer, fits
from allcell.untrusted.trial import try_apart

#: Larger files are refused.
MAX_BYTES = 300 * 2**20
#: A network that takes any size is tried at this one, if its file names none.
USUAL_INPUT_PX = (640, 640)
#: Longest input side: a larger picture would take minutes on a CPU.
MAX_INPUT_PX = 2048
#: Shortest side that a file of any size is tried with: the stride of usual networks.
MIN_INPUT_PX = 32
_LONGEST_NAME = 60


@dataclass(frozen=True)
class UntrustedFile:
    """What a file is found to be.

    Attributes:
        size_bytes: Of the file.
        sha256: Of the file, hexadecimal.
        facts: What it says of itself.
        input_px: Width and height it was tried with.
        fixed: Whether it takes no other size.
        output_shape: What it answers for one picture.
        fits: Ways to read that, the likeliest first; at least one.
        names: Its classes by the file's own words, in their order; empty if it has none that fit.
        remark: What is odd about it, in a sentence; may be empty.
        run_ms: What one picture takes here.
    """

    size_bytes: int
    sha256: str
    facts: OnnxFacts
    input_px: tuple[int, int]
    fixed: bool
    output_shape: tuple[int, ...]
    fits: tuple[Fit, ...]
    names: tuple[str, ...]
    remark: str
    run_ms: float


@dataclass(frozen=True, eq=False)
class Opened:
    """A file that a runtime has opened and run once.

    Attributes:
        engine: The network.
        facts: What the file says of itself.
        input_px: Width and height it was run with.
        output: Its answer (rows, columns) to noise.
        run_ms: What a picture takes here.
    """

    engine: OnnxEngine
    facts: OnnxFacts
    input_px: tuple[int, int]
    output: FloatArray
    run_ms: float


def inspect(content: bytes, *, threads: int = 0) -> UntrustedFile:
    """Open a file, run it, and say what it can be used as.

    Args:
        content: Of the ONNX file.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If it is no ONNX file, or no detector that can be read.
    """
    return describe(content, open_file(content, threads=threads))


def describe(content: bytes, opened: Opened) -> UntrustedFile:
    """Say what a file that is open can be used as.

    Args:
        content: Of the ONNX file.
        opened: The same, by `open_file`.

    Raises:
        ModelError: If it is no detector that can be read.
    """
    shape = opened.output.shape
    found = fits(shape, opened.input_px)
    if not found:
        raise ModelError(
            f"The network answers with shape {shape}, which is none of a detector: expected "
            "(4 + classes, n), (n, 5 + classes) or (n, 6).",
            "Export the detector alone, without further steps.",
        )
    said = read_names(opened.facts.metadata.get("names", ""))
    matching = [fit for fit in found if said and fit.classes in (None, len(said))]
    remark = ""
    if said and not matching:
        room = " or ".join(dict.fromkeys(str(fit.classes) for fit in found))
        remark = (
            f"The file names {len(said)} classes, but its output has room for {room}. It may be "
            "more than a detector, with masks or key points for example."
        )
    return UntrustedFile(
        len(content),
        hashlib.sha256(content).hexdigest(),
        opened.facts,
        opened.input_px,
        opened.engine.fixed_size is not None,
        shape,
        (*matching, *(fit for fit in found if fit not in matching)),
        said if matching else (),
        remark,
        opened.run_ms,
    )


def open_file(
    content: bytes, *, input_px: tuple[int, int] | None = None, threads: int = 0
) -> Opened:
    """Check that a file is a network of one picture with one answer, and run it twice.

    It is tried in a process of its own first.

    Args:
        content: Of the ONNX file.
        input_px: Width and height of its input; what the file says if None.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If it is not; the message says what was found.
    """
    facts = _read(content)
    try_apart(content, input_px, threads)
    return _open(content, facts, input_px, threads)


def open_untried(
    content: bytes, *, input_px: tuple[int, int] | None = None, threads: int = 0
) -> Opened:
    """As `open_file`, in this process at once."""
    return _open(content, _read(content), input_px, threads)


def _open(
    content: bytes, facts: OnnxFacts, input_px: tuple[int, int] | None, threads: int
) -> Opened:
    engine = OnnxEngine(content, threads=threads)
    _check_signature(engine.signature)
    size = _input_size(engine, input_px, facts)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    _run(engine, noise)  # the first run plans its memory
    start = time.perf_counter()
    output = _run(engine, noise)
    return Opened(engine, facts, size, output, 1e3 * (time.perf_counter() - start))


def _read(content: bytes) -> OnnxFacts:
    """What the file says of itself, if that is a detector of a size that can be used."""
    if len(content) > MAX_BYTES:
        raise ModelError(
            f"The file has {len(content) / 2**20:.0f} MB, more than {MAX_BYTES // 2**20} MB.",
            "Use a smaller network, or export it with half precision.",
        )
    facts = read_facts(content)
    if (task := facts.metadata.get("task", "detect")) != "detect":
        raise ModelError(
            f"The file says that it is made to {task[:_LONGEST_NAME]}, not to detect.",
            "Export a detector.",
        )
    return facts


def _check_signature(said: Signature) -> None:
    batch = said.input_shape[0]
    takes_bytes = said.input_type == "tensor(uint8)"
    channels = said.input_shape[3 if takes_bytes else 1]
    shape = tuple(side if isinstance(side, int) else "any" for side in said.input_shape)
    if said.input_type not in ("tensor(float)", "tensor(float16)", "tensor(uint8)"):
        raise ModelError(
            f"The network takes {said.input_type}, expected floats or bytes.",
            "Export it in full precision.",
        )
    if isinstance(channels, int) and channels != 3:
        expected = "(1, height, width, 3)" if takes_bytes else "(1, 3, height, width)"
        raise ModelError(
            f"The network takes an input of shape {shape}, expected {expected}.".replace("'", ""),
            "Export it for colour pictures, channels first (floats) or last (bytes).",
        )
    if isinstance(batch, int) and batch != 1:
        raise ModelError(
            f"The network takes {batch} pictures at a time, expected one.",
            "Export it with batch=1.",
        )
    if said.output_type not in ("tensor(float)", "tensor(float16)", "tensor(double)"):
        raise ModelError(
            f"The network answers with {said.output_type}, expected floats.",
            "Export the detector alone, without further steps.",
        )


def _input_size(
    engine: OnnxEngine, wanted: tuple[int, int] | None, facts: OnnxFacts
) -> tuple[int, int]:
    """Width and height of the input."""
    if engine.fixed_size is None:
        width, height = wanted or _said_size(facts) or USUAL_INPUT_PX
    else:
        height, width = engine.fixed_size
        if wanted not in (None, (width, height)):
            raise ModelError(
                f"The file takes {width}x{height} pixels only.", "Enter this size, or none at all."
            )
    if not (0 < width <= MAX_INPUT_PX and 0 < height <= MAX_INPUT_PX):
        raise ModelError(
            f"An input of {width}x{height} pixels is out of reach: expected at most "
            f"{MAX_INPUT_PX} a side.",
            "Use a smaller input.",
        )
    return width, height


def _said_size(facts: OnnxFacts) -> tuple[int, int] | None:
    """Width and height as ultralytics writes them, `[height, width]`."""
    found = re.fullmatch(r"\[(\d{1,5}), ?(\d{1,5})\]", facts.metadata.get("imgsz", ""))
    if found is None:
        return None
    height, width = (int(side) for side in found.groups())
    possible = all(MIN_INPUT_PX <= side <= MAX_INPUT_PX for side in (width, height))
    return (width, height) if possible else None


def _run(engine: OnnxEngine, picture: npt.NDArray[np.uint8]) -> FloatArray:
    output = answer(engine, picture)
    if output.ndim == 1:
        raise ModelError(
            f"The network answers with {len(output)} numbers a picture and no boxes, as a "
            "classifier does.",
            "Choose a detector: only those box cells.",
        )
    return output


def read_names(text: str) -> tuple[str, ...]:
    """Class names as ultralytics writes them into a file, `{0: 'blast'}`, or as a list.

    Args:
        text: A literal of Python, which is read but never run.

    Returns:
        The names in the order of their numbers; empty if the text is no such list.
    """
    try:
        said = ast.literal_eval(text) if text else ()
        if isinstance(said, dict):
            numbered = {int(number): name for number, name in said.items()}
            said = [numbered[number] for number in range(len(numbered))]
        return tuple(_clean(str(name)) for name in said) if isinstance(said, (list, tuple)) else ()
    except (ValueError, TypeError, SyntaxError, LookupError, ArithmeticError):
        return ()
    except (MemoryError, RecursionError):  # nested too deep for the parser
        return ()


def _clean(name: str) -> str:
    return re.sub(r"[^\w .()+-]+", " ", name).strip()[:_LONGEST_NAME]
