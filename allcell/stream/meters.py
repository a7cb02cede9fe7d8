"""Rates and times over the last seconds."""

from __future__ import annotations

from collections import deque

from allcell.statistics import Milliseconds

#: Readouts cover this much time: long enough to be steady, short enough to follow a change.
WINDOW_S = 5.0


class Rate:
    """Events per second over a sliding window. Not thread-safe.

    Args:
        window_s: Length of the window.

    Attributes:
        total: All events so far.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()
        self._first_s: float | None = None
        self.total = 0

    def add(self, now_s: float) -> None:
        """Note an event."""
        self._first_s = now_s if self._first_s is None else self._first_s
        self._times.append(now_s)
        self.total += 1
        self._forget(now_s)

    def per_second(self, now_s: float) -> float:
        """Events per second; in the first seconds, over the time since the first event."""
        self._forget(now_s)
        if self._first_s is None:
            return 0.0
        return len(self._times) / max(min(self._window_s, now_s - self._first_s), 0.5)

    def _forget(self, now_s: float) -> None:
        while self._times and self._times[0] < now_s - self._window_s:
            self._times.popleft()


class Durations:
    """Durations of a stage over a sliding window. Not thread-safe.

    Args:
        window_s: Length of the window.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._items: deque[tuple[float, float]] = deque()

    def add(self, now_s: float, duration_s: float) -> None:
        """Note a duration."""
        self._items.append((now_s, 1e3 * duration_s))
        self._forget(now_s)

    def milliseconds(self, now_s: float) -> Milliseconds | None:
        """Median and 95th percentile; None if there are no durations."""
        self._forget(now_s)
        return Milliseconds.of([ms for _, ms in self._items]) if self._items else None

    def history_ms(self, points: int) -> tuple[float, ...]:
        """The latest durations in milliseconds, oldest first, at most `points`."""
        return tuple(ms for _, ms in list(self._items)[-points:])

    def _forget(self, now_s: float) -> None:
        while self._items and self._items[0][0] < now_s - self._window_s:
            self._items.popleft()
