"""FieldClassifier: image -> (FieldClass, Timing). The whole field judged by the paper's CNN."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.cautions import Cautioned
from allcell.detector import Timing
from allcell.engines.base import Network
from allcell.engines.opening import Runtime, require_torch, resolve_device, resolve_runtime
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import FIELD_CLASSES, ClassifierSpec, get_classifier
from allcell.models.weights import (
    WeightFile,
    compiled_path,
    model_files,
    read_manifest,
    verified,
)
from allcell.settings import settings

Image = npt.NDArray[np.uint8]

#: Width over height of the centre crop that the network is shown.
_ASPECT = 4 / 3


@dataclass(frozen=True)
class FieldClass(Cautioned):
    """What the network says about one field; `answer` is what may be shown of it.

    Attributes:
        probability: Of a cancerous field, 0 to 1, as the network gives it; not calibrated.
        suggested: One of `FIELD_CLASSES`, by the model's operating threshold.
    """

    probability: float
    suggested: str

    @property
    def answer(self) -> tuple[str, float] | None:
        """The suggested class and its probability; None while they are withheld."""
        return None if self.withheld else (self.suggested, self.probability)


def centre_crop(image: Image) -> Image:
    """The largest 4:3 centre crop (h, w, 3) of an image (H, W, 3), as a view."""
    height, width = image.shape[:2]
    h, w = min(height, round(width / _ASPECT)), min(width, round(height * _ASPECT))
    y, x = (height - h) // 2, (width - w) // 2
    return image[y : y + h, x : x + w]


def field_input(spec: ClassifierSpec, image: Image) -> Image:
    """A field as the network sees it: RGB uint8 (height, width, 3) of its input size."""
    crop = centre_crop(image)
    # Averaging by area avoids moire when shrinking, but makes blocks when enlarging.
    shrinks = crop.shape[0] > spec.height_px
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (spec.width_px, spec.height_px), interpolation=how))


def turned(image: Image, angle_deg: float, *, zoom: float = 1.0, mirror: bool = False) -> Image:
    """The image rotated about its centre, in a frame of the same size, with reflected borders.

    Args:
        image: RGB uint8 (H, W, 3).
        angle_deg: Counter-clockwise, any angle.
        zoom: Above 1 magnifies, below 1 shows the reflected borders.
        mirror: Flip left to right first.
    """
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle_deg, zoom)
    if mirror:
        matrix = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]], np.float64)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))


class FieldClassifier:
    """A whole-field network ready to run. Safe to share between threads: calls queue.

    Args:
        spec: The model.
        engine: Its network: logits (2,) of `FIELD_CLASSES` from an image of its input size.
        weights_sha256: SHA-256 of its weights (see `Provenance`); empty if unknown.
    """

    def __init__(self, spec: ClassifierSpec, engine: Network, weights_sha256: str = "") -> None:
        self.spec = spec
        self.weights_sha256 = weights_sha256
        self.engine = engine
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        name: str,
        *,
        device: str = "cpu",
        runtime: Runtime = "auto",
        threads: int | None = None,
    ) -> FieldClassifier:
        """Load a classifier from the registry.

        Args:
            name: Its name.
            device: auto, cpu or cuda.
            runtime: See `engines.opening.resolve_runtime`.
            threads: CPU threads, 0 = all cores; the settings' if None.

        Raises:
            ModelError: If there is no such classifier, or its weights cannot be used.
            DeviceError: If the device is not available.
        """
        spec = get_classifier(name)
        threads = settings().threads if threads is None else threads
        where = resolve_device(device)
        checkpoint = _checkpoint(spec)
        size = (spec.height_px, spec.width_px)
        chosen = resolve_runtime(runtime, where)
        if chosen == "openvino":
            raise DeviceError(
                "Whole-field models do not run in OpenVINO.", "Choose the device cpu or cuda."
            )
        if chosen == "torch":
            require_torch("The torch runtime")
            from allcell.models.cnn import CnnEngine

            torch_engine = CnnEngine(verified(checkpoint), *size, device=where, threads=threads)
            return cls(spec, torch_engine, checkpoint.sha256)
        compiled = compiled_path(checkpoint)
        if not compiled.is_file():
            require_torch(f"Compiling {spec.name!r} to ONNX")
            from allcell.models.cnn import export_onnx

            export_onnx(verified(checkpoint), compiled, *size)
        from allcell.engines.onnx_engine import OnnxEngine

        onnx_engine = OnnxEngine(compiled, device=where, threads=threads)
        return cls(spec, onnx_engine, checkpoint.sha256)

    def classify(self, image: Image) -> tuple[FieldClass, Timing]:
        """Judge a whole field.

        Args:
            image: RGB uint8 (H, W, 3); its 4:3 centre crop is scaled to the network's input, so
                the answer is valid for fields as large as those it was trained on.

        Returns:
            The suggested class, and the time each stage took.

        Raises:
            ValueError: If the image is not RGB uint8.
            ModelError: If the network fails.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected RGB uint8 (H, W, 3), got {image.shape} {image.dtype}")
        start = time.perf_counter()
        picture = field_input(self.spec, image)
        prepared = time.perf_counter()
        with self._lock:
            entered = time.perf_counter()
            healthy, cancerous = self.engine.run(picture).tolist()
            ran = time.perf_counter()
        # The softmax of two logits, in the form that cannot overflow.
        probability = 0.5 * (1 + math.tanh((cancerous - healthy) / 2))
        suggested = FIELD_CLASSES[probability >= self.spec.threshold]
        end = time.perf_counter()
        return FieldClass(probability, suggested), Timing(
            1e3 * (prepared - start), 1e3 * (ran - entered), 1e3 * (end - ran), 1e3 * (end - start)
        )


def _checkpoint(spec: ClassifierSpec) -> WeightFile:
    """The manifest's entry for the weights; without them, the error says how to get them."""
    folder = settings().weights_dir
    files = read_manifest(folder).get(spec.name)
    if not spec.shipped and (files is None or not files.has_checkpoint(folder)):
        raise ModelError(
            f"The weights of {spec.name!r} are too large to be shipped and are not here.",
            f"Train it with `python -m allcell train {spec.name} --release`, or choose another.",
        )
    return model_files(spec.name).checkpoint
