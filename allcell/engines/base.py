"""What every engine offers: a compiled network that turns one input tensor into its raw output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from allcell.boxes import Letterbox
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


@runtime_checkable
class BatchEngine(Engine, Protocol):
    """An engine whose device scales and pads pictures itself, and takes several at once."""

    def batch_size(self, fit: Letterbox) -> int:
        """How many pictures of that size are best given at once, at least 1."""
        ...

    def run_batch(
        self,
        pictures: Sequence[npt.NDArray[np.uint8]],
        fit: Letterbox,
        floor: float,
        iou: float | None = None,
    ) -> list[FloatArray]:
        """Scale pictures of one shape into the network's input and run it.

        Args:
            pictures: RGB uint8 (h, w, 3), at least one, of the source size of `fit`.
            fit: How each lies in the network's input.
            floor: Lowest confidence (0 to 1) that is of interest.
            iou: Suppression at this IoU (0 to 1), across classes, is all that is done with the
                boxes of a picture, clipped to it; None if anything else is.

        Returns:
            The raw output of each, as of `run`; candidates below the floor, and those that the
            suppression would drop, may be missing or have a score of 0. Their order is free.

        Raises:
            RunInterrupted: If it was interrupted.
            ModelError: If the device has not enough memory for a single one.
        """
        ...


@runtime_checkable
class StreamEngine(Engine, Protocol):
    """An engine of which several can run at the same time, one core each."""

    def streams(self, number: int) -> Sequence[Engine]:
        """The same network so many times, each for a thread of its own and one core.

        They share what they can, and are opened when they first run. Together they do more in a
        second than one on all cores, and a single run takes longer.

        Args:
            number: How many, at least 1.

        Returns:
            None where the device is not the CPU.
        """
        ...
