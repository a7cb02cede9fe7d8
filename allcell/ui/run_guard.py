"""Ends work in the background: when it is asked to, or when nobody is there any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from allcell.detector import Detector
from allcell.engines.base import InterruptedRun

#: How often it is looked whether somebody is there; seldom, for speed is measured meanwhile.
_LOOK_S = 0.5
#: How often a run is interrupted again: between two runs, an interrupt finds none.
_AGAIN_S = 0.1


class StoppedError(Exception):
    """The work has been stopped; nothing went wrong."""


class RunGuard:
    """Whether the work of one thread shall go on.

    Args:
        is_open: Whether the user's tab is still there; asked from several threads.
        gone_s: How long it may be gone.
    """

    def __init__(self, is_open: Callable[[], bool], gone_s: float) -> None:
        self._is_open, self._gone_s = is_open, gone_s
        self._seen_s = time.monotonic()
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it, or nobody is there any more."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the work: at its next `check`, or within a run of the network."""
        self._stop.set()

    def check(self) -> None:
        """Look whether to go on; called by the work between its steps.

        Raises:
            StoppedError: If not.
        """
        self._look()
        if self.stopped:
            raise StoppedError

    @contextmanager
    def over(self, detector: Detector) -> Iterator[None]:
        """Within it, this thread's runs of a detector are interrupted when the work is stopped.

        Others may share the detector: their runs go on.

        Raises:
            StoppedError: If the work was stopped in a run.
        """
        done = threading.Event()
        threading.Thread(
            target=self._watch,
            args=(detector, threading.get_ident(), done),
            name="run-guard",
            daemon=True,
        ).start()
        try:
            yield
        except InterruptedRun as error:
            if self.stopped:
                raise StoppedError from error
            raise
        finally:
            done.set()

    def _watch(self, detector: Detector, thread_id: int, done: threading.Event) -> None:
        while not done.is_set():
            if self._stop.wait(_LOOK_S):
                detector.interrupt(thread_id)
                done.wait(_AGAIN_S)
            else:
                self._look()

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._is_open():
            self._seen_s = now_s
        elif now_s - self._seen_s > self._gone_s:
            self._stop.set()
