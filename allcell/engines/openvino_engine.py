"""OpenVINO: often the fastest on a CPU, and what runs on Intel's GPUs and NPUs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from allcell.detections import FloatArray
from allcell.engines import kept_graphs
from allcell.engines.base import RunInterrupted
from allcell.environment.versions import machine_name, processor_features
from allcell.errors import DeviceError, ModelError

#: Graphs with fixed sizes that are kept, as in `onnx_engine`.
_MAX_GRAPHS = 4
#: OpenVINO's names of the devices, and ours for people.
DEVICES = {"cpu": ("CPU", "CPU"), "intel-gpu": ("GPU", "Intel GPU"), "intel-npu": ("NPU", "NPU")}
_HINTS = {"full": "f32", "bf16": "bf16"}
_PRECISIONS = {"full": "", "bf16": "bf16", "int8": "8-bit"}

#: OpenVINO's state: which devices there are. Made on first use.
_CORE: list[ov.Core] = []


def _core() -> ov.Core:
    if not _CORE:
        _CORE.append(ov.Core())
    return _CORE[0]


def runtime_version() -> str:
    """OpenVINO's version, such as 2026.4.1."""
    return str(ov.__version__).split("-", 1)[0]


def devices() -> dict[str, str]:
    """The devices that OpenVINO can use here: our name, and the device's own."""
    listed = [str(name).split(".", 1)[0] for name in _core().available_devices]
    return {
        ours: str(_core().get_property(theirs, "FULL_DEVICE_NAME"))
        for ours, (theirs, _) in DEVICES.items()
        if theirs in listed
    }


def computes_bf16() -> bool:
    """Whether this processor computes with bfloat16; others would only imitate it, slowly."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """One of our ONNX files: uint8 NHWC in, one picture at a time.

    Graphs in floats are compiled once, for inputs of any size; with `stream`, in 8 bits and on
    Intel's other devices, once for each size, of which the most recently used few are kept. A fixed
    size makes a run 6 to 18 % faster and costs 0.2 s once, or 0.8 s in 8 bits. 8-bit graphs of free
    size are compiled wrongly by OpenVINO 2026.4: scores off by 0.8. Compiled graphs are kept on
    disk (`kept_graphs`), from where they open as fast as ONNX Runtime opens its own.

    A run ends at its next layer when it is interrupted.

    Args:
        path: The ONNX file, or its content, as written by `torch_engine.export_onnx` or `quantize`.
        sha256: Of the file, hexadecimal: what its compiled graphs are kept under.
        device: A key of `DEVICES`.
        precision: full, bf16 or int8; int8 is for files in 8 bits.
        threads: CPU threads; 0 = all cores.
        stream: Whether inputs of one size come again and again.

    Attributes:
        note: Added to the description.

    Raises:
        DeviceError: If the device is not there, or does not compute with bfloat16.
        ModelError: If OpenVINO cannot open the file.
    """

    def __init__(
        self,
        path: Path | bytes,
        *,
        sha256: str,
        device: str = "cpu",
        precision: str = "full",
        threads: int = 0,
        stream: bool = False,
    ) -> None:
        self._name = "This file" if isinstance(path, bytes) else path.name
        self._source = path if isinstance(path, bytes) else str(path)
        self._device, self._device_title = DEVICES[device]
        self._precision = precision
        self.note = ""
        self._refuse_missing(device)
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "cpu":
            # Pinned threads could not give way to those that draw and encode live video.
            config["ENABLE_CPU_PINNING"] = False
            if threads:
                config["INFERENCE_NUM_THREADS"] = threads
            hint = "bf16" if precision == "int8" and computes_bf16() else _HINTS.get(precision)
            config["INFERENCE_PRECISION_HINT"] = hint or "f32"
        self._config = config
        self._key = (sha256, device, precision, str(sorted(config.items())), str(ov.__version__))
        self._free = device == "cpu" and precision != "int8" and not stream
        #: By size; that of any size is under None.
        self._graphs: OrderedDict[tuple[int, int] | None, ov.InferRequest] = OrderedDict()
        self._under_way: _Inference | None = None
        # Now rather than at the first run; other graphs wait for their size.
        if self._free:
            self._graph(0, 0)

    def _refuse_missing(self, device: str) -> None:
        there = devices()
        if device not in there:
            raise DeviceError(
                f"OpenVINO finds no {self._device_title} here; it finds {', '.join(there)}.",
                "Install or update the driver of that device, or choose the device cpu.",
            )
        if self._precision == "bf16" and (device != "cpu" or not computes_bf16()):
            raise DeviceError(
                "This processor does not compute with bfloat16.", "Use full precision."
            )

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        parts = [
            f"OpenVINO {runtime_version()}",
            self._device_title,
            _PRECISIONS[self._precision],
            self.note,
        ]
        return " · ".join(filter(None, parts))

    def _model(self) -> ov.Model:
        try:
            model = _core().read_model(self._source)
        except Exception as error:  # OpenVINO raises RuntimeError and its own
            raise self._unusable(error) from error
        taken = model.inputs[0] if len(model.inputs) == 1 else None
        if taken is None or taken.element_type != ov.Type.u8 or len(taken.partial_shape) != 4:
            raise ModelError(
                f"{self._name} does not take one picture in bytes.",
                "Export it with `python -m allcell export`, or use the runtime onnx.",
            )
        return model

    def _graph(self, height: int, width: int) -> ov.InferRequest:
        size = None if self._free else (height, width)
        request = self._graphs.get(size)
        if request is None:
            request = self._graphs[size] = self._compiled(size).create_infer_request()
            if len(self._graphs) > _MAX_GRAPHS:
                self._graphs.popitem(last=False)
        else:
            self._graphs.move_to_end(size)
        return request

    def _compiled(self, size: tuple[int, int] | None) -> ov.CompiledModel:
        key = kept_graphs.key(*self._key, str(size), machine_name(), *processor_features())
        if (kept := kept_graphs.read(key)) is not None:
            try:
                return _core().import_model(kept, self._device, self._config)
            except Exception:  # written by another build of OpenVINO: compiled again
                kept_graphs.forget(key)
        model = self._model()
        if size is not None:
            model.reshape([1, *size, 3])
        try:
            compiled = _core().compile_model(model, self._device, self._config)
        except Exception as error:  # as in `_model`
            raise self._unusable(error) from error
        try:
            content = compiled.export_model().getvalue()
        except Exception:  # not every device can: it is compiled again next time
            return compiled
        kept_graphs.keep(key, content)
        return compiled

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`."""
        run = self._under_way = _Inference(self._graph(image.shape[0], image.shape[1]))
        try:
            # `infer` would be as fast, but ignores `cancel`.
            run.request.start_async([image[None]], share_inputs=True)
            run.request.wait()
            # Copied: the memory is the next run's.
            return np.array(run.request.get_output_tensor(0).data[0], np.float32)
        except Exception as error:  # as in `_model`
            if run.interrupted:
                raise RunInterrupted from error
            raise self._failed(image, error) from error
        finally:
            self._under_way = None

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        run = self._under_way
        if run is None:
            return False
        run.interrupted = True
        run.request.cancel()
        return True

    def _failed(self, image: npt.NDArray[np.uint8], error: Exception) -> ModelError | DeviceError:
        if self._device != "CPU" and self._device not in _core().available_devices:
            return DeviceError(
                f"The {self._device_title} is no longer there ({_last(error)}).",
                "Check the device and its driver, or choose the device cpu.",
            )
        return ModelError(
            f"{self._name} failed on a {image.shape[1]}x{image.shape[0]} input in OpenVINO "
            f"({_last(error)}).",
            "Set ALLCELL_RUNTIME=onnx to do without OpenVINO.",
        )

    def _unusable(self, error: Exception) -> ModelError:
        return ModelError(
            f"OpenVINO cannot open {self._name} on the {self._device_title} ({_last(error)}).",
            "Set ALLCELL_RUNTIME=onnx to do without OpenVINO.",
        )


class _Inference:
    """One run; a late interrupt hits no other."""

    def __init__(self, request: ov.InferRequest) -> None:
        self.request = request
        self.interrupted = False


def _last(error: Exception) -> str:
    """The last line of an error's message, at most 160 characters: those before say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__
