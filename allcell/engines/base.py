"""What every engine offers: a compiled network that turns one input tensor into its raw output."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray


class RunInterrupted(Exception):  # noqa: N818 (nothing went wrong)
    """A run ended early because `Engine.interrupt` asked for it."""


class Network(Protocol):
    """A network on a device. Not thread-safe: the caller holds a lock."""

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to users."""
        ...

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """Run the network.

        Args:
            image: RGB uint8 (H, W, 3), C-contiguous, sides multiples of the network's stride.

        Returns:
            The raw output of the first image of the batch, float32, two-dimensional.

        Raises:
            RunInterrupted: If it was interrupted.
        """
        ...


class Engine(Network, Protocol):
    """A network whose runs can be interrupted."""

    def interrupt(self) -> bool:
        """End the run that is in progress in another thread, if any, at its next layer.

        A kernel that has started runs to its end, and so does the opening of a session (the first
        run at an input size compiles the graph). An interrupt during the opening is lost: a caller
        who must be sure repeats it.

        Returns:
            Whether a run was in progress.
        """
        ...
