"""The paper's CNN in torch: a whole field -> healthy or cancerous.

Source of the layers: Chen et al. 2022, and the summary printed in its notebook `cnn_model.ipynb`
(echen053/all-cell-detection): 137,657,698 parameters at 900x1200.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from allcell.detections import FloatArray
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import FIELD_CLASSES

#: The same operator set as the detectors' graphs.
_OPSET = 17


class FieldCnn(nn.Module):
    """The network, for one input size.

    Args:
        height_px: Height of the input, at least 8.
        width_px: Width of the input, at least 8.
    """

    def __init__(self, height_px: int, width_px: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 3
        for filters in (16, 32, 64):
            blocks += [
                nn.Conv2d(channels, filters, 3, padding="same"),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            channels = filters
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(channels * (height_px // 8) * (width_px // 8), 128),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, len(FIELD_CLASSES)),
        )

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits (N, 2) of `FIELD_CLASSES` for RGB bytes (N, height, width, 3)."""
        pixels = picture.permute(0, 3, 1, 2).to(torch.float32) * (1 / 255)
        return cast(torch.Tensor, self.head(self.features(pixels)))


def initialise(network: FieldCnn) -> None:
    """Draw new weights as Keras does by default: Glorot uniform, biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(cast(torch.Tensor, layer.bias))


def parameter_count(network: FieldCnn) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())


def with_weights(weights: Mapping[str, torch.Tensor], height_px: int, width_px: int) -> FieldCnn:
    """A network that uses these very tensors: nothing is initialised, nothing is held twice.

    Raises:
        ModelError: If they do not fit this network at this size.
    """
    with torch.device("meta"):
        network = FieldCnn(height_px, width_px)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ModelError(
            f"The weights are not those of the CNN at {height_px}x{width_px} pixels.",
            "Get the weights again, or train the model.",
        ) from error
    return network


def read_checkpoint(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """What a checkpoint holds; nothing in it can run code.

    Args:
        path: The file.
        mapped: Memory-map the file, so that tensors are read only when they are used.

    Raises:
        ModelError: If it is not a checkpoint of this CNN.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path.name} is not a checkpoint of the CNN.",
            "Get the weights again, or train the model in an empty folder.",
        ) from error
    return dict(content)


def load_network(checkpoint: Path, height_px: int, width_px: int) -> FieldCnn:
    """The network of a released checkpoint, in evaluation mode and 32-bit floats.

    Args:
        checkpoint: A file of `weights/`: a plain state dict.
        height_px: Height of its input.
        width_px: Width of its input.

    Raises:
        ModelError: If the file is not such a checkpoint.
    """
    return with_weights(read_checkpoint(checkpoint), height_px, width_px).float().eval()


class CnnEngine:
    """A released checkpoint run by torch (an `allcell.engines.base.Network`).

    Args:
        checkpoint: A file of `weights/`, SHA-256 checked.
        height_px: Height of its input.
        width_px: Width of its input.
        device: cpu or cuda.
        threads: CPU threads; 0 leaves torch's choice.

    Raises:
        DeviceError: If CUDA is asked for and there is none.
        ModelError: If the file cannot be loaded.
    """

    def __init__(
        self,
        checkpoint: Path,
        height_px: int,
        width_px: int,
        *,
        device: str = "cpu",
        threads: int = 0,
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "torch sees no CUDA device on this machine.",
                "Choose the device cpu, or check the NVIDIA driver.",
            )
        if threads and device == "cpu":
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._network = load_network(checkpoint, height_px, width_px).to(self._device)

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to people."""
        where = "CPU" if self._device.type == "cpu" else torch.cuda.get_device_name()
        return f"torch {torch.__version__} · {where}"

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """Logits (2,) of `FIELD_CLASSES` for an RGB uint8 image of the network's size."""
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(image)[None].to(self._device))
            return np.asarray(logits[0].cpu().numpy(), dtype=np.float32)


def export_onnx(checkpoint: Path, target: Path, height_px: int, width_px: int) -> None:
    """Compile a released checkpoint into an ONNX file: RGB bytes (1, height, width, 3) in.

    Args:
        checkpoint: A file of `weights/`, SHA-256 checked.
        target: File to write; written whole or not at all.
        height_px: Height of the input.
        width_px: Width of the input.

    Raises:
        ModelError: If the file is not such a checkpoint.
    """
    network = load_network(checkpoint, height_px, width_px)
    example = torch.zeros(1, height_px, width_px, 3, dtype=torch.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        graph = os.path.join(folder, "cnn.onnx")
        with torch.inference_mode():
            torch.onnx.export(
                network,
                (example,),
                graph,
                input_names=["picture"],
                output_names=["logits"],
                opset_version=_OPSET,
                dynamo=False,
            )
        os.replace(graph, target)
