"""Recent errors of a stream: a new one is logged, and shown for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable

from allcell.errors import AllcellError

log = logging.getLogger(__name__)

#: An error in a single frame stays in the readout this long, or nobody could read it.
_SHOWN_S = 10.0


class Faults:
    """The latest error of a stream. Thread-safe.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._latest = ("", -_SHOWN_S)

    @property
    def shown(self) -> str:
        """The latest error as a sentence, while it is new; else empty."""
        text, at_s = self._latest
        return text if self._clock() - at_s < _SHOWN_S else ""

    def note(self, what: str, error: Exception) -> None:
        """Record an error.

        Args:
            what: What could not be done, as the beginning of a sentence.
            error: The cause.
        """
        reason = (
            str(error) if isinstance(error, AllcellError) else f"{type(error).__name__}: {error}"
        )
        before = self.shown
        self._latest = (f"{what} ({reason}).", self._clock())
        # An error in every frame would fill the log thirty times a second.
        if self._latest[0] != before:
            log.warning("%s", what, exc_info=error)
