"""Ends work in the background: when it is asked to, or when nobody is there any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from allcell.detector import Detector
from allcell.engines.base import RunInterrupted
from allcell.runs.turn import turn

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


@dataclass(eq=False, kw_only=True)
class BackgroundRun:
    """A series of jobs in a thread of its own, which waits for its turn on this computer.

    Its fields may be read from any thread.

    Attributes:
        is_open: Whether the user's tab is still there; if not, the run ends after `gone_s`.
        gone_s: How long the tab may be gone, in seconds.
        failures: Jobs that gave no result, by position, in words for the user.
        position: The job that runs.
        share: How far that one is, 0 to 1.
        running: Whether there is still something to do.
        waits: Whether another run on this computer comes first.
    """

    is_open: Callable[[], bool] = lambda: True
    gone_s: float = 5.0
    failures: dict[int, str] = field(default_factory=dict)
    position: int = 0
    share: float = 0.0
    running: bool = True
    waits: bool = False
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._guard = RunGuard(self.is_open, self.gone_s)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up the job that runs, and those after it; finished jobs keep their results."""
        self._guard.stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until it ends."""
        if self._thread:
            self._thread.join(timeout_s)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it, or nobody is there any more."""
        return self._guard.stopped

    @property
    def done(self) -> int:
        """Jobs that have a result or failed."""
        raise NotImplementedError

    @property
    def total_share(self) -> float:
        """How far the whole series is, 0 to 1."""
        weights = self._weights()
        now = sum(weights[: self.position])
        now += self.share * sum(weights[self.position : self.position + 1])
        return min(1.0, now / sum(weights))

    def _weights(self) -> Sequence[float]:
        """How long each job takes, in any unit that all share."""
        raise NotImplementedError

    def _do(self) -> None:
        """The work itself."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        """What ends the whole run, beside a stop."""
        raise error

    def _work(self) -> None:
        try:
            with turn(self._wait_for_turn):
                self.waits = False
                self._do()
        except StoppedError:
            pass
        except Exception as error:
            self._fail(error)
        finally:
            self.waits = self.running = False

    def _wait_for_turn(self) -> None:
        self.waits = True
        self._guard.check()
