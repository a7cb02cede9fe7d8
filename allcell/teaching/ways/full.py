"""The full way: all layers are trained, with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from allcell.own.card import Method
from allcell.teaching.parents import Parent
from allcell.teaching.plan import AROUND_S
from allcell.training import adapt
from allcell.training.adapting import AdaptSettings, AdaptTiles


class Full:
    """See `allcell.teaching.ways.way.TeachingWay`.

    Args:
        seed: Of all random numbers.
        tiles: How many tiles are seen.
    """

    method: Method = "full"
    around_s = AROUND_S

    def __init__(self, seed: int, tiles: int) -> None:
        self.settings = AdaptSettings(seed=seed, tiles=tiles)

    def seconds_a_tile(self, parent: Parent, tiles: AdaptTiles) -> float:
        """See `TeachingWay`."""
        return adapt.seconds_a_tile(parent.checkpoint, tiles)

    def parents_graph(self, parent: Parent, target: Path, picture: npt.NDArray[np.uint8]) -> None:
        """See `TeachingWay`."""
        adapt.export_parent(parent.checkpoint, target, picture)

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
        """See `TeachingWay`."""
        network = adapt.adapt(parent.checkpoint, tiles, kept, key=key, on_step=on_step)
        adapt.export(network, target, np.ascontiguousarray(tiles.make(0)[0]))

    def described(self, settings: AdaptSettings) -> dict[str, Any]:
        """See `TeachingWay`."""
        content = asdict(settings)
        varied = content.pop("augmentation")
        return content | {f"augmentation.{name}": value for name, value in varied.items()}
