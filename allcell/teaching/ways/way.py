"""What a way of teaching does, and which one is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from allcell.own.card import Method
from allcell.teaching.parents import Parent
from allcell.teaching.plan import usual_tiles
from allcell.training.adapting import AdaptSettings, AdaptTiles


class TeachingWay(Protocol):
    """A way of teaching.

    Attributes:
        method: What cards call it.
        settings: What it is shown, and how long.
        around_s: Seconds that a training takes besides its tiles.
    """

    method: Method
    settings: AdaptSettings
    around_s: float

    def seconds_a_tile(self, parent: Parent, tiles: AdaptTiles) -> float:
        """How long a tile takes on this computer, in seconds."""
        ...

    def parents_graph(self, parent: Parent, target: Path, picture: npt.NDArray[np.uint8]) -> None:
        """Write the parent as ONNX, made in the same way as what is taught."""
        ...

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
        """Train on some tiles, and write the network as ONNX.

        Args:
            parent: The model that is taught.
            tiles: What it is shown.
            target: The file to write, atomically.
            kept: Where the state of a training may be kept; the caller deletes it.
            key: Tells this training from others.
            on_step: Called with the number of steps done and of all; may raise to stop.

        Raises:
            ModelError: If it diverges, or the file answers otherwise than it should.
            OSError: If a file cannot be written.
        """
        ...

    def described(self, settings: AdaptSettings) -> dict[str, Any]:
        """What decides the result, for the card."""
        ...


def way_of(*, quick: bool, fields: int, seed: int, tiles: int | None) -> TeachingWay:
    """A way of teaching.

    Args:
        quick: Whether to fit the last step only, which needs no torch.
        fields: How many fields it is taught with.
        seed: Of all random numbers.
        tiles: How many tiles are seen; None for as many as usual.
    """
    if quick:
        from allcell.teaching.ways.quick import Quick

        return Quick(seed, tiles)
    # torch takes seconds to import, and may be missing.
    from allcell.teaching.ways.full import Full

    return Full(seed, tiles or usual_tiles(fields))
