"""What every engine offers: a compiled network that turns one input tensor into its raw output."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.errors import DeviceError, ModelError
from allcell.installation import get_packages
from allcell.models.registry import ModelSpec
from allcell.models.weights import compiled_path, model_files, verified

#: Full is 32-bit floats on a CPU and 16-bit floats on CUDA.
Precision = Literal["full", "int8"]


class InterruptedRun(Exception):  # noqa: N818 (nothing went wrong)
    """A run ended early because `Engine.interrupt` asked for it."""


class Network(Protocol):
    """A network on a device. Not thread-safe: who calls it holds a lock."""

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to people."""
        ...

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """Run the network.

        Args:
            image: RGB uint8 (H, W, 3), C-contiguous, sides multiples of the network's stride.

        Returns:
            The raw output of the first image of the batch, float32, two-dimensional.

        Raises:
            InterruptedRun: If somebody interrupted it.
        """
        ...


class Engine(Network, Protocol):
    """A network that can be told to give up a run."""

    def interrupt(self) -> bool:
        """Let the run of another thread, if there is one, end at the next layer.

        It takes effect between two layers. One large kernel runs to its end, and so does the
        opening of a session (the first run at an input size compiles the graph), after which the
        run begins as if nothing had been said: whoever must be sure interrupts again.

        Returns:
            Whether there was a run.
        """
        ...


def resolve_device(device: str) -> str:
    """Turn auto into cpu or cuda; anything else is taken at its word.

    Raises:
        DeviceError: If the name is none of auto, cpu and cuda.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise DeviceError(f"There is no device {device!r}.", "Choose auto, cpu or cuda.")
    if device != "auto":
        return device
    # Asking torch costs seconds; a machine without NVIDIA's tools need not ask.
    if shutil.which("nvidia-smi") is None or not has_torch():
        return "cpu"
    from allcell.engines.torch_engine import cuda_available

    return "cuda" if cuda_available() else "cpu"


def open_engine(
    spec: ModelSpec,
    *,
    device: str = "auto",
    runtime: Literal["auto", "onnx", "torch"] = "auto",
    precision: Precision = "full",
    threads: int = 0,
) -> Engine:
    """Load a model of the registry.

    Args:
        spec: Which one.
        device: auto, cpu or cuda; auto takes CUDA if it is there.
        runtime: auto is ONNX Runtime on a CPU and torch on CUDA.
        precision: full, or int8: the 8-bit graph on a CPU, faster and no less accurate where it
            is shipped.
        threads: CPU threads; 0 = all cores.

    Raises:
        ModelError: If its weights are missing or not the measured ones, or cannot be compiled here.
        DeviceError: If the device is not there.
    """
    where = resolve_device(device)
    chosen = runtime if runtime != "auto" else ("torch" if where == "cuda" else "onnx")
    if precision == "int8" and (chosen != "onnx" or where != "cpu"):
        raise DeviceError(
            "The 8-bit graph runs on a CPU by ONNX Runtime only.",
            "Choose the device cpu, or full precision.",
        )
    files = model_files(spec.name)
    if chosen == "torch":
        checkpoint = verified(files.checkpoint)
        require_torch("The torch runtime")
        from allcell.engines.torch_engine import TorchEngine

        return TorchEngine(checkpoint, device=where, threads=threads)

    from allcell.engines.onnx_engine import OnnxEngine

    if precision == "int8":
        if files.onnx_int8 is None:
            raise ModelError(
                f"The model {spec.name!r} has no 8-bit graph.", "Use it in full precision."
            )
        return OnnxEngine(verified(files.onnx_int8), threads=threads, note="8-bit")
    if files.onnx is not None:
        return OnnxEngine(verified(files.onnx), device=where, threads=threads)
    compiled = compiled_path(files.checkpoint)
    if not compiled.is_file():
        # Nobody should install torch to learn only then that the weights are missing.
        checkpoint = verified(files.checkpoint)
        require_torch(f"The model {spec.name!r} is shipped without its ONNX file, and compiling it")
        from allcell.engines.torch_engine import export_onnx

        export_onnx(checkpoint, compiled)
    return OnnxEngine(compiled, device=where, threads=threads)


def open_checkpoint(path: Path, *, device: str = "auto", threads: int = 0) -> Engine:
    """Load a detector's checkpoint of your own training, by torch.

    Args:
        path: The `.pt` file. It is unpickled, which runs what is in it: never a stranger's.
        device: auto, cpu or cuda.
        threads: CPU threads; 0 = all cores.

    Raises:
        ModelError: If there is no such file, or torch is not installed.
        DeviceError: If the device is not there.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.", "Check the path.")
    require_torch("A checkpoint of your own")
    from allcell.engines.torch_engine import TorchEngine

    return TorchEngine(path, device=resolve_device(device), threads=threads)


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
            f"{get_packages('train')} Or choose the live model.",
        )
