"""What the process of a teaching says of itself, and how it hears that it should stop."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from allcell.teaching.state import State

#: Interval between two writings of the state, in seconds.
_EVERY_S = 0.5
#: Share of the whole after which the time left follows from what it took so far.
_TELLING = 0.05


class StopTeachingError(Exception):
    """The teaching has been asked to stop; nothing went wrong."""


class Progress:
    """Writes how far a teaching is, and raises where it is to stop.

    Args:
        folder: Of the teaching.
        state: How it stands.
        stop_file: If it is there, the teaching stops.
    """

    def __init__(self, folder: Path, state: State, stop_file: Path) -> None:
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
            StopTeachingError: If it is to stop.
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
            StopTeachingError: If so.
        """
        if self._stop_file.exists():
            raise StopTeachingError

    def say(self, state: State, *, now: bool = False) -> None:
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
