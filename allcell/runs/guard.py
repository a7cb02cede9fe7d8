"""Stops work in the background, on request or once the user's tab is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from allcell.detector import Detector
from allcell.engines.base import RunInterrupted
from allcell.runs.turn import turn

#: Interval between checks for the tab; long, so as not to disturb a measurement of speed.
_LOOK_S = 0.5
#: Interval between interrupts: one that falls between two inferences has no effect.
_AGAIN_S = 0.1


class StoppedError(Exception):
    """The work has been stopped; nothing went wrong."""


class RunGuard:
    """Decides whether the work of one thread goes on.

    Args:
        is_open: Whether the user's tab is still there; called from several threads.
        gone_s: Seconds for which the tab may be gone.
    """

    def __init__(self, is_open: Callable[[], bool], gone_s: float) -> None:
        self._is_open, self._gone_s = is_open, gone_s
        self._seen_s = time.monotonic()
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, on request or because the tab is gone."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Stop the work at its next `check`, or during an inference inside `over`."""
        self._stop.set()

    def check(self) -> None:
        """Called by the work between its steps: return if it is to go on.

        Raises:
            StoppedError: If it is not.
        """
        self._look()
        if self.stopped:
            raise StoppedError

    @contextmanager
    def over(self, detector: Detector) -> Iterator[None]:
        """Inside it, this thread's inferences are interrupted when the work is stopped.

        Inferences of other threads on the same detector go on.

        Args:
            detector: The detector that the thread uses.

        Raises:
            StoppedError: If the work was stopped during an inference.
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
    """A series of jobs in a background thread, which waits for its turn on this computer.

    Its fields may be read from any thread.

    Attributes:
        is_open: Whether the user's tab is still there; if not, the run ends after `gone_s`.
        gone_s: How long the tab may be gone, in seconds.
        failures: Why jobs failed, by position, in words for the user.
        position: Index of the current job.
        share: Progress of the current job, 0 to 1.
        running: Whether the run has not ended yet.
        waits: Whether it is waiting for another run on this computer.
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
        """Start the thread."""
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Abandon the current job and those after it; finished jobs keep their results."""
        self._guard.stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Block until the run ends, or for at most `timeout_s` seconds."""
        if self._thread:
            self._thread.join(timeout_s)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, on request or because the tab is gone."""
        return self._guard.stopped

    @property
    def done(self) -> int:
        """Number of jobs that have a result or failed."""
        raise NotImplementedError

    @property
    def total_share(self) -> float:
        """Progress of the whole series, 0 to 1."""
        weights = self._weights()
        now = sum(weights[: self.position])
        now += self.share * sum(weights[self.position : self.position + 1])
        return min(1.0, now / sum(weights))

    def _weights(self) -> Sequence[float]:
        """Time that each job takes, in any unit that all share."""
        raise NotImplementedError

    def _do(self) -> None:
        """The work itself."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        """Handle an error, other than a stop, that ends the whole run."""
        raise error

    def _release(self) -> None:
        """Let go of what only the work itself needs, such as open models."""
        raise NotImplementedError

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
            self._release()

    def _wait_for_turn(self) -> None:
        self.waits = True
        self._guard.check()
