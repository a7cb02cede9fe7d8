"""A small cache that evicts the least recently used value."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Keeps the most recently used values, within a number and a total weight.

    Thread-safe: each browser session has its own, but one that needs memory may empty another's.

    Args:
        max_items: Largest number of values.
        max_weight: Largest sum of weights; the newest value stays even if it alone is heavier.
        weight: Weight of a value, for example its size in bytes.
    """

    def __init__(
        self,
        max_items: int,
        max_weight: float = float("inf"),
        weight: Callable[[Value], float] = lambda _: 0.0,
    ) -> None:
        self._max_items = max_items
        self._max_weight = max_weight
        self._weight = weight
        self._items: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def copy(self) -> dict[Key, Value]:
        """What is kept at this moment, for another thread to read."""
        with self._lock:
            return dict(self._items)

    def get(self, key: Key) -> Value | None:
        """The value, which then counts as just used; None if it is not there."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key]

    def get_or(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value as `get` returns it; made and kept if it is not there."""
        known = self.get(key)
        return self.put(key, make()) if known is None else known

    def put(self, key: Key, value: Value) -> Value:
        """Keep a value, evict what no longer fits, and return the value."""
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > 1 and (
                len(self._items) > self._max_items
                or sum(self._weight(item) for item in self._items.values()) > self._max_weight
            ):
                self._items.popitem(last=False)
            return value

    def drop(self, key: Key) -> None:
        """Forget one value, if it is there."""
        with self._lock:
            self._items.pop(key, None)

    def drop_if(self, gone: Callable[[Key], bool]) -> None:
        """Forget the values whose keys satisfy `gone`."""
        with self._lock:
            for key in [key for key in self._items if gone(key)]:
                del self._items[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()
