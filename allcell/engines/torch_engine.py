"""torch and ultralytics: CUDA in half precision, and the source of every ONNX file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from allcell.boxes import Letterbox, unscaled
from allcell.detections import FloatArray
from allcell.engines.base import RunInterrupted
from allcell.engines.card import CudaCard, batch_size, cuda_description
from allcell.errors import DeviceError
from allcell.models.checkpoint import class_names_of, load_network

#: ONNX operator set that ONNX Runtime's CPU kernels are best tuned for.
OPSET = 17


def cuda_available() -> bool:
    """Whether torch sees a CUDA device."""
    return bool(torch.cuda.is_available())


def parameter_count(checkpoint: Path) -> int:
    """Number of parameters of the fused network.

    Raises:
        ModelError: If the file cannot be loaded.
    """
    model = load_network(checkpoint, torch.device("cpu"))
    return sum(int(p.numel()) for p in model.parameters())


def precise_boxes(model: Any) -> None:
    """Let a network in half precision compute its boxes in 32 bits from what its layers say.

    Half precision has steps of half a pixel from 512 on, a whole one from 1024 on: too coarse for
    the edges of a cell of 20 pixels.

    Args:
        model: The network; ultralytics' heads do the rest by promotion.
    """
    for layer in model.model:
        if hasattr(layer, "dfl"):
            layer.dfl.float()
            layer.dfl.register_forward_pre_hook(lambda _, given: (given[0].float(),))


def open_torch(checkpoint: Path, *, device: str = "cpu", threads: int = 0) -> TorchEngine:
    """The engine of torch that suits a device.

    Args:
        checkpoint: See `TorchEngine`.
        device: cpu or cuda.
        threads: CPU threads; 0 = torch's default.

    Raises:
        DeviceError: If CUDA is asked for and there is none.
        ModelError: If the file cannot be loaded.
    """
    if device == "cuda":
        return CudaEngine(checkpoint)
    return TorchEngine(checkpoint, device=device, threads=threads)


class TorchEngine:
    """A checkpoint run by torch, layer by layer.

    Args:
        checkpoint: A trusted file: of `weights/`, SHA-256 checked, or one that you trained.
        device: cpu or cuda.
        threads: CPU threads; 0 = torch's default.

    Raises:
        ModelError: If the file cannot be loaded.
    """

    def __init__(self, checkpoint: Path, *, device: str = "cpu", threads: int = 0) -> None:
        if threads and device == "cpu":
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        self._model = load_network(checkpoint, self._device).to(dtype=self._dtype)
        self._runs = self._given_up = False
        for layer in self._model.model:
            layer.register_forward_pre_hook(self._go_on)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that the checkpoint names, in their order; empty if it only numbers them."""
        return class_names_of(self._model)

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        return f"torch {torch.__version__} · CPU"

    def _network(self, tensor: torch.Tensor) -> torch.Tensor:
        output: Any = self._model(tensor)
        while isinstance(output, (list, tuple)):
            output = output[0]
        return cast(torch.Tensor, output)

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """See `Engine.run`."""
        self._runs, self._given_up = True, False
        try:
            return self._pass(image)
        finally:
            self._runs = False

    def _pass(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        with torch.inference_mode():
            tensor = torch.from_numpy(image).to(self._device)
            tensor = tensor.permute(2, 0, 1)[None].to(self._dtype) / 255
            output = self._network(tensor)
            return np.asarray(output[0].float().cpu().numpy(), dtype=np.float32)

    def interrupt(self) -> bool:
        """See `Engine.interrupt`."""
        self._given_up = self._runs
        return self._runs

    def _go_on(self, *_: object) -> None:
        # What is being captured has to be captured whole.
        if self._given_up and not (
            self._device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        ):
            raise RunInterrupted


class CudaEngine(TorchEngine):
    """A checkpoint run on a CUDA card in half precision; see `allcell.engines.card`.

    Args:
        checkpoint: See `TorchEngine`.

    Raises:
        DeviceError: If there is no CUDA device.
        ModelError: If the file cannot be loaded.
    """

    def __init__(self, checkpoint: Path) -> None:
        if not cuda_available():
            raise DeviceError(
                "torch sees no CUDA device on this machine.",
                "Choose the device cpu, or check the NVIDIA driver.",
            )
        super().__init__(checkpoint, device="cuda")
        self._model.to(memory_format=torch.channels_last)
        precise_boxes(self._model)
        self.card = CudaCard(self._network, self._device, self._dtype, hold=self._anchors)
        self._memory = torch.cuda.get_device_properties(self._device).total_memory

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        return cuda_description(
            f"torch {torch.__version__} · {torch.cuda.get_device_name()}", self.card
        )

    def batch_size(self, fit: Letterbox) -> int:
        """See `BatchEngine.batch_size`."""
        return batch_size(fit, self._memory, self.card.most)

    def run_batch(
        self,
        pictures: Sequence[npt.NDArray[np.uint8]],
        fit: Letterbox,
        floor: float,
        iou: float | None = None,
    ) -> list[FloatArray]:
        """See `BatchEngine.run_batch`. A graph runs to its end, which takes milliseconds."""
        self._runs, self._given_up = True, False
        try:
            found = self.card.run(pictures, fit, floor, iou)
            if self._given_up:
                raise RunInterrupted
            return found
        finally:
            self._runs = False

    def _pass(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        height, width = image.shape[:2]
        return self.card.run([image], unscaled(width, height), None)[0]

    def _anchors(self) -> object:
        # The head replaces them at each new input size, while a graph goes on reading these.
        return [
            (layer.anchors, layer.strides)
            for layer in self._model.model
            if hasattr(layer, "anchors") and hasattr(layer, "strides")
        ]


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
    """Export a checkpoint, a trusted file, to an ONNX file; see `export_network`.

    Raises:
        ModelError: If the checkpoint cannot be loaded.
    """
    export_network(load_network(checkpoint, torch.device("cpu")), target)


def export_network(model: Any, target: Path) -> None:
    """Export a fused network to an ONNX file with dynamic height and width.

    The graph takes RGB bytes (1, height, width, 3), so its input needs no conversion.

    Args:
        model: On the CPU, in 32 bits; it can no longer be trained afterwards.
        target: The file to write, atomically.
    """
    import onnx
    import onnxslim

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


def paper_baseline() -> tuple[Callable[[npt.NDArray[np.uint8]], object], dict[str, Any]]:
    """The paper's YOLOv5s as its readers would run it: ultralytics at 1024 px on the CPU.

    The network has random weights, which take the same time; with no boxes for non-maximum
    suppression it is, if anything, too fast.

    Returns:
        A function that runs it on an RGB uint8 image (H, W, 3), and what it is: `network`,
        `parameters`, `long_side_px`, `precision`, `runtime`.
    """
    import ultralytics
    from ultralytics.models import YOLO

    model = YOLO("yolov5s.yaml")

    def predict(image: npt.NDArray[np.uint8]) -> object:
        return model.predict(image, imgsz=1024, device="cpu", verbose=False)

    network: Any = model.model
    return predict, {
        "network": "YOLOv5s as ultralytics builds it",
        "parameters": sum(part.numel() for part in network.parameters()),
        "long_side_px": 1024,
        "precision": "32 bits",
        "runtime": f"torch {torch.__version__}, ultralytics {ultralytics.__version__} \u00b7 CPU",
    }
