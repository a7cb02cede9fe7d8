"""One heavy run at a time on this computer: two at once would falsify each other's timings."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Message while another run has its turn.
WAITS = "Waits for another run on this computer"
#: Interval at which a waiting run checks whether it is still wanted.
_ASKS_EVERY_S = 0.2

#: Runs of all browser sessions in order of arrival; the leftmost has its turn.
_queue: deque[object] = deque()
_changed = threading.Condition()


@contextmanager
def turn(while_waiting: Callable[[], None]) -> Iterator[None]:
    """Inside it, the caller is the only heavy run of this process; first come, first served.

    Args:
        while_waiting: Called again and again while waiting; may raise to give up the turn.
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
