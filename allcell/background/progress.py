"""What the process of a work says of itself, and how it hears that it should stop."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Generic

from allcell.background.state import AnyState

#: Interval between two writings of the state, in seconds.
_EVERY_S = 0.5
#: Share of the whole after which the time left follows from what it took so far.
_TELLING = 0.05


class StopWork(Exception):  # noqa: N818 (nothing went wrong)
    """The work has been asked to stop."""


class Progress(Generic[AnyState]):
    """Writes how far a work is, and raises where it is to stop.

    Args:
        folder: Of the work.
        state: How it stands.
        stop_file: If it is there, the work stops.
    """

    def __init__(self, folder: Path, state: AnyState, stop_file: Path) -> None:
        self.folder, self.state, self._stop_file = folder, state, stop_file
        self._total_s = self._done_s = 0.0
        self._worked_s = self._expected_s = 0.0
        self._stage_s, self._began_s = 0.0, time.monotonic()
        self._wrote_s = 0.0

    def expect(self, seconds: float) -> None:
        """Say how long all stages together take, about."""
        self._total_s = seconds

    def begin(self, words: str, seconds: float = 0.0) -> None:
        """Begin a stage.

        Args:
            words: What is done, for people.
            seconds: How long it takes, about.
        """
        self._stage_s, self._began_s = seconds, time.monotonic()
        self.say(replace(self.state, status="working", stage=words), now=True)
        self.check()

    def step(self, done: int, of: int) -> None:
        """In a stage: so much of it is done.

        Raises:
            StopWork: If it is to stop.
        """
        self.check()
        self._report(done / max(1, of))

    def end(self, *, skipped: bool = False) -> None:
        """End a stage.

        Args:
            skipped: Whether it had been done before the process was started again.
        """
        if not skipped:
            self._worked_s += time.monotonic() - self._began_s
            self._expected_s += self._stage_s
        self._done_s += self._stage_s
        self._stage_s = 0.0
        self._report(0.0)

    def check(self) -> None:
        """Raise if it is to stop.

        Raises:
            StopWork: If so.
        """
        if self._stop_file.exists():
            raise StopWork

    def say(self, state: AnyState, *, now: bool = False) -> None:
        """Write a state, unless one was written a moment ago."""
        self.state = state
        if now or time.monotonic() - self._wrote_s > _EVERY_S:
            state.write(self.folder)
            self._wrote_s = time.monotonic()

    def _report(self, share: float) -> None:
        if not self._total_s:
            return
        done_s = self._done_s + share * self._stage_s
        worked_s = self._worked_s + (time.monotonic() - self._began_s if self._stage_s else 0.0)
        expected_s = self._expected_s + share * self._stage_s
        pace = worked_s / expected_s if expected_s > _TELLING * self._total_s else 1.0
        left_s = max(0.0, self._total_s - done_s) * pace
        progress = min(0.999, done_s / self._total_s)
        self.say(replace(self.state, progress=max(progress, self.state.progress), left_s=left_s))
