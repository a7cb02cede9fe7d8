"""Aborts a run that takes too long: on some pictures, a loop in a graph may never end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from allcell.engines.base import Engine, RunInterrupted
from allcell.errors import ModelError

#: A network that takes longer for one picture is of no use here.
LONGEST_RUN_S = 30.0
#: An overdue run is interrupted again this often: one that is opening a session ignores it.
_AGAIN_S = 1.0


@dataclass(eq=False)
class _Run:
    ends_s: float
    interrupt: Callable[[], object]
    overdue: bool = False


class _Watchdog:
    """One thread that watches all runs; it ends when there are none.

    A timer for each run would start a thread for each. That takes 0.04 ms, but 20 ms and more while
    other threads compete for the GIL. This takes 0.002 ms in both cases.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._runs: set[_Run] = set()
        self._wakes_s = 0.0
        self._thread: threading.Thread | None = None

    def add(self, run: _Run) -> None:
        """Watch a run, and interrupt it when its time is up."""
        with self._news:
            self._runs.add(run)
            if self._thread is None:
                self._wakes_s = run.ends_s
                self._thread = threading.Thread(target=self._work, name="longest-run", daemon=True)
                self._thread.start()
            elif run.ends_s < self._wakes_s:
                self._news.notify()

    def remove(self, run: _Run) -> None:
        """Stop watching a run; it is not interrupted after that."""
        with self._news:
            self._runs.discard(run)

    def _work(self) -> None:
        with self._news:
            while self._runs:
                now_s = time.monotonic()
                for run in self._runs:
                    if run.ends_s <= now_s:
                        run.overdue = True
                        run.ends_s = now_s + _AGAIN_S
                        # While the lock is held, so that it cannot hit the engine's next run.
                        run.interrupt()
                self._wakes_s = min(run.ends_s for run in self._runs)
                self._news.wait(self._wakes_s - now_s)
            self._thread = None


_WATCHDOG = _Watchdog()


@contextmanager
def time_limit(engine: Engine) -> Iterator[None]:
    """A context in which a run of the engine is aborted after `LONGEST_RUN_S`.

    Args:
        engine: The network that runs.

    Raises:
        ModelError: If it took longer.
        RunInterrupted: If somebody else interrupted it.
    """
    run = _Run(time.monotonic() + LONGEST_RUN_S, engine.interrupt)
    _WATCHDOG.add(run)
    try:
        yield
    except RunInterrupted as error:
        if not run.overdue:
            raise
        raise ModelError(
            f"The network has not answered within {LONGEST_RUN_S:.0f} s.",
            "Use a smaller network, or a smaller input size.",
        ) from error
    finally:
        _WATCHDOG.remove(run)
