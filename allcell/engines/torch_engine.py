"""torch and ultralytics: CUDA in half precision, and the source of every ONNX file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from ultralytics.nn.tasks import load_checkpoint

from allcell.detections import FloatArray
from allcell.engines.base import RunInterrupted
from allcell.errors import DeviceError, ModelError

#: ONNX operator set that ONNX Runtime's CPU kernels are best tuned for.
OPSET = 17


def cuda_available() -> bool:
    """Whether torch sees a CUDA device."""
    return bool(torch.cuda.is_available())


def _load(checkpoint: Path, device: torch.device) -> Any:
    """The fused network in evaluation mode. Loading runs code in the file: trusted files only."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            # ultralytics takes a file named yolov5s.pt for its own, and downloads another.
            neutral = shutil.copyfile(checkpoint, Path(folder) / "weights.pt")
            model, _ = load_checkpoint(str(neutral), device=device, fuse=True)
    except (RuntimeError, KeyError, AttributeError, EOFError) as error:
        raise ModelError(
            f"{checkpoint.name} is not a checkpoint that can be loaded ({error}).",
            "Get the weights again.",
        ) from error
    return model.eval()


def parameter_count(checkpoint: Path) -> int:
    """Number of parameters of the fused network.

    Raises:
        ModelError: If the file cannot be loaded.
    """
    model = _load(checkpoint, torch.device("cpu"))
    return sum(int(p.numel()) for p in model.parameters())


class TorchEngine:
    """A checkpoint run by torch.

    Args:
        checkpoint: A trusted file: of `weights/`, SHA-256 checked, or one that you trained.
        device: cpu or cuda.
        threads: CPU threads; 0 = torch's default.

    Raises:
        DeviceError: If CUDA is asked for and there is none.
        ModelError: If the file cannot be loaded.
    """

    def __init__(self, checkpoint: Path, *, device: str = "cpu", threads: int = 0) -> None:
        if device == "cuda" and not cuda_available():
            raise DeviceError(
                "torch sees no CUDA device on this machine.",
                "Choose the device cpu, or check the NVIDIA driver.",
            )
        if threads and device == "cpu":
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        self._model = _load(checkpoint, self._device).to(dtype=self._dtype)
        self._runs = self._given_up = False
        for layer in self._model.model:
            layer.register_forward_pre_hook(self._go_on)

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        if self._device.type == "cuda":
            return f"torch {torch.__version__} · {torch.cuda.get_device_name()} · half precision"
        return f"torch {torch.__version__} · CPU"

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`. Copying the output back waits for the device."""
        self._runs, self._given_up = True, False
        try:
            return self._pass(image)
        finally:
            self._runs = False

    def _pass(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        with torch.inference_mode():
            tensor = torch.from_numpy(image).to(self._device)
            tensor = tensor.permute(2, 0, 1)[None].to(self._dtype) / 255
            output = self._model(tensor)
            while isinstance(output, (list, tuple)):
                output = output[0]
            return np.asarray(output[0].float().cpu().numpy(), dtype=np.float32)

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        self._given_up = self._runs
        return self._runs

    def _go_on(self, *_: object) -> None:
        if self._given_up:
            raise RunInterrupted


class _FromBytes(torch.nn.Module):
    """The network with the picture's own bytes as input: (1, H, W, 3) uint8."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        output: Any = self.model(picture.permute(0, 3, 1, 2).to(torch.float32) * (1 / 255))
        while isinstance(output, (list, tuple)):
            output = output[0]
        return cast(torch.Tensor, output)


def export_onnx(checkpoint: Path, target: Path) -> None:
    """Export a checkpoint to an ONNX file with dynamic height and width.

    The graph takes RGB bytes (1, height, width, 3), so its input needs no conversion.

    Args:
        checkpoint: A trusted file, for example of `weights/`, SHA-256 checked.
        target: The file to write, atomically.

    Raises:
        ModelError: If the checkpoint cannot be loaded.
    """
    import onnx
    import onnxslim

    model = _load(checkpoint, torch.device("cpu"))
    for module in model.modules():
        if hasattr(module, "export"):
            module.export, module.dynamic, module.format = True, True, "onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(1, 256, 320, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        raw = os.path.join(folder, "raw.onnx")
        with torch.inference_mode():
            torch.onnx.export(
                _FromBytes(model).eval(),
                (example,),
                raw,
                input_names=["picture"],
                output_names=["boxes"],
                dynamic_axes={"picture": {1: "height", 2: "width"}, "boxes": {}},
                opset_version=OPSET,
                dynamo=False,
            )
        slim = os.path.join(folder, "slim.onnx")
        onnx.save(onnxslim.slim(onnx.load(raw)), slim)
        os.replace(slim, target)


def paper_baseline() -> Callable[[npt.NDArray[np.uint8]], object]:
    """The paper's YOLOv5s as its readers would run it: ultralytics at 1024 px on the CPU.

    The network has random weights, which take the same time; with no boxes for non-maximum
    suppression it is, if anything, too fast.

    Returns:
        A function that runs it on an RGB uint8 image (H, W, 3).
    """
    from ultralytics.models import YOLO

    model = YOLO("yolov5s.yaml")

    def predict(image: npt.NDArray[np.uint8]) -> object:
        return model.predict(image, imgsz=1024, device="cpu", verbose=False)

    return predict
