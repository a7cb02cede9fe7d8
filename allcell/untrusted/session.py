"""Opens an untrusted file with ONNX Runtime in this process, and runs it on noise.

Only `allcell.untrusted.child` may do that with a file that has not been tried yet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.engines.onnx_engine import OnnxEngine, Signature
from allcell.errors import ModelError
from allcell.untrusted.answer import answer
from allcell.untrusted.metadata import input_size, task
from allcell.untrusted.onnx_file import OnnxFacts, read_facts

#: Larger files are refused.
MAX_BYTES = 300 * 2**20
#: A network that takes any size is tried at this one, if its file names none.
USUAL_INPUT_PX = (640, 640)
#: Longest input side: a larger picture would take minutes on a CPU.
MAX_INPUT_PX = 2048
#: Numbers of a box that YOLOv7 exports after suppression.
_SUPPRESSED_COLUMNS = 7
#: Numbers of a box that mmdetection exports: two corners and a score; its class stands apart.
_SCORED_COLUMNS = 5
#: Shortest input side that a file may name, or a user choose: the stride of usual networks.
MIN_INPUT_PX = 32


@dataclass(frozen=True, eq=False)
class Opened:
    """A network that ONNX Runtime has opened and run.

    Attributes:
        engine: The network.
        input_px: Width and height it was run with.
        output: Its answer (rows, columns) to noise.
        run_ms: How long one picture took on this computer.
    """

    engine: OnnxEngine
    input_px: tuple[int, int]
    output: FloatArray
    run_ms: float


def check_file(content: bytes) -> OnnxFacts:
    """What a file says about itself, read without ONNX Runtime.

    Args:
        content: Bytes of the file.

    Raises:
        ModelError: If it is too large, is not an ONNX file, or says that it is not a detector.
    """
    if len(content) > MAX_BYTES:
        raise ModelError(
            f"The file has {len(content) / 2**20:.0f} MB, more than {MAX_BYTES // 2**20} MB.",
            "Use a smaller network, or export it with half precision.",
        )
    facts = read_facts(content)
    if (made_for := task(facts)) not in ("", "detect"):
        raise ModelError(
            f"The file says that it is made to {made_for}, not to detect.", "Export a detector."
        )
    return facts


def open_here(
    content: bytes, facts: OnnxFacts, input_px: tuple[int, int] | None, threads: int
) -> Opened:
    """Open a network with one input and one output in this process, and run it.

    Args:
        content: Bytes of the file.
        facts: What it says about itself, from `check_file`.
        input_px: Width and height of its input; if None, what the file says, or the usual size.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If it is not such a network; the message says what was found.
    """
    return run_at(OnnxEngine(content, threads=threads), facts, input_px)


def run_at(engine: OnnxEngine, facts: OnnxFacts, input_px: tuple[int, int] | None) -> Opened:
    """Run an open network at an input size; arguments and errors as in `open_here`."""
    _check_signature(engine.signature)
    size = _input_size(engine, input_px, facts)
    answer_to_noise(engine, size)  # warm-up: the first run plans its memory
    start = time.perf_counter()
    output = answer_to_noise(engine, size)
    return Opened(engine, size, output, 1e3 * (time.perf_counter() - start))


def answer_to_noise(engine: OnnxEngine, input_px: tuple[int, int]) -> FloatArray:
    """The answer (rows, columns) of a network to a picture of noise, the same one each time.

    Args:
        engine: The network.
        input_px: Width and height of the picture.

    Raises:
        ModelError: If it fails, takes too long, or does not answer like a detector.
    """
    width, height = input_px
    noise: npt.NDArray[np.uint8] = np.random.default_rng(0).integers(
        0, 256, (height, width, 3), np.uint8
    )
    output = answer(engine, noise)
    # A box in pixels after the number of its picture: no classifier answers like that.
    if output.shape == (_SUPPRESSED_COLUMNS,) and output[0] == 0 and output[1:5].max() > 1:
        raise _suppressed("rows of batch, x1, y1, x2, y2, class and score")
    if output.ndim == 1:
        raise ModelError(
            f"The network answers with {len(output)} numbers per picture and no boxes, as a "
            "classifier does.",
            "Choose a detector: only those box cells.",
        )
    return output


def _check_suppressed(said: Signature) -> None:
    """Refuse detectors that answer with finished boxes, which would pass for classifiers.

    YOLOv7 exports rows of seven numbers, one for each box of any picture; torchvision, and exports
    for TensorRT, boxes, scores and classes apart.
    """
    names = [name for name, _ in said.outputs]
    if len(names) > 1 and len(said.output_shape) < 3:
        if _has_boxes(said):
            raise _suppressed(f"the outputs {', '.join(names)[:100]}")
    elif len(names) > 1 and _has_boxes(said):
        if all(len(shape) < 3 for _, shape in said.outputs[1:]):
            raise _suppressed(f"the outputs {', '.join(names)[:100]}")
        raise ModelError(
            f"The network answers with boxes and scores apart, in the outputs "
            f"{', '.join(names)[:100]}.",
            "Join them to one table before you export it: for each box cx cy w h in pixels, then "
            "a score from 0 to 1 for each class.",
        )
    own_count = said.output_shape[:1] not in ((1,), said.input_shape[:1])
    if own_count and said.output_shape[1:] == (_SUPPRESSED_COLUMNS,):
        raise _suppressed("rows of batch, x1, y1, x2, y2, class and score")


def _has_boxes(said: Signature) -> bool:
    """Whether one of several outputs holds boxes and nothing else, or each with its score.

    mmdetection calls its own `dets` (rows of x1 y1 x2 y2 score) and `labels`.
    """
    has_labels = any(name.lower() in ("labels", "classes") for name, _ in said.outputs[1:])
    if has_labels and said.output_shape[-1:] == (_SCORED_COLUMNS,):
        return True
    return any(
        (len(shape) in (2, 3) and shape[-1] == 4) or "box" in name.lower()
        for name, shape in said.outputs
    )


def _suppressed(found: str) -> ModelError:
    return ModelError(
        f"This is a detector with non-maximum suppression inside: it answers with {found}, "
        "finished boxes.",
        "Export it without: yolo export with nms=False; YOLOv7's export.py with --grid, without "
        "--end2end and --include-nms. Those of torchvision and mmdeploy cannot do without.",
    )


def _check_signature(said: Signature) -> None:
    _check_suppressed(said)
    batch = said.input_shape[0]
    takes_bytes = said.input_type == "tensor(uint8)"
    channels = said.input_shape[3 if takes_bytes else 1]
    shape = tuple(side if isinstance(side, int) else "any" for side in said.input_shape)
    if said.input_type not in ("tensor(float)", "tensor(float16)", "tensor(uint8)"):
        raise ModelError(
            f"The network takes {said.input_type}, expected floats or bytes.",
            "Export it in full precision.",
        )
    is_last = not takes_bytes and channels != 3 and said.input_shape[3] == 3
    if is_last or (isinstance(channels, int) and channels != 3):
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
    """Width and height to run it at, if it can be."""
    if engine.fixed_size is None:
        width, height = wanted or _named_size(facts) or USUAL_INPUT_PX
    else:
        height, width = engine.fixed_size
        if wanted not in (None, (width, height)):
            raise ModelError(
                f"The file takes {width}x{height} pixels only.", "Enter this size, or none at all."
            )
    if not (0 < width <= MAX_INPUT_PX and 0 < height <= MAX_INPUT_PX):
        raise ModelError(
            f"An input of {width}x{height} pixels is too large: expected at most "
            f"{MAX_INPUT_PX} a side.",
            "Use a smaller input.",
        )
    return width, height


def _named_size(facts: OnnxFacts) -> tuple[int, int] | None:
    """The size that a file names, if it is one that can be chosen."""
    named = input_size(facts)
    possible = named is not None and all(MIN_INPUT_PX <= px <= MAX_INPUT_PX for px in named)
    return named if possible else None
