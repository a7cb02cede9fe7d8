"""The quick way: the last step of the network is fitted to its own features, without torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from allcell.ahead import in_order, worker_count
from allcell.detections import FloatArray
from allcell.engines.compiled import compiled_graph
from allcell.engines.onnx_engine import OnnxEngine
from allcell.engines.opening import require_torch
from allcell.environment.files import write_whole
from allcell.errors import AllcellError, ModelError
from allcell.models.registry import MODELS
from allcell.models.weights import model_files, verified
from allcell.own.card import Method
from allcell.settings import settings
from allcell.teaching.parents import Parent
from allcell.teaching.ways.examples import Examples, examples
from allcell.teaching.ways.fitting import fit
from allcell.teaching.ways.graph import FIRST_STRIDE_PX, LastStep, OpenedGraph
from allcell.training.adapting import AdaptSettings, AdaptTiles, Tile

#: Tiles of a fit, how strongly it is drawn towards the parent, and its share in the average with
#: the parent. See `docs/teaching.md` for what was measured.
_TILES, _STRENGTH, _AVERAGE = 400, 3.0, 1.0
#: Between numpy's scores and those of the file: what rounding explains.
_MOST_CONFIDENCE = 0.01
_STEP_TILES = 16
#: What of the settings of the full way is not of this one.
_NOT_OURS = ("batch", "learning_rate", "final_rate", "warmup", "weight_decay", "frozen_statistics")


class Quick:
    """See `allcell.teaching.ways.way.TeachingWay`.

    Args:
        seed: Of all random numbers.
        tiles: How many tiles are seen; None for as many as usual.
    """

    method: Method = "quick"
    around_s = 6.0

    def __init__(self, seed: int, tiles: int | None) -> None:
        self.settings = AdaptSettings(
            tiles=_TILES if tiles is None else tiles, average=_AVERAGE, seed=seed
        )

    def seconds_a_tile(self, parent: Parent, tiles: AdaptTiles) -> float:
        """See `TeachingWay`."""
        opened, features = _opened(parent)
        started_s, classes = 0.0, len(parent.spec.classes)
        for number in range(_STEP_TILES + 1):
            _look(features, tiles.make(number), classes, len(opened.last_steps()), number)
            # The first compiles the graph.
            started_s = started_s or time.monotonic()
        return (time.monotonic() - started_s) / _STEP_TILES

    def parents_graph(self, parent: Parent, target: Path, picture: npt.NDArray[np.uint8]) -> None:
        """See `TeachingWay`."""
        write_whole(target, _graph(parent))

    def train(
        self,
        parent: Parent,
        tiles: AdaptTiles,
        target: Path,
        kept: Path,
        *,
        key: str,
        on_step: Callable[[int, int], None],
    ) -> None:
        """See `TeachingWay`; it takes seconds, so nothing is kept of it on the way."""
        opened, features = _opened(parent)
        before = opened.last_steps()
        count, classes = tiles.settings.tiles, len(parent.spec.classes)
        found: list[list[Examples]] = []
        made = in_order(range(count), tiles.make, workers=max(2, worker_count()))
        try:
            for number, tile in made:
                if isinstance(tile, AllcellError):
                    raise tile
                found.append(_look(features, tile, classes, len(before), number))
                if number % _STEP_TILES == 0:
                    on_step(number, count)
        finally:
            made.close()
        steps = [
            _averaged(fit(Examples.joined(level), step, _STRENGTH), step, tiles.settings.average)
            for level, step in zip(zip(*found, strict=True), before, strict=True)
        ]
        on_step(count, count)
        content = opened.with_steps(steps)
        _check(content, steps, features, tiles.make(0), classes)
        write_whole(target, content)

    def described(self, settings: AdaptSettings) -> dict[str, Any]:
        """See `TeachingWay`."""
        content = asdict(settings)
        varied = content.pop("augmentation")
        ours = {name: value for name, value in content.items() if name not in _NOT_OURS}
        return (
            ours
            | {"strength": _STRENGTH}
            | {f"augmentation.{name}": value for name, value in varied.items()}
        )


def _graph(parent: Parent) -> bytes:
    """The parent's ONNX: the shipped one, or compiled here."""
    if parent.spec.name in (spec.name for spec in MODELS):
        shipped = model_files(parent.spec.name).onnx
        if shipped is not None:
            return verified(shipped).read_bytes()
    path = settings().cache_dir / "onnx" / f"{parent.sha256[:32]}.onnx"

    def compile_into(path: Path) -> None:
        require_torch(f"The model {parent.spec.name!r} is shipped without its ONNX file, and it")
        from allcell.engines.torch_engine import export_onnx

        export_onnx(parent.checkpoint, path)

    compiled = compiled_graph(path, compile_into)
    return compiled if isinstance(compiled, bytes) else compiled.read_bytes()


def _opened(parent: Parent) -> tuple[OpenedGraph, OnnxEngine]:
    opened = OpenedGraph(_graph(parent))
    return opened, OnnxEngine(opened.features(), threads=worker_count())


def _look(
    features: OnnxEngine, tile: Tile, classes: int, levels: int, number: int
) -> list[Examples]:
    picture, truth = tile
    output = features.run(np.ascontiguousarray(picture))
    rng = np.random.default_rng(number)
    return examples(output, truth, picture.shape[0], classes, levels, rng)


def _averaged(new: LastStep, before: LastStep, share: float) -> LastStep:
    return LastStep(
        share * new.weight + (1 - share) * before.weight,
        share * new.bias + (1 - share) * before.bias,
    )


def _check(
    content: bytes, steps: list[LastStep], features: OnnxEngine, tile: Tile, classes: int
) -> None:
    """Whether the file gives the scores that its last steps should give."""
    picture = np.ascontiguousarray(tile[0])
    known = features.run(picture)
    expected = _scores(known[4 + classes :], steps, picture.shape[0])
    got = OnnxEngine(content, threads=worker_count()).run(picture)
    off = float(np.abs(got[4:] - expected).max())
    if off > _MOST_CONFIDENCE or not np.allclose(got[:4], known[:4], atol=0.5):
        raise ModelError(
            f"The written network answers otherwise than the fitted one: confidences differ by up "
            f"to {off:.3f}.",
            "Teach the laboratory again; if it happens twice, please report it.",
        )


def _scores(features: FloatArray, steps: list[LastStep], side_px: int) -> FloatArray:
    parts, start = [], 0
    for k, step in enumerate(steps):
        end = start + (side_px // (FIRST_STRIDE_PX * 2**k)) ** 2
        logits = step.weight @ features[:, start:end] + step.bias[:, None]
        parts.append(1 / (1 + np.exp(-np.clip(logits, -60, 60))))
        start = end
    return np.concatenate(parts, axis=1)
