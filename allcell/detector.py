"""Detector: image -> (Detections, Timing). What every page and every command calls."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.boxes import Letterbox, clip, suppress
from allcell.detections import Detections, FloatArray
from allcell.engines.base import Engine
from allcell.engines.decode import decode
from allcell.engines.opening import Precision, Runtime, open_engine
from allcell.engines.turns import Task, Turns
from allcell.imaging.preprocess import bring_to_reference, empty_input, place, plan_tiles, uncut
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec, get_spec
from allcell.settings import settings

#: Network inputs kept for reuse, one for each size of image.
_MAX_BUFFERS = 4
#: Candidates that overlap more than this are one cell at any setting; the IoU control ends here.
MAX_IOU = 0.8
#: Most candidates that are kept of one run of the network, the most confident ones: YOLOv5's limit
#: (max_nms). A tile packed with cells yields some 20,000; a network that is confident everywhere
#: would cost seconds and gigabytes.
MAX_TILE_CANDIDATES = 30_000


@dataclass(frozen=True)
class Timing:
    """Where the time of one detection went, in milliseconds.

    Attributes:
        preprocess_ms: Scaling and padding.
        inference_ms: The network.
        postprocess_ms: Decoding, non-maximum suppression, merging of tiles.
        total_ms: From call to result, including the wait for the model.
        tiles: Number of network runs.
        full_tiles: Number of runs with more than `MAX_TILE_CANDIDATES` candidates: the least
            confident were left out, so cells may be missing.
    """

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    total_ms: float
    tiles: int = 1
    full_tiles: int = 0


def choose(
    spec: ModelSpec,
    candidates: Detections,
    *,
    confidence: float | None = None,
    iou: float | None = None,
    classes: Collection[str] | None = None,
) -> Detections:
    """Select the candidates to show at these settings, without running the model again.

    Args:
        spec: The model.
        candidates: Its boxes down to a low confidence, suppressed at an IoU of `MAX_IOU`.
        confidence: Lowest confidence (0 to 1); the model's operating threshold if None.
        iou: Overlap above which two boxes are one cell, up to `MAX_IOU`; the model's if None.
        classes: Names of the classes to keep; all if None.
    """
    threshold = spec.confidence if confidence is None else confidence
    shown = suppress(candidates.at_least(threshold), spec.iou if iou is None else iou)
    if classes is None:
        return shown
    wanted = [i for i, name in enumerate(spec.classes) if name in classes]
    return shown[np.isin(shown.class_id, wanted)]


class Detector:
    """A model ready to run. Safe to share between threads.

    Runs of the network are queued, not calls: a small image that arrives while the tiles of a
    large one are processed waits only for the run under way.

    Args:
        spec: The model.
        engine: Its network.
        floor_confidence: Lowest confidence (0 to 1) that is returned when none is asked for.
    """

    def __init__(self, spec: ModelSpec, engine: Engine, *, floor_confidence: float = 0.05) -> None:
        self.spec = spec
        self.engine = engine
        self._floor = floor_confidence
        self._turns = Turns(engine)
        #: Not locked: only the thread whose turn it is uses them.
        self._buffers: dict[Letterbox, npt.NDArray[np.uint8]] = {}

    @classmethod
    def open(
        cls,
        name: str,
        *,
        device: str = "auto",
        runtime: Runtime = "auto",
        precision: Precision = "full",
        threads: int | None = None,
    ) -> Detector:
        """Load a model from the registry, with the limits of the settings.

        Args:
            name: Its name.
            device: auto, cpu or cuda.
            runtime: auto, onnx or torch.
            precision: See `allcell.engines.opening.open_engine`.
            threads: CPU threads, 0 = all cores; the settings' if None.

        Raises:
            ModelError: If there is no such model, or its weights cannot be used.
            DeviceError: If the device is not available.
        """
        limits = settings()
        spec = get_spec(name)
        engine = open_engine(
            spec,
            device=device,
            runtime=runtime,
            precision=precision,
            threads=limits.threads if threads is None else threads,
        )
        return cls(spec, engine, floor_confidence=limits.floor_confidence)

    def detect(
        self,
        image: npt.NDArray[np.uint8],
        *,
        red_cell_px: float | None = None,
        confidence: float | None = None,
        iou: float | None = None,
        every_class: bool = False,
        stain: StainRuler | None = None,
    ) -> tuple[Detections, Timing]:
        """Find the white cells of an image, however many there are.

        Args:
            image: RGB uint8 (H, W, 3).
            red_cell_px: Diameter of its red cells in pixels (see `allcell.imaging.scale`); None
                scales the long side to the model's default.
            confidence: Lowest confidence (0 to 1) to return; the detector's floor if None.
            iou: Overlap (0 to 1) above which two boxes are one cell; the model's own if None.
            every_class: For the curves of an evaluation, as in YOLOv5's validation: a box counts
                for each class that reaches the confidence, and suppression runs per class.
                Otherwise one cell has one class.
            stain: The colour of its red cells (see `allcell.imaging.stain`), if known; only models
                trained so make use of it (`ModelSpec.normalise_stain`).

        Returns:
            Boxes in pixels of `image`, best first, and the time each stage took.

        Raises:
            ValueError: If the image is not RGB uint8.
            ModelError: If the network fails or its output does not fit.
            RunInterrupted: If it was interrupted.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected RGB uint8 (H, W, 3), got {image.shape} {image.dtype}")
        start = time.perf_counter()
        height, width = image.shape[:2]
        floor = self._floor if confidence is None else confidence
        overlap = self.spec.iou if iou is None else iou
        fit, tiles = plan_tiles(self.spec, width, height, red_cell_px)
        w, h = fit.source_width_px, fit.source_height_px
        parts: list[Detections] = []
        preprocess = inference = 0.0
        full_tiles = 0
        ruler = stain if self.spec.normalise_stain else None
        with Task(self._turns):
            for x, y in tiles:
                with self._turns:
                    t0 = time.perf_counter()
                    tensor = self._prepare(image[y : y + h, x : x + w], fit)
                    if ruler is not None:
                        part = (x / width, y / height, (x + w) / width, (y + h) / height)
                        bring_to_reference(tensor, fit, ruler, part)
                    t1 = time.perf_counter()
                    raw = self.engine.run(tensor)
                    t2 = time.perf_counter()
                preprocess += t1 - t0
                inference += t2 - t1
                found = decode(
                    raw,
                    self.spec.output,
                    len(self.spec.classes),
                    floor,
                    every_class=every_class,
                )
                if len(found) > MAX_TILE_CANDIDATES:
                    full_tiles += 1
                    found = found[np.argsort(-found.confidence, kind="stable")]
                    found = found[:MAX_TILE_CANDIDATES]
                xyxy = clip(fit.to_source(found.xyxy), w, h)
                if len(tiles) > 1:
                    whole = uncut(xyxy, (x, y, w, h), (width, height), fit.scale_x)
                    found, xyxy = found[whole], xyxy[whole] + np.array([x, y, x, y], np.float32)
                parts.append(Detections(xyxy, found.confidence, found.class_id))
            merged = parts[0] if len(parts) == 1 else Detections.concatenate(parts)
            kept = suppress(merged, overlap, across_classes=not every_class)
        total = time.perf_counter() - start
        return kept, Timing(
            1e3 * preprocess,
            1e3 * inference,
            1e3 * (total - preprocess - inference),
            1e3 * total,
            len(tiles),
            full_tiles,
        )

    def run_bare(self, ready: npt.NDArray[np.uint8]) -> FloatArray:
        """Run the network alone on an input made by `network_input`; queues like `detect`.

        Args:
            ready: See `Engine.run`.

        Returns:
            The raw output, see `Engine.run`.

        Raises:
            ModelError: If the network fails.
            RunInterrupted: If it was interrupted.
        """
        with Task(self._turns), self._turns:
            return self.engine.run(ready)

    def interrupt(self, thread_id: int | None = None) -> bool:
        """Make a detection that runs in another thread, if any, end with `RunInterrupted`.

        It ends during its run of the network if the engine can abort one, else after it; at once
        if it is waiting for its turn, between two tiles or before the first.

        Args:
            thread_id: See `threading.get_ident`: only the detection of this thread is interrupted,
                not those of others that share the detector; None for all of them.

        Returns:
            Whether there was a detection to interrupt.
        """
        return self._turns.interrupt(thread_id)

    def warm_up(self, width_px: int, height_px: int, red_cell_px: float | None = None) -> None:
        """Run once on an empty image of this size, so that the first real one is not slow."""
        self.detect(np.full((height_px, width_px, 3), 200, np.uint8), red_cell_px=red_cell_px)

    def _prepare(self, image: npt.NDArray[np.uint8], fit: Letterbox) -> npt.NDArray[np.uint8]:
        buffer = self._buffers.get(fit)
        if buffer is None:
            if len(self._buffers) >= _MAX_BUFFERS:
                self._buffers.clear()
            buffer = self._buffers[fit] = empty_input(fit)
        place(buffer, image, fit)
        return buffer
