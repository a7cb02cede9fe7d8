"""Ends work in the background: when it is asked to, or when nobody is there any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from allcell.detector import Detector
from allcell.engines.base import RunInterrupted

#: How often it is looked whether somebody is there; seldom, for speed is measured meanwhile.
_LOOK_S = 0.5
#: How often a run is interrupted again: between two runs, an interrupt finds none.
_AGAIN_S = 0.1


class StoppedError(Exception):
    """The work has been stopped; nothing went wrong."""


class BackgroundRun:
    """Work in a thread of its own that can be stopped; it waits for its turn on this computer.

    Attributes:
        waits: Whether another run on this computer comes first.
    """

    waits: bool
    _guard: RunGuard
    _thread: threading.Thread | None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End within what runs; what is done stays."""
        self._guard.stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until it ends."""
        if self._thread:
            self._thread.join(timeout_s)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it, or nobody is there any more."""
        return self._guard.stopped

    def _wait_for_turn(self) -> None:
        self.waits = True
        self._guard.check()

    def _work(self) -> None:
        raise NotImplementedError


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
        except RunInterrupted as error:
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
