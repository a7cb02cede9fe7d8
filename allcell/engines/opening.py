"""Which runtime runs a model, and how each runtime is opened: one table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from allcell.engines.base import Engine
from allcell.engines.choosing import fastest
from allcell.engines.choosing.race import NotedEngine
from allcell.engines.compiled import compiled_graph
from allcell.environment.installation import get_packages
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles, compiled_path, model_files, verified
from allcell.settings import settings

#: Full is 32-bit floats on a CPU and 16-bit floats on other devices; auto is the fastest that sees
#: the same, live the fastest, 8 bits included.
Precision = Literal["auto", "live", "full", "bf16", "int8"]
#: The keys of `_OPENERS`, or auto: what is fastest on the device.
Runtime = Literal["auto", "onnx", "openvino", "torch"]
#: Devices by name, or auto: CUDA if it is there, else the CPU.
DEVICES = ("cpu", "cuda", "intel-gpu", "intel-npu")


@dataclass(frozen=True)
class _Request:
    """What an opener needs to know.

    Attributes:
        spec: The model.
        files: Its weights.
        device: One of `DEVICES`.
        precision: full, bf16 or int8.
        threads: CPU threads; 0 = all cores.
        stream: Whether it is for live video.
    """

    spec: ModelSpec
    files: ModelFiles
    device: str
    precision: str
    threads: int
    stream: bool


def resolve_device(device: str) -> str:
    """Turn auto into cpu or cuda; a named device is returned as it is, available or not.

    Raises:
        DeviceError: If the name is neither auto nor one of `DEVICES`.
    """
    if device not in ("auto", *DEVICES):
        raise DeviceError(
            f"There is no device {device!r}.",
            f"Choose auto, {', '.join(DEVICES[:-1])} or {DEVICES[-1]}.",
        )
    if device != "auto":
        return device
    # Importing torch takes seconds; a machine without NVIDIA's tools is spared that.
    if shutil.which("nvidia-smi") is None or not has_torch():
        return "cpu"
    from allcell.engines.torch_engine import cuda_available

    return "cuda" if cuda_available() else "cpu"


def resolve_runtime(runtime: str, device: str) -> str:
    """Turn auto into a runtime: that of the device, ONNX Runtime on a CPU.

    Args:
        runtime: What is asked for.
        device: One of `DEVICES`.

    Raises:
        ModelError: If there is no such runtime.
        DeviceError: If it cannot use the device.
    """
    if runtime == "auto":
        return _RUNTIMES[device][0]
    if runtime not in _OPENERS:
        raise ModelError(
            f"There is no runtime {runtime!r}.", f"Choose auto, {' or '.join(_OPENERS)}."
        )
    if runtime not in _RUNTIMES[device]:
        raise DeviceError(
            f"The runtime {runtime} cannot use the device {device}.",
            f"Choose the runtime {' or '.join(_RUNTIMES[device])}, or another device.",
        )
    return runtime


def _open_torch(asked: _Request) -> Engine:
    if asked.files.folder is not None:
        raise ModelError(f"{asked.spec.title} has no torch weights.", "Choose another runtime.")
    checkpoint = verified(asked.files.checkpoint)
    require_torch("The torch runtime")
    from allcell.engines.torch_engine import open_torch

    return open_torch(checkpoint, device=asked.device, threads=asked.threads)


def _open_onnx(asked: _Request) -> NotedEngine:
    from allcell.engines.onnx_engine import OnnxEngine

    path, _ = _graph(asked)
    return OnnxEngine(
        path,
        device=asked.device,
        threads=asked.threads,
        precision="8-bit" if asked.precision == "int8" else "",
    )


def _open_openvino(asked: _Request) -> NotedEngine:
    if not has_openvino():
        raise ModelError("OpenVINO is not installed.", get_packages("openvino"))
    from allcell.engines.openvino_engine import OpenVinoEngine

    path, digest = _graph(asked)
    return OpenVinoEngine(
        path,
        sha256=digest,
        device=asked.device,
        precision=asked.precision,
        threads=asked.threads,
        stream=asked.stream,
    )


def _graph(asked: _Request) -> tuple[Path | bytes, str]:
    """The ONNX file of a model, compiled now if it is not shipped, and what identifies it."""
    files = asked.files
    if asked.precision == "int8":
        if files.onnx_int8 is None:
            raise ModelError(
                f"The model {asked.spec.name!r} has no 8-bit graph.", "Use it in full precision."
            )
        return verified(files.onnx_int8), files.onnx_int8.sha256
    if files.onnx is not None:
        return verified(files.onnx, files.folder), files.onnx.sha256

    def compile_into(path: Path) -> None:
        # Checked first: nobody should install torch only to learn that the weights are missing.
        checkpoint = verified(files.checkpoint)
        require_torch(
            f"The model {asked.spec.name!r} is shipped without its ONNX file, and compiling it"
        )
        from allcell.engines.torch_engine import export_onnx

        export_onnx(checkpoint, path)

    compiled = compiled_graph(compiled_path(files.checkpoint), compile_into)
    return compiled, files.checkpoint.sha256


#: Those that are raced on a CPU.
_RACED: Mapping[str, Callable[[_Request], NotedEngine]] = {
    "onnx": _open_onnx,
    "openvino": _open_openvino,
}
#: A new engine is one file in this folder and one line here.
_OPENERS: Mapping[str, Callable[[_Request], Engine]] = {**_RACED, "torch": _open_torch}
#: What can use a device; the first of them is taken if none is asked for.
_RUNTIMES: Mapping[str, tuple[str, ...]] = {
    "cpu": ("onnx", "openvino", "torch"),
    "cuda": ("torch", "onnx"),
    "intel-gpu": ("openvino",),
    "intel-npu": ("openvino",),
}
#: What a runtime can compute in.
_PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "onnx": ("full", "int8"),
    "openvino": ("full", "bf16", "int8"),
    "torch": ("full",),
}


def open_engine(
    spec: ModelSpec,
    *,
    files: ModelFiles | None = None,
    device: str = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> Engine:
    """Load a model.

    On a CPU, with nothing fixed, the fastest runtime and precision are found by measuring, once
    (`allcell.engines.choosing`). A runtime fixed here or in the settings runs in full precision, in
    8 bits for live video where a model has such a graph.

    Args:
        spec: The model.
        files: Its weights; those of the manifest if None.
        device: auto or one of `DEVICES`; auto takes CUDA if it is there.
        runtime: See `resolve_runtime`; auto takes that of the settings, if they name one.
        precision: auto, the fastest that sees what the 32-bit graph sees; live, the fastest of all;
            full; bf16 (OpenVINO) or int8, where the device and the model have them.
        threads: CPU threads; 0 = all cores.

    Raises:
        ModelError: If its weights are missing, differ from the manifest or cannot be compiled here,
            or if there is no such runtime or 8-bit graph.
        DeviceError: If the device is not there, or cannot run that precision or runtime.
    """
    fixed = settings().runtime if runtime == "auto" else runtime
    # OpenVINO uses no CUDA device, so none is looked for.
    where = "cpu" if (device, fixed) == ("auto", "openvino") else resolve_device(device)
    files = files or model_files(spec.name)
    stream = precision == "live"

    def request(bits: str) -> _Request:
        return _Request(spec, files, where, bits, threads, stream)

    if (where, fixed) == ("cpu", "auto") and precision in ("auto", "live"):
        return fastest.open_fastest(
            spec,
            fastest.contenders(
                stream=stream,
                has_int8=files.onnx_int8 is not None,
                has_openvino=has_openvino(),
            ),
            lambda one: _RACED[one.runtime](request(one.precision)),
            stream=stream,
            hashes=[f.sha256 for f in (files.checkpoint, files.onnx, files.onnx_int8) if f],
            threads=threads,
        )
    if fixed == "auto" and precision == "bf16":
        fixed = "openvino"
    chosen = resolve_runtime(fixed, where)
    return _OPENERS[chosen](request(_bits(precision, chosen, where, files)))


def _bits(precision: str, runtime: str, device: str, files: ModelFiles) -> str:
    """The precision that a runtime is opened with."""
    if precision == "live" and device != "cuda" and "int8" in _PRECISIONS[runtime]:
        return "int8" if files.onnx_int8 is not None else "full"
    if precision in ("auto", "live"):
        return "full"
    if precision not in _PRECISIONS[runtime] or (device == "cuda" and precision != "full"):
        raise DeviceError(
            f"The precision {precision} does not run in the runtime {runtime} on the device "
            f"{device}.",
            "Choose full precision, or the device cpu; bf16 needs the runtime openvino.",
        )
    return precision


def open_checkpoint(path: Path, *, device: str = "auto", threads: int = 0) -> Engine:
    """Load a detector's checkpoint that you trained yourself, with torch.

    Args:
        path: The `.pt` file. Unpickling it runs any code in it: never open a stranger's.
        device: auto, cpu or cuda.
        threads: CPU threads; 0 = all cores.

    Raises:
        ModelError: If there is no such file, or torch is not installed.
        DeviceError: If the device is not there.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.", "Check the path.")
    require_torch("A checkpoint of your own")
    from allcell.engines.torch_engine import open_torch

    return open_torch(path, device=resolve_device(device), threads=threads)


def has_openvino() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    return find_spec("openvino") is not None


def has_torch() -> bool:
    """Whether torch and ultralytics are installed; neither is imported."""
    return find_spec("torch") is not None and find_spec("ultralytics") is not None


def require_torch(what: str) -> None:
    """Refuse, with the remedy, what a light installation cannot do.

    Args:
        what: Subject of the message.

    Raises:
        ModelError: If torch or ultralytics is not installed.
    """
    if not has_torch():
        raise ModelError(
            f"{what} needs torch and ultralytics, which this light installation leaves out.",
            f"{get_packages('train')} Or use the live model on the CPU.",
        )
