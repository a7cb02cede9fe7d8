"""What every engine offers: a compiled network that turns one input tensor into its raw output."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray


class RunInterrupted(Exception):  # noqa: N818 (nothing went wrong)
    """A run ended early because `Engine.interrupt` asked for it."""


class Network(Protocol):
    """A network on a device. Not thread-safe: who calls it holds a lock."""

    @property
    def description(self) -> str:
        """Runtime, version and device, as shown to people."""
        ...

    def run(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """Run the network.

        Args:
            image: RGB uint8 (H, W, 3), C-contiguous, sides multiples of the network's stride.

        Returns:
            The raw output of the first image of the batch, float32, two-dimensional.

        Raises:
            RunInterrupted: If somebody interrupted it.
        """
        ...


class Engine(Network, Protocol):
    """A network that can be told to give up a run."""

    def interrupt(self) -> bool:
        """Let the run of another thread, if there is one, end at the next layer.

        It takes effect between two layers. One large kernel runs to its end, and so does the
        opening of a session (the first run at an input size compiles the graph), after which the
        run begins as if nothing had been said: whoever must be sure interrupts again.

        Returns:
            Whether there was a run.
        """
        ...
