"""All runtimes measured in a background thread, with progress and a way to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from allcell.errors import AllcellError
from allcell.runs.guard import BackgroundRun
from allcell.runs.runtime_speeds import RuntimeComparison

log = logging.getLogger(__name__)

#: Measures a model: called with its name and with what is to be called at each step.
Measure = Callable[[str, Callable[[float, str], None]], RuntimeComparison]


@dataclass(eq=False)
class RuntimesRun(BackgroundRun):
    """Measures every runtime on one model; stops by itself once the user's tab is gone.

    Attributes:
        model: Name of the model.
        measure: Does it, such as `allcell.runs.runtimes.compare`.
        words: What it does now.
        comparison: What was measured, once all of it is.
        failed: Why it ended without, in words for the user; empty if it did not.
    """

    model: str
    measure: Measure
    words: str = ""
    comparison: RuntimeComparison | None = None
    failed: str = ""

    @property
    def done(self) -> int:
        """1 once there is a comparison."""
        return int(self.comparison is not None)

    def _weights(self) -> Sequence[float]:
        return [1.0]

    def _do(self) -> None:
        def on_step(share: float, words: str) -> None:
            self.share, self.words = share, words
            self._guard.check()

        self.comparison = self.measure(self.model, on_step)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AllcellError):
            self.failed = f"{error.message} {error.remedy}"
            return
        log.error("Measuring the runtimes failed: %s", type(error).__name__)
        self.failed = f"Measuring failed ({type(error).__name__})."

    def _release(self) -> None:
        """Nothing is held: models are opened by `measure` and go with it."""
