"""One heavy run at a time on this computer: two together would make each other's speed wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What a person reads while another run has its turn.
WAITS = "Waits for another run on this computer"
#: How often one that waits asks whether it is still wanted.
_ASKS_EVERY_S = 0.2

#: All runs of all browser sessions: who came first is at the left, and has its turn.
_queue: deque[object] = deque()
_changed = threading.Condition()


@contextmanager
def turn(while_waiting: Callable[[], None]) -> Iterator[None]:
    """The only heavy run of this process, in the order in which they came.

    Args:
        while_waiting: Called again and again until it is this one's turn; may raise to give it up.
    """
    me = object()
    with _changed:
        _queue.append(me)
    try:
        while not _is_first(me):
            while_waiting()
        yield
    finally:
        with _changed:
            _queue.remove(me)
            _changed.notify_all()


def _is_first(me: object) -> bool:
    with _changed:
        return _changed.wait_for(lambda: _queue[0] is me, _ASKS_EVERY_S)
