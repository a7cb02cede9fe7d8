"""Detector: image -> (Detections, Timing). What every page and every command calls."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from allcell.boxes import Letterbox, suppress, unscaled
from allcell.detections import Detections, FloatArray
from allcell.engines.base import BatchEngine, Engine
from allcell.engines.opening import Precision, Runtime, open_engine
from allcell.engines.picture import Searched, Wanted, add_all, batches
from allcell.engines.picture import Timing as Timing
from allcell.engines.turns import Task, Turns
from allcell.imaging.preprocess import bring_to_reference, empty_input, place
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec, get_spec
from allcell.models.weights import model_files
from allcell.settings import settings

#: Network inputs kept for reuse, one for each size of image.
_MAX_BUFFERS = 4
#: Candidates that overlap more than this are one cell at any setting; the IoU control ends here.
MAX_IOU = 0.8


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
        weights_sha256: SHA-256 of its weights (see `Provenance`); empty if unknown.
    """

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        *,
        floor_confidence: float = 0.05,
        weights_sha256: str = "",
    ) -> None:
        self.spec = spec
        self.weights_sha256 = weights_sha256
        self.engine = engine
        self.floor_confidence = floor_confidence
        self._batch = engine if isinstance(engine, BatchEngine) else None
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
        precision: Precision = "auto",
        threads: int | None = None,
    ) -> Detector:
        """Load a model from the registry, with the limits of the settings.

        Args:
            name: Its name.
            device: auto, cpu, cuda, intel-gpu or intel-npu.
            runtime: auto, onnx, openvino or torch; auto is the settings', or what was measured to
                be fastest on this CPU.
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
        return cls(
            spec,
            engine,
            floor_confidence=limits.floor_confidence,
            weights_sha256=model_files(name).checkpoint.sha256,
        )

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
        start = time.perf_counter()
        wanted = self._wanted(confidence, iou, every_class)
        picture = Searched.plan(self.spec, image, red_cell_px, stain)
        with Task(self._turns):
            self._search([picture], wanted)
            kept = picture.merged(wanted)
        return kept, picture.timing(time.perf_counter() - start)

    def detect_many(
        self,
        images: Sequence[npt.NDArray[np.uint8]],
        *,
        red_cell_px: Sequence[float | None] | None = None,
        confidence: float | None = None,
        iou: float | None = None,
        every_class: bool = False,
        stain: Sequence[StainRuler | None] | None = None,
    ) -> list[tuple[Detections, Timing]]:
        """Find the white cells of several images; on a CUDA card in batches, which is much faster.

        Args:
            images: See `detect`, like the rest; those of one size and scale share batches.
            red_cell_px: One for each image; None if all are unknown.
            confidence: For all.
            iou: For all.
            every_class: For all.
            stain: One for each image; None if all are unknown.

        Returns:
            As `detect`, in the order of the images. Each one's times are its share.

        Raises:
            ValueError: If an image is not RGB uint8, or the lengths differ.
            ModelError: If the network fails or its output does not fit.
            RunInterrupted: If it was interrupted.
        """
        start = time.perf_counter()
        wanted = self._wanted(confidence, iou, every_class)
        scales = [None] * len(images) if red_cell_px is None else red_cell_px
        stains = [None] * len(images) if stain is None else stain
        pictures = [
            Searched.plan(self.spec, *known) for known in zip(images, scales, stains, strict=True)
        ]
        with Task(self._turns):
            self._search(pictures, wanted)
            kept = [picture.merged(wanted) for picture in pictures]
        each = (time.perf_counter() - start) / max(1, len(images))
        return [(k, p.timing(each)) for k, p in zip(kept, pictures, strict=True)]

    def _wanted(self, confidence: float | None, iou: float | None, every_class: bool) -> Wanted:
        return Wanted(
            self.floor_confidence if confidence is None else confidence,
            self.spec.iou if iou is None else iou,
            every_class,
        )

    def _search(self, pictures: Sequence[Searched], wanted: Wanted) -> None:
        for batch in batches(pictures, self._batch):
            with self._turns:
                t0 = time.perf_counter()
                ready = [self._ready(picture, x, y) for picture, x, y in batch]
                t1 = time.perf_counter()
                raws = self._run(ready, batch[0][0], wanted)
                t2 = time.perf_counter()
            for picture, _, _ in batch:
                picture.preprocess_s += (t1 - t0) / len(batch)
                picture.inference_s += (t2 - t1) / len(batch)
            add_all(batch, raws, self.spec, wanted)

    def _ready(self, picture: Searched, x: int, y: int) -> npt.NDArray[np.uint8]:
        """What the engine takes of a tile: its pixels, or the network's input."""
        tile = picture.tile(x, y)
        if self._batch is not None and picture.ruler is None:
            return tile
        tensor = self._prepare(tile, picture.fit)
        if picture.ruler is not None:
            bring_to_reference(tensor, picture.fit, picture.ruler, picture.place_of(x, y))
        # The buffer is used again for the next of the batch.
        return tensor if self._batch is None else tensor.copy()

    def _run(
        self, ready: list[npt.NDArray[np.uint8]], picture: Searched, wanted: Wanted
    ) -> list[FloatArray]:
        if self._batch is None:
            return [self.engine.run(ready[0])]
        fit = (
            picture.fit
            if picture.ruler is None
            else unscaled(picture.fit.input_width_px, picture.fit.input_height_px)
        )
        # Boxes cut by a tile's edge drop no others, and a picture in its padding is not clipped.
        alone = len(picture.tiles) == 1 and picture.ruler is None and not wanted.every_class
        return self._batch.run_batch(ready, fit, wanted.floor, wanted.iou if alone else None)

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
        """Run on an empty image of this size, so that the first real one is not slow."""
        image = np.full((height_px, width_px, 3), 200, np.uint8)
        # A card prepares for a size when it meets it again.
        for _ in range(1 if self._batch is None else 2):
            self.detect(image, red_cell_px=red_cell_px)

    def _prepare(self, image: npt.NDArray[np.uint8], fit: Letterbox) -> npt.NDArray[np.uint8]:
        buffer = self._buffers.get(fit)
        if buffer is None:
            if len(self._buffers) >= _MAX_BUFFERS:
                self._buffers.clear()
            buffer = self._buffers[fit] = empty_input(fit)
        place(buffer, image, fit)
        return buffer
