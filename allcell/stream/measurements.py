"""Something that is measured in a running stream: often at first, rarely later."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

#: The first few measurements follow quickly, later ones rarely: each costs 10 to 20 ms.
_SOON_S = 0.7
_LATER_S = 3.0
_KEPT = 7

Value = TypeVar("Value")


class Measurements(Generic[Value]):
    """The latest measurements of one thing, and when the next one is due. Not thread-safe.

    Attributes:
        latest: Up to seven, the newest last.
    """

    def __init__(self) -> None:
        self.latest: deque[Value] = deque(maxlen=_KEPT)
        self._next_s = 0.0

    def start_over(self) -> None:
        """Forget all of them, and measure the next frame."""
        self.latest.clear()
        self.look_again()

    def look_again(self) -> None:
        """Measure the next frame, whenever the last one was measured."""
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        """Whether it is time to measure, by the seconds of a monotonic clock."""
        return now_s >= self._next_s

    def note(self, value: Value | None, now_s: float) -> None:
        """Keep what was measured; None if nothing could be."""
        if value is not None:
            self.latest.append(value)
        settled = len(self.latest) == _KEPT
        self._next_s = now_s + (_LATER_S if settled else _SOON_S)
