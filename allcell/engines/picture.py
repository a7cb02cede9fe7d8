"""One picture on its way through a network: its tiles, and the boxes found in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from allcell.boxes import Letterbox, clip, nms, suppress
from allcell.detections import BoolArray, Detections, FloatArray
from allcell.engines.base import BatchEngine
from allcell.engines.decode import decode
from allcell.imaging.preprocess import plan_tiles, uncut
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec

#: A box of which less than this is in the picture, across or down, is no cell; where the picture is
#: enlarged for the network, less than as many of its pixels.
_LEAST_PX = 1.0
#: Most candidates that are kept of one run of the network, the most confident ones: YOLOv5's limit
#: (max_nms). A tile packed with cells yields some 20,000; a network that is confident everywhere
#: would cost seconds and gigabytes.
MAX_TILE_CANDIDATES = 30_000


@dataclass(frozen=True)
class Timing:
    """Where the time of one detection went, in milliseconds.

    Attributes:
        preprocess_ms: Scaling and padding; 0 where the device does it with the network.
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


@dataclass(frozen=True)
class Wanted:
    """What is to be found.

    Attributes:
        floor: Lowest confidence (0 to 1).
        iou: Overlap (0 to 1) above which two boxes are one cell.
        every_class: See `allcell.detector.Detector.detect`.
    """

    floor: float
    iou: float
    every_class: bool


@dataclass(eq=False)
class Searched:
    """A picture that is being searched.

    Attributes:
        image: RGB uint8 (H, W, 3).
        fit: How each of its tiles lies in the network's input.
        tiles: Where they start (x, y) in pixels of the image.
        ruler: The stain to bring them to the reference with; None to leave them as they are.
        parts: What was found so far, in pixels of the image.
        preprocess_s: Time that scaling took so far, in seconds.
        inference_s: Time that the network took so far, in seconds.
        full_tiles: Number of tiles with more than `MAX_TILE_CANDIDATES` candidates.
        kept: All that was found, each cell once, if that is known already.
    """

    image: npt.NDArray[np.uint8]
    fit: Letterbox
    tiles: tuple[tuple[int, int], ...]
    ruler: StainRuler | None = None
    parts: list[Detections] = field(default_factory=list)
    preprocess_s: float = 0.0
    inference_s: float = 0.0
    full_tiles: int = 0
    kept: Detections | None = None

    @classmethod
    def plan(
        cls,
        spec: ModelSpec,
        image: npt.NDArray[np.uint8],
        red_cell_px: float | None,
        stain: StainRuler | None,
    ) -> Searched:
        """Cut a picture into tiles.

        Args:
            spec: The model.
            image: See `allcell.detector.Detector.detect`, like the rest.
            red_cell_px: Diameter of its red cells in pixels, if known.
            stain: The colour of its red cells, if known.

        Raises:
            ValueError: If the image is not RGB uint8.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected RGB uint8 (H, W, 3), got {image.shape} {image.dtype}")
        height, width = image.shape[:2]
        fit, tiles = plan_tiles(spec, width, height, red_cell_px)
        return cls(image, fit, tiles, stain if spec.normalise_stain else None)

    def tile(self, x: int, y: int) -> npt.NDArray[np.uint8]:
        """The tile that starts there, a view of the image."""
        return self.image[y : y + self.fit.source_height_px, x : x + self.fit.source_width_px]

    def place_of(self, x: int, y: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a tile as shares of the image."""
        height, width = self.image.shape[:2]
        w, h = self.fit.source_width_px, self.fit.source_height_px
        return x / width, y / height, (x + w) / width, (y + h) / height

    def add(self, x: int, y: int, raw: FloatArray, spec: ModelSpec, wanted: Wanted) -> None:
        """Keep what the network found in one tile.

        Args:
            x: Where the tile starts, in pixels of the image.
            y: The same, downwards.
            raw: The network's output, see `Network.run`.
            spec: The model.
            wanted: What is to be found.

        Raises:
            ModelError: If the output does not fit the model.
        """
        found = decode(
            raw, spec.output, len(spec.classes), wanted.floor, every_class=wanted.every_class
        )
        if len(found) > MAX_TILE_CANDIDATES:
            self.full_tiles += 1
            found = found[np.argsort(-found.confidence, kind="stable")]
            found = found[:MAX_TILE_CANDIDATES]
        height, width = self.image.shape[:2]
        w, h = self.fit.source_width_px, self.fit.source_height_px
        xyxy = clip(self.fit.to_source(found.xyxy), w, h)
        there = _in_picture(xyxy, self.fit)
        found, xyxy = found[there], xyxy[there]
        if len(self.tiles) > 1:
            whole = uncut(xyxy, (x, y, w, h), (width, height), self.fit.scale_x)
            found, xyxy = found[whole], xyxy[whole] + np.array([x, y, x, y], np.float32)
        self.parts.append(Detections(xyxy, found.confidence, found.class_id))

    def merged(self, wanted: Wanted) -> Detections:
        """What was found in all tiles, each cell once, best first."""
        if self.kept is not None:
            return self.kept
        parts = self.parts
        merged = parts[0] if len(parts) == 1 else Detections.concatenate(parts)
        return suppress(merged, wanted.iou, across_classes=not wanted.every_class)

    def timing(self, total_s: float) -> Timing:
        """Where the time went, of a detection that took `total_s` seconds."""
        return Timing(
            1e3 * self.preprocess_s,
            1e3 * self.inference_s,
            1e3 * (total_s - self.preprocess_s - self.inference_s),
            1e3 * total_s,
            len(self.tiles),
            self.full_tiles,
        )


def _in_picture(xyxy: FloatArray, fit: Letterbox) -> BoolArray:
    """Which boxes have an extent: the others lie in the padding, or end before they begin."""
    least = _LEAST_PX / max(1.0, fit.scale_x)
    there: BoolArray = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1, initial=np.inf) >= least
    return there


#: A picture and where one of its tiles starts (x, y).
Tile = tuple[Searched, int, int]


def batches(pictures: Sequence[Searched], engine: BatchEngine | None) -> Iterator[list[Tile]]:
    """Tiles that are run at once: of one size, scale and treatment.

    Args:
        pictures: Those to be searched.
        engine: What runs the batches; None for one tile at a time.
    """
    waiting: dict[tuple[Letterbox, bool], list[Tile]] = {}
    for picture in pictures:
        most = 1 if engine is None else engine.batch_size(picture.fit)
        batch = waiting.setdefault((picture.fit, picture.ruler is None), [])
        for x, y in picture.tiles:
            batch.append((picture, x, y))
            if len(batch) >= most:
                yield batch[:]
                batch.clear()
    yield from filter(None, waiting.values())


def add_all(
    batch: Sequence[Tile], raws: Sequence[FloatArray], spec: ModelSpec, wanted: Wanted
) -> None:
    """Keep what the network found in a batch.

    Args:
        batch: Its tiles.
        raws: The network's output for each.
        spec: The model.
        wanted: What is to be found.

    Raises:
        ModelError: If an output does not fit the model.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, ((picture, x, y), raw) in enumerate(zip(batch, raws, strict=True)):
        if (
            len(batch) > 1
            and len(picture.tiles) == 1
            and spec.output == "anchor_free"
            and not wanted.every_class
            and raw.shape[0] == 4 + len(spec.classes)
            and raw.shape[1] <= MAX_TILE_CANDIDATES
        ):
            alike.setdefault(raw.shape, []).append(i)
        else:
            picture.add(x, y, raw, spec, wanted)
    for group in alike.values():
        _add_together([batch[i][0] for i in group], [raws[i] for i in group], wanted)


def _add_together(pictures: Sequence[Searched], raws: Sequence[FloatArray], wanted: Wanted) -> None:
    """What `Searched.add` and `merged` do, for pictures of one tile, one size and one scale.

    A call of numpy takes as long for one small picture as for a batch of them.
    """
    outputs = np.stack(raws)
    best = outputs[:, 4:].max(axis=1)
    owner, column = np.nonzero(best >= wanted.floor)
    mine = outputs[owner, :, column]
    half = 0.5 * mine[:, 2:4]
    fit = pictures[0].fit
    xyxy = fit.to_source(np.concatenate([mine[:, :2] - half, mine[:, :2] + half], axis=1))
    width, height = fit.source_width_px, fit.source_height_px
    found = Detections(
        clip(xyxy, width, height), np.minimum(best[owner, column], 1), mine[:, 4:].argmax(axis=1)
    )
    there = _in_picture(found.xyxy, fit)
    found, owner = found[there], owner[there]
    # Pictures laid side by side: boxes of two never meet.
    apart = found.xyxy.astype(float)
    apart[:, ::2] += owner[:, None] * (2.0 * width)
    kept = nms(apart, found.confidence, wanted.iou) if len(apart) else owner
    kept = kept[np.argsort(owner[kept], kind="stable")]
    found, ends = found[kept], np.searchsorted(owner[kept], np.arange(len(pictures) + 1))
    for i, picture in enumerate(pictures):
        picture.kept = found[ends[i] : ends[i + 1]]
