"""ONNX Runtime: the default on a CPU."""

from __future__ import annotations

import copy
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from allcell.detections import FloatArray
from allcell.engines.base import RunInterrupted
from allcell.errors import DeviceError, ModelError

#: Compiled graphs kept, one per input size; a field, its tiles and a live picture need few.
_MAX_SESSIONS = 4


#: What ONNX Runtime says of files that are newer than itself (core/graph/model.cc and
#: model_load_utils.h): the file's version and the newest that it reads.
_TOO_NEW = {
    r"Unsupported model IR version: (\d+), max supported IR version: (\d+)": "ONNX IR version",
    r"Opset (\d+) is under development.*till opset (\d+)": "ONNX opset",
}
#: Where in its own source something failed.
_CPP = "/onnxruntime_src/"


@dataclass(frozen=True)
class Signature:
    """Types and shapes of a graph's input and output; a dynamic axis is a name or None.

    Attributes:
        input_type: Such as tensor(float).
        input_shape: Four axes.
        output_type: Of the first output.
        output_shape: Of the first output, as far as the graph states it.
        outputs: Names and shapes of all outputs, likewise.
    """

    input_type: str
    input_shape: tuple[int | str | None, ...]
    output_type: str
    output_shape: tuple[int | str | None, ...]
    outputs: tuple[tuple[str, tuple[int | str | None, ...]], ...] = ()


class OnnxEngine:
    """One ONNX file, specialised to each input size it meets.

    A graph with dynamic height and width is compiled for each input size (some 50 ms for a small
    network): with the size fixed, shape arithmetic is folded and memory planned ahead. The most
    recently used few are kept. Input may be float NCHW in 0 to 1 (32 or 16 bits, as YOLOs are
    exported) or uint8 NHWC (ours: no conversion at all).

    Args:
        path: The ONNX file, or its content, which is never written to disk.
        device: cpu or cuda.
        threads: CPU threads; 0 = ONNX Runtime's default (all cores).
        precision: Of the graph, as shown in the description; empty for floats.

    Attributes:
        note: Added to the description.
        signature: Types and shapes of the graph's input and output.

    Raises:
        DeviceError: If CUDA is asked for and ONNX Runtime has no CUDA provider.
        ModelError: If the file is not a network with one picture as its input.
    """

    def __init__(
        self, path: Path | bytes, *, device: str = "cpu", threads: int = 0, precision: str = ""
    ) -> None:
        available = ort.get_available_providers()
        provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        if provider not in available:
            raise DeviceError(
                "This ONNX Runtime cannot use a CUDA device.",
                "Choose the device cpu, or install onnxruntime-gpu.",
            )
        self._name = "This file" if isinstance(path, bytes) else path.name
        self._model = path if isinstance(path, bytes) else str(path)
        self._provider = provider
        self._threads = threads
        self._precision = precision
        self.note = ""
        self._sessions: OrderedDict[tuple[int, int], ort.InferenceSession] = OrderedDict()
        #: Twins share the sessions.
        self._lock = threading.Lock()
        #: The same on one core.
        self._alone: OnnxEngine | None = None
        #: Options of the run in progress; each run has its own, so a late interrupt hits no other.
        self._under_way: ort.RunOptions | None = None
        probe = self._open({})
        inputs, outputs = probe.get_inputs(), probe.get_outputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            taken = f"{len(inputs)} inputs" if len(inputs) != 1 else f"an input {inputs[0].shape}"
            raise ModelError(
                f"{self._name} takes {taken}; expected one picture.",
                "Export the detector alone, with one input (1, 3, height, width).",
            )
        self._input = inputs[0].name
        self._output = outputs[0].name
        self.signature = Signature(
            inputs[0].type,
            tuple(inputs[0].shape),
            outputs[0].type,
            tuple(outputs[0].shape),
            tuple((one.name, tuple(one.shape)) for one in outputs),
        )
        self._takes_bytes = inputs[0].type == "tensor(uint8)"
        self._takes_half = inputs[0].type == "tensor(float16)"
        axes = (1, 2) if self._takes_bytes else (2, 3)
        self._free = tuple(inputs[0].shape[axis] for axis in axes)
        if all(isinstance(side, int) for side in self._free):
            self._sessions[(int(self._free[0]), int(self._free[1]))] = probe

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        device = "CUDA" if self._provider.startswith("CUDA") else "CPU"
        parts = [f"ONNX Runtime {ort.__version__}", device, self._precision, self.note]
        return " · ".join(filter(None, parts))

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width that the graph requires; None if it takes any."""
        height, width = self._free
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def twin(self, width_px: int, height_px: int) -> OnnxEngine:
        """The same network for another thread, at one input size.

        It shares the compiled graph of that size if there is one: a session may run in several
        threads at once (https://github.com/microsoft/onnxruntime/issues/114). Interrupting one of
        the two does not interrupt the other.

        Args:
            width_px: Width of its input.
            height_px: Height of its input.
        """
        other = copy.copy(self)
        size = (height_px, width_px)
        shared = self._sessions.get(size)
        other._sessions = OrderedDict({size: shared} if shared is not None else {})
        other._under_way = None
        return other

    def streams(self, number: int) -> list[OnnxEngine]:
        """See `StreamEngine.streams`."""
        if self._provider != "CPUExecutionProvider":
            return []
        if self._alone is None:
            alone = copy.copy(self)
            alone._threads, alone._under_way, alone._lock = 1, None, threading.Lock()
            alone._sessions = OrderedDict()
            if self.fixed_size:
                alone._sessions[self.fixed_size] = alone._open({})
            self._alone = alone
        return [copy.copy(self._alone) for _ in range(number)]

    def _open(self, sizes: dict[str, int]) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Idle threads that keep spinning would slow down what follows: drawing, the next resize.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        for name, size in sizes.items():
            options.add_free_dimension_override_by_name(name, size)
        try:
            return ort.InferenceSession(self._model, options, providers=[self._provider])
        except Exception as error:  # ONNX Runtime raises its own class for each cause
            raise self._cannot_open(error) from error

    def _cannot_open(self, error: Exception) -> ModelError:
        """Why a file cannot be opened, without the C++ that ONNX Runtime quotes."""
        text = str(error)
        for pattern, what in _TOO_NEW.items():
            if found := re.search(pattern, text, re.DOTALL):
                has, reads = found.groups()
                return ModelError(
                    f"{self._name} has {what} {has}; the ONNX Runtime here reads up to {reads}.",
                    "Export it with an older opset, or install a newer onnxruntime.",
                )
        why = "" if _CPP in text else f" ({_first(error)})"
        return ModelError(
            f"{self._name} is not an ONNX network that can be opened{why}.",
            "Export it again, or choose another file.",
        )

    def _session(self, height: int, width: int) -> ort.InferenceSession:
        with self._lock:
            return self._session_of(height, width)

    def _session_of(self, height: int, width: int) -> ort.InferenceSession:
        session = self._sessions.get((height, width))
        if session is None:
            if self.fixed_size:
                raise ModelError(
                    f"{self._name} takes {self.fixed_size[1]}x{self.fixed_size[0]} pixels "
                    f"only, got {width}x{height}.",
                    "Export it with dynamic axes.",
                )
            sizes = dict(zip((str(s) for s in self._free), (height, width), strict=True))
            session = self._open(sizes)
            self._sessions[(height, width)] = session
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end((height, width))
        return session

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`."""
        session = self._session(image.shape[0], image.shape[1])
        tensor: npt.NDArray[np.generic] = image[None]
        if not self._takes_bytes:
            tensor = cv2.dnn.blobFromImage(image, 1 / 255)
            if self._takes_half:
                tensor = tensor.astype(np.float16)
        options = self._under_way = ort.RunOptions()
        try:
            (output,) = session.run([self._output], {self._input: tensor}, options)
        except Exception as error:  # as in `_open`
            if options.terminate:
                raise RunInterrupted from error
            raise ModelError(
                f"{self._name} failed on a {image.shape[1]}x{image.shape[0]} input "
                f"({_first(error)}).",
                "Check the input size it was exported with.",
            ) from error
        finally:
            self._under_way = None
        return np.asarray(output[0], dtype=np.float32)

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        options = self._under_way
        if options is not None:
            options.terminate = True
        return options is not None


def _first(error: Exception) -> str:
    """The first line of an error's message, at most 160 characters."""
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
