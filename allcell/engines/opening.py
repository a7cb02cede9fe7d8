"""Which runtime runs a model, and how each runtime is opened: one table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from allcell.engines.base import Engine
from allcell.engines.compiled import compiled_graph
from allcell.environment.installation import get_packages
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles, compiled_path, model_files, verified

#: Full is 32-bit floats on a CPU and 16-bit floats on CUDA.
Precision = Literal["full", "int8"]
#: The keys of `_OPENERS`, or auto: what is best on the device.
Runtime = Literal["auto", "onnx", "torch"]


@dataclass(frozen=True)
class _Request:
    """What an opener needs to know.

    Attributes:
        spec: The model.
        files: Its weights.
        device: cpu or cuda.
        precision: See `open_engine`.
        threads: CPU threads; 0 = all cores.
    """

    spec: ModelSpec
    files: ModelFiles
    device: str
    precision: Precision
    threads: int


def resolve_device(device: str) -> str:
    """Turn auto into cpu or cuda; a named device is returned as it is, available or not.

    Raises:
        DeviceError: If the name is none of auto, cpu and cuda.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise DeviceError(f"There is no device {device!r}.", "Choose auto, cpu or cuda.")
    if device != "auto":
        return device
    # Importing torch takes seconds; a machine without NVIDIA's tools is spared that.
    if shutil.which("nvidia-smi") is None or not has_torch():
        return "cpu"
    from allcell.engines.torch_engine import cuda_available

    return "cuda" if cuda_available() else "cpu"


def resolve_runtime(runtime: Runtime, device: str) -> str:
    """Turn auto into a runtime: torch on CUDA, ONNX Runtime on a CPU.

    Args:
        runtime: What is asked for.
        device: cpu or cuda.

    Raises:
        ModelError: If there is no such runtime.
    """
    if runtime == "auto":
        return "torch" if device == "cuda" else "onnx"
    if runtime not in _OPENERS:
        raise ModelError(
            f"There is no runtime {runtime!r}.", f"Choose auto, {' or '.join(_OPENERS)}."
        )
    return runtime


def _open_torch(asked: _Request) -> Engine:
    checkpoint = verified(asked.files.checkpoint)
    require_torch("The torch runtime")
    from allcell.engines.torch_engine import open_torch

    return open_torch(checkpoint, device=asked.device, threads=asked.threads)


def _open_onnx(asked: _Request) -> Engine:
    from allcell.engines.onnx_engine import OnnxEngine

    files = asked.files
    if asked.precision == "int8":
        if files.onnx_int8 is None:
            raise ModelError(
                f"The model {asked.spec.name!r} has no 8-bit graph.", "Use it in full precision."
            )
        return OnnxEngine(verified(files.onnx_int8), threads=asked.threads, note="8-bit")
    if files.onnx is not None:
        return OnnxEngine(verified(files.onnx), device=asked.device, threads=asked.threads)

    def compile_into(path: Path) -> None:
        # Checked first: nobody should install torch only to learn that the weights are missing.
        checkpoint = verified(files.checkpoint)
        require_torch(
            f"The model {asked.spec.name!r} is shipped without its ONNX file, and compiling it"
        )
        from allcell.engines.torch_engine import export_onnx

        export_onnx(checkpoint, path)

    compiled = compiled_graph(compiled_path(files.checkpoint), compile_into)
    return OnnxEngine(compiled, device=asked.device, threads=asked.threads)


#: A new engine is one file in this folder and one line here.
_OPENERS: Mapping[str, Callable[[_Request], Engine]] = {
    "onnx": _open_onnx,
    "torch": _open_torch,
}


def open_engine(
    spec: ModelSpec,
    *,
    device: str = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "full",
    threads: int = 0,
) -> Engine:
    """Load a model of the registry.

    Args:
        spec: The model.
        device: auto, cpu or cuda; auto takes CUDA if it is there.
        runtime: See `resolve_runtime`.
        precision: full, or int8: the 8-bit graph on a CPU, faster and no less accurate where it
            is shipped.
        threads: CPU threads; 0 = all cores.

    Raises:
        ModelError: If its weights are missing, differ from the manifest or cannot be compiled here,
            or if there is no such runtime or 8-bit graph.
        DeviceError: If the device is not there, or cannot run the 8-bit graph.
    """
    where = resolve_device(device)
    chosen = resolve_runtime(runtime, where)
    if precision == "int8" and (chosen != "onnx" or where != "cpu"):
        raise DeviceError(
            "The 8-bit graph runs only in ONNX Runtime on a CPU.",
            "Choose the device cpu, or full precision.",
        )
    return _OPENERS[chosen](_Request(spec, model_files(spec.name), where, precision, threads))


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
