"""What has to be made before a slide can be shown, in the background: copies, or the sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from allcell.errors import AllcellError, SlideError
from allcell.runs.guard import BackgroundRun

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class SlideMaking(BackgroundRun):
    """Makes something for one slide.

    Attributes:
        make: Makes it. It is given a function to call with the share that is done (0 to 1), which
            raises `StoppedError` once the run is stopped, and raises an `AllcellError` itself if it
            cannot go on.
        problem: Why it was not made; None while nothing is wrong.
    """

    make: Callable[[Callable[[float], None]], object]
    problem: AllcellError | None = None
    _made: bool = False

    @property
    def done(self) -> int:
        """1 once it is made."""
        return int(self._made)

    def _weights(self) -> Sequence[float]:
        return (1.0,)

    def _do(self) -> None:
        self.make(self._heard)
        self._made = True

    def _heard(self, share: float) -> None:
        self.share = share
        self._guard.check()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AllcellError):
            self.problem = error
            return
        log.error("A slide could not be prepared.", exc_info=error)
        self.problem = SlideError(f"The slide was not made: {type(error).__name__}.", "Try again.")

    def _release(self) -> None:
        """Nothing is held."""
