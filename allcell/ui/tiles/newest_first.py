"""Threads that do first what was asked for last: what a viewer shows now, not a second ago."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

#: Tiles are made by as many threads: decoding and encoding leave Python to others.
_THREADS = 2
#: More than two screens of tiles: whatever waits longer has left the screen.
_MOST_WAITING = 160


class NewestFirst:
    """Threads that make things, the newest wish first. Thread-safe.

    Args:
        threads: How many.
        most_waiting: Wishes kept; the oldest beyond it is cancelled.
    """

    def __init__(self, threads: int = _THREADS, most_waiting: int = _MOST_WAITING) -> None:
        self._most = most_waiting
        self._changed = threading.Condition()
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        for n in range(threads):
            threading.Thread(target=self._work, name=f"tiles {n}", daemon=True).start()

    def submit(self, make: Callable[[], bytes]) -> Future[bytes]:
        """Have something made.

        Args:
            make: Makes it; called in one of the threads unless the wish is cancelled before.

        Returns:
            What is made, or its error.
        """
        wish: Future[bytes] = Future()
        dropped: list[Future[Any]] = []
        with self._changed:
            self._waiting.append((wish, make))
            while len(self._waiting) > self._most:
                dropped.append(self._waiting.pop(0)[0])
            self._changed.notify()
        for old in dropped:
            old.cancel()
        return wish

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                wish, make = self._waiting.pop()
            if not wish.set_running_or_notify_cancel():
                continue
            try:
                wish.set_result(make())
            except Exception as error:  # belongs to whoever waits for it
                wish.set_exception(error)
            del wish, make


@lru_cache(maxsize=1)
def tile_threads() -> NewestFirst:
    """The threads that make the tiles of all sessions."""
    return NewestFirst()
